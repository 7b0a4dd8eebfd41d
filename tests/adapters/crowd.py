"""A hundred requests at once, of all kinds, and what must agree about each."""

import logging
from collections import defaultdict

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from botanu_core.model.run import new_run_id
from tests.adapters.harness import Call, Harness, baggage_of
from tests.adapters.pages import LOGGER

__all__ = ["check_crowd"]

_KINDS = ("/echo/{}", "/echo-stream/{}", "/named", "/status/404", "/boom")


class _Told(logging.Handler):
    """Keeps which run each token was logged in."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: defaultdict[str, set[str]] = defaultdict(set)
        self.addFilter(botanu.RunIdFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.runs[record.getMessage()].add(record.__dict__["run_id"])


def check_crowd(web: Harness, exported: InMemorySpanExporter) -> None:
    """Send them, every other one with a run of its own, and compare page, log record, spans and response header."""
    given = {number: new_run_id() for number in range(0, 100, 2)}
    calls = [
        Call(
            path=_KINDS[number % len(_KINDS)].format(f"t{number}"),
            headers=[baggage_of(run_id=given[number])] if number in given else (),
        )
        for number in range(100)
    ]
    told = _Told()
    LOGGER.addHandler(told)
    try:
        answers = web.send_all(calls)
    finally:
        LOGGER.removeHandler(told)

    spans = exported.get_finished_spans()
    own = [span.attributes["botanu.run_id"] for span in spans if span.attributes and "url.path" in span.attributes]
    assert len(set(own)) == 100
    assert {given[number] for number in given} <= set(own)
    for number, (call, answer) in enumerate(zip(calls, answers, strict=True)):
        if call.path == "/boom":
            continue
        pages = set(answer.body.split())
        assert pages == {answer.run_id}, call.path
        assert answer.run_id == given.get(number, answer.run_id)
        if call.path.startswith("/echo"):
            token = f"t{number}"
            assert told.runs[token] == pages
            assert {span.attributes["botanu.run_id"] for span in spans if span.name == token} == pages
