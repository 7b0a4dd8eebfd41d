"""The pages that a harness serves: plain functions, so that every framework can have them by a loop over `PAGES`."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from opentelemetry import baggage, propagate, trace

import botanu
from botanu.tracking.llm import track_llm_call

__all__ = ["BOOM", "LOGGER", "PAGES", "Boom", "Page"]

LOGGER: Final = logging.getLogger("shop")
Page = tuple[int, str] | Iterator[str]
"""Status and text, or the chunks of a streamed 200."""


class Boom(Exception):
    """What the pages raise."""


BOOM: Final = Boom("the kettle is empty")


def _child(name: str) -> None:
    """A span of another library, made with the plain OpenTelemetry API."""
    trace.get_tracer("library").start_span(name).end()


def _run_id() -> str:
    return botanu.get_run_id() or "none"


def plain() -> Page:
    """The id of the run that the page is in."""
    _child("plain")
    return 200, _run_id()


def item(name: str) -> Page:
    """A page with a parameter in its path."""
    return 200, _run_id()


def named() -> Page:
    """Names the run."""
    with botanu.event(workflow="Customer Support", event_id="T-1", customer_id="acme"):
        _child("answer")
        return 200, _run_id()


def named_otherwise() -> Page:
    """Names another transaction than any header of the suite does."""
    with botanu.event(workflow="Refund", event_id="R-9"):
        return 200, _run_id()


def status(code: str) -> Page:
    """Answers with any status."""
    return int(code), _run_id()


def boom() -> Page:
    """Fails."""
    raise BOOM.with_traceback(None)


def late() -> Page:
    """Fails for want of time."""
    raise TimeoutError("too late")


def said(code: str) -> Page:
    """The user has said how it ended, deep inside, and the page answers with any status."""
    with botanu.step("decide"):
        botanu.emit_outcome("partial", value_type="tickets_resolved", value_amount=1)
    return int(code), _run_id()


def said_boom() -> Page:
    """The user has said how it ended, and then it fails."""
    botanu.emit_outcome("partial")
    raise BOOM.with_traceback(None)


def _chunks(count: int) -> Iterator[str]:
    for number in range(count):
        _child(f"chunk {number}")
        yield f"{_run_id()}\n"


def stream() -> Page:
    """Three chunks, each the id of the run that it was made in."""
    return _chunks(3)


def stream_boom() -> Page:
    """Two chunks, and then it fails."""

    def chunks() -> Iterator[str]:
        yield from _chunks(2)
        raise BOOM.with_traceback(None)

    return chunks()


def endless() -> Page:
    """Chunks for as long as somebody takes them."""
    return _chunks(1_000_000)


def echo(token: str) -> Page:
    """Logs the token and makes a span of that name."""
    _child(token)
    LOGGER.warning(token)
    return 200, _run_id()


def echo_stream(token: str) -> Page:
    """The same, chunk by chunk."""

    def chunks() -> Iterator[str]:
        for _ in range(3):
            _child(token)
            LOGGER.warning(token)
            yield f"{_run_id()}\n"

    return chunks()


def model() -> Page:
    """Asks a model, and would like to keep what was said."""
    with track_llm_call(provider="openai", model="gpt-5") as call:
        call.set_input_content("Where is my kettle?").set_output_content("On its way.")
    return 200, _run_id()


def members() -> Page:
    """The baggage inside, and the headers that a call to a neighbour would get."""
    headers: dict[str, str] = {}
    client = trace.get_tracer("library").start_span(
        "GET", kind=trace.SpanKind.CLIENT, attributes={"url.full": "http://neighbour:8000/"}
    )
    with trace.use_span(client, end_on_exit=True):
        propagate.inject(headers)
    return 200, json.dumps({"inside": dict(baggage.get_all()), "outgoing": headers})


PAGES: Final[Mapping[str, Callable[..., Page]]] = {
    "/plain": plain,
    "/item/{name}": item,
    "/named": named,
    "/named-otherwise": named_otherwise,
    "/status/{code}": status,
    "/boom": boom,
    "/late": late,
    "/said/{code}": said,
    "/said-boom": said_boom,
    "/stream": stream,
    "/stream-boom": stream_boom,
    "/endless": endless,
    "/echo/{token}": echo,
    "/echo-stream/{token}": echo_stream,
    "/members": members,
    "/model": model,
}
"""By path, with parameters in braces."""
