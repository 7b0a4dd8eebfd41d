"""What the contract suite asks of a framework's harness, and what it gets back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

__all__ = [
    "OTHER_RUN", "RUN", "RUN_HEADER", "Answer", "Builder", "Call", "Harness", "baggage_of", "own_span",
    "path_parameter", "touch_body",
]  # fmt: skip

RUN = "0190f8a4-5d9e-7c3b-8f21-9a4b6c2d1e0f"
OTHER_RUN = "0190f8a4-5d9e-7c3b-8f21-000000000001"
RUN_HEADER = "x-botanu-run-id"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        path: With its parameters filled in.
        headers: In order; values as they stand on the wire.
        method: HTTP method.
        peer: Address of the client; `None` for a server that knows none, such as one on a unix socket.
        leaves_after: The client goes away after so many chunks of the body.
        body: Of the request.
    """

    path: str
    headers: Sequence[tuple[str, bytes]] = ()
    method: str = "GET"
    peer: str | None = "127.0.0.1"
    leaves_after: int | None = None
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of it.

    Attributes:
        status: HTTP status; 0 where no response was begun.
        headers: Lower-case names.
        body: What the client got of it.
        error: What the application raised to its server.
        spans: Those that ended meanwhile; empty for calls sent at the same time.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: str
    error: BaseException | None = None
    spans: Sequence[ReadableSpan] = field(default=(), repr=False)

    @property
    def run_id(self) -> str:
        """The one value of the response header."""
        (found,) = [value for name, value in self.headers if name == RUN_HEADER]
        return found


class Harness(Protocol):
    """An application that serves `PAGES` with the adapter in it.

    Besides, ``POST /upload`` reads the body of the request and answers with its length.
    """

    reraises: bool
    """Whether an exception of a page reaches the server; where the framework answers for it, False."""

    def start(self) -> None:
        """Start the application, as far as a server has it started before the first request: wrong options raise."""
        ...

    def send(self, call: Call) -> Answer:
        """Send one request and wait until all of it is over."""
        ...

    def send_all(self, calls: Sequence[Call]) -> Sequence[Answer]:
        """Send them at the same time; the answers in the same order, without spans."""
        ...


Builder = Callable[..., Harness]
"""Makes a harness from the exporter that its spans end in; ``installs=2`` installs the adapter twice, 0 not at all.

All other keywords are options of the adapter, however its framework spells them.
"""


def baggage_of(**members: str) -> tuple[str, bytes]:
    """The header that carries a run: ``baggage_of(run_id=RUN, workflow="Customer Support")``."""
    return "baggage", ",".join(f"botanu.{name}={quote(value)}" for name, value in members.items()).encode()


def own_span(spans: Sequence[ReadableSpan]) -> ReadableSpan:
    """The one server span of a request."""
    (found,) = [span for span in spans if span.kind is SpanKind.SERVER]
    return found


def path_parameter(request: Any, name: str) -> str:
    """A parameter of the route, wherever the framework keeps it; raises while no route is found."""
    if hasattr(request, "path_params"):
        return request.path_params[name]
    return (request.view_args if hasattr(request, "view_args") else request.resolver_match.kwargs)[name]


def touch_body(request: Any) -> str:
    """What an extractor should not do: ask for the body, however the framework calls it."""
    asked = request.get_data if hasattr(request, "get_data") else request.body
    return asked() if callable(asked) else asked
