"""What the tests of runs stand on: spans by name, runs off the wire, and that no context is ever left wrongly."""

import logging
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from botanu_core.adapter import accept, from_mapping
from botanu_core.runtime import guard

UPSTREAM = "0190a000-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def orderly_contexts(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """OpenTelemetry logs a context that is detached where it was not attached; no test of ours makes it."""
    yield
    for when in ("setup", "call"):
        wrong = [each for each in caplog.get_records(when) if each.name == "opentelemetry.context"]
        assert not wrong, f"{wrong[0].getMessage()}"


@pytest.fixture
def warnings_said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the `botanu` logger has said so far."""
    caplog.set_level(logging.WARNING, "botanu")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "botanu"]


@pytest.fixture
def named(spans: InMemorySpanExporter) -> Callable[[str], list[ReadableSpan]]:
    """The finished spans of a name, in the order they ended."""
    return lambda name: [span for span in spans.get_finished_spans() if span.name == name]


@pytest.fixture
def one(named: Callable[[str], list[ReadableSpan]]) -> Callable[[str], ReadableSpan]:
    """The only finished span of a name."""

    def only(name: str) -> ReadableSpan:
        found = named(name)
        assert len(found) == 1, f"{len(found)} spans are named {name}"
        return found[0]

    return only


@pytest.fixture
def status(one: Callable[[str], ReadableSpan]) -> Callable[[str], object]:
    """The outcome's status on the only span of a run, named by its workflow."""
    return lambda workflow: one(f"botanu.run/{workflow}").attributes.get("botanu.outcome.status")


@pytest.fixture
def joined() -> Callable[..., botanu.RunContext]:
    """A run taken off the wire, as an adapter takes it; further members by keyword."""

    def join(**members: str) -> botanu.RunContext:
        everything = {"run_id": UPSTREAM, "workflow": "Upstream", **members}
        return accept(from_mapping({"baggage": ",".join(f"botanu.{name}={text}" for name, text in everything.items())}))

    return join


@pytest.fixture
def implicit() -> botanu.RunContext:
    """A run that an adapter has opened and nobody has named."""
    return accept(from_mapping({}))


@pytest.fixture
def in_production() -> None:
    """Failures of telemetry are swallowed, as outside of tests."""
    guard.strict(False)


@pytest.fixture
def their_baggage() -> Iterator[dict[str, object]]:
    """Members of the application's own."""
    token = otel.attach(baggage.set_baggage("theirs", "a value", baggage.set_baggage("more", "x,y;z")))
    yield dict(baggage.get_all())
    otel.detach(token)
