"""What the provider bills: its own book, kept without a look at any span."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Bill", "Invoice", "Status", "Tokens", "tokens_for"]

Status = Literal["ok", "rate_limited", "overloaded", "canceled", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of one call.

    Attributes:
        input: All input tokens, those read from and written to the prompt cache included.
        output: Generated tokens.
        cached: Input tokens that were read from the prompt cache.
        cache_write: Input tokens that were written to it.
        reasoning: The part of the output that nobody gets to see.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One row of the invoice; token counts as in `Tokens`.

    Attributes:
        request_id: The id of the response (``chatcmpl-…``, ``msg_…``), or of the request that was turned away.
        status: ``ok`` and ``interrupted`` (the client left half-way) are billed, the others have no tokens.
        account: Who pays: whose API key it was.
        service_tier: ``default`` or ``flex``.
        list_usd: US dollars by the price list, a decimal number; empty for a model that is not on it.
        due_usd: The same, less what the account was promised.
    """

    request_id: str
    provider: str
    model: str
    operation: str
    status: Status
    account: str = ""
    service_tier: str = "default"
    list_usd: str = ""
    due_usd: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class Invoice:
    """The rows so far; safe to use from many threads."""

    def __init__(self) -> None:
        self._rows: list[Bill] = []
        self._held: set[str] = set()
        self._is_closed = False
        self._changed = threading.Condition()

    def add(self, bill: Bill) -> None:
        """Write one row."""
        with self._changed:
            self._rows.append(bill)
            self._changed.notify_all()

    def rows(self) -> list[Bill]:
        """A copy of the rows, in the order of billing."""
        with self._changed:
            return list(self._rows)

    def as_json(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries."""
        return [asdict(row) for row in self.rows()]

    def hold(self, key: str) -> None:
        """Note that the call named `key` has arrived and is being held back."""
        with self._changed:
            self._held.add(key)
            self._changed.notify_all()

    def wait_held(self, key: str, *, timeout: float) -> bool:
        """Wait until the call named `key` is being held back; False after `timeout` seconds, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or key in self._held, timeout)
            return key in self._held

    def close(self) -> None:
        """Let go of everyone who waits for a call to be held back."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def wait_for(self, predicate: Callable[[list[Bill]], bool], *, timeout: float) -> bool:
        """Wait until the rows satisfy `predicate`; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self._rows), timeout)


def tokens_for(request: Mapping[str, Any], *, archive: int = 0) -> Tokens:
    """Token counts of a request, the same for the same request on every machine.

    They are made from a hash, not from a tokenizer: nothing here depends on what they are, only on who knows them.
    A fifth of the calls reads a part of its prompt from the cache; one that marks a block with ``cache_control``
    also writes. Of what a reasoning model says a third is reasoning.

    Args:
        request: Its body.
        archive: So many tokens more in the prompt, as if a long file lay with it.
    """
    text = json.dumps(request, sort_keys=True)
    digest = hashlib.sha256(text.encode()).digest()
    prompt = len(text) // 4 + 200 + int.from_bytes(digest[:2]) % 1_200
    output = 20 + int.from_bytes(digest[2:4]) % 380
    marked = "cache_control" in text
    cached = 128 * (1 + digest[4] % 8) if marked or digest[5] % 5 == 0 else 0
    written = 64 * (1 + digest[6] % 8) if marked else 0
    return Tokens(
        input=prompt + archive + cached + written,
        output=output,
        cached=cached,
        cache_write=written,
        reasoning=output // 3 if str(request.get("model", "")).startswith("gpt-5") else 0,
    )
