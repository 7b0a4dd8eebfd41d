"""What has arrived at a receiver."""

from collections import Counter

from demo.receiver import LogEvent, Receiver

__all__ = ["entries_at", "events_at", "responses_at"]


def events_at(receiver: Receiver, name: str) -> list[LogEvent]:
    """Our events of that name."""
    return [event for event in receiver.events() if event.event_name == name]


def entries_at(receiver: Receiver) -> list[LogEvent]:
    """The ledger entries, none of them twice."""
    found = events_at(receiver, "botanu.ledger.entry")
    assert len({entry.attributes["botanu.entry_id"] for entry in found}) == len(found)
    return found


def responses_at(receiver: Receiver) -> Counter[str | None]:
    """How many entries there are of each response id."""
    return Counter(entry.attributes.get("gen_ai.response.id") for entry in entries_at(receiver))
