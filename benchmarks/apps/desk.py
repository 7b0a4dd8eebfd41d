"""What a service does for a request, whatever its framework: a ticket with its messages, out of a database."""

import sqlite3
from typing import Any

__all__ = ["ticket"]

_MESSAGES = 100
_database = sqlite3.connect(":memory:", check_same_thread=False)
_database.row_factory = sqlite3.Row
_database.executescript("CREATE TABLE message (ticket INTEGER, number INTEGER, author TEXT, text TEXT, read INTEGER)")
_database.executemany(
    "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
    [
        (ticket, number, f"author {number % 3}", "The kettle does not get warm. " * 3, number % 2)
        for ticket in range(10)
        for number in range(_MESSAGES)
    ],
)
_QUERY = "SELECT number, author, text, read FROM message WHERE ticket = ? ORDER BY number"


def ticket(number: int) -> dict[str, Any]:
    """A ticket and its hundred messages."""
    rows = _database.execute(_QUERY, (number,)).fetchall()
    messages = [{**row, "read": bool(row["read"])} for row in rows]
    return {"ticket": number, "messages": messages, "unread": sum(not each["read"] for each in messages)}
