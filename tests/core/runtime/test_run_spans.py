"""What spans of a run carry: names, kinds, attributes, events, steps (contract, section 2)."""

import inspect

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

import botanu
from botanu.tracking.llm import track_llm_call


def test_the_runs_own_span(one):
    """`botanu.run/<workflow>`, a root, SERVER, with the run's attributes and two span events."""
    with botanu.event("Support", event_id="T-1", customer_id="acme", tenant_id="eu", environment="test") as run:
        pass
    span = one("botanu.run/Support")
    assert span.kind is SpanKind.SERVER
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    attributes = dict(span.attributes)
    assert attributes.pop("botanu.run.duration_ms") >= 0
    assert attributes == {
        "botanu.run_id": run.run_id,
        "botanu.workflow": "Support",
        "botanu.environment": "test",
        "botanu.event_id": "T-1",
        "botanu.customer_id": "acme",
        "botanu.tenant_id": "eu",
        "botanu.outcome.status": "success",
    }
    assert [event.name for event in span.events] == ["botanu.run.started", "botanu.run.completed"]


def test_a_bare_run_says_only_what_is_known(one):
    """Ids that nobody gave are absent, not empty."""
    with botanu.event("Support"):
        pass
    assert set(one("botanu.run/Support").attributes) == {
        "botanu.run_id", "botanu.workflow", "botanu.environment", "botanu.outcome.status", "botanu.run.duration_ms",
    }  # fmt: skip


def test_the_environment_is_production_unless_told(one, monkeypatch):
    """`botanu.environment` says `production`; `BOTANU_ENVIRONMENT` and the event itself say otherwise."""
    from botanu_core import settings

    with botanu.event("A"):
        pass
    monkeypatch.setenv("BOTANU_ENVIRONMENT", "staging")
    settings.activate(None)
    with botanu.event("B"):
        pass
    with botanu.event("C", environment="test"):
        pass
    said = [one(f"botanu.run/{name}").attributes["botanu.environment"] for name in "ABC"]
    assert said == ["production", "staging", "test"]


# --- kinds -------------------------------------------------------------------------------------------------------


def test_below_a_local_span_it_is_internal(one):
    """A run inside a span of this process enters nothing: INTERNAL."""
    with trace.get_tracer("app").start_as_current_span("job"), botanu.event("W"):
        pass
    assert one("botanu.run/W").kind is SpanKind.INTERNAL
    assert one("botanu.run/W").parent.span_id == one("job").context.span_id


def test_below_a_remote_span_it_is_a_server(one):
    """A run below a span of another process is where the transaction enters this one: SERVER."""
    remote = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=True, trace_flags=TraceFlags(1)))
    with trace.use_span(remote), botanu.event("W"):
        pass
    assert one("botanu.run/W").kind is SpanKind.SERVER
    assert one("botanu.run/W").context.trace_id == 0xA


def test_nested_and_continuing_runs_are_internal(named):
    """A run in a run is INTERNAL, new or the same."""
    with botanu.event("Outer"), botanu.event("Outer"), botanu.event("Inner"):
        pass
    assert [span.kind for span in named("botanu.run/Outer")] == [SpanKind.INTERNAL, SpanKind.SERVER]
    assert [span.kind for span in named("botanu.run/Inner")] == [SpanKind.INTERNAL]


@pytest.mark.parametrize("kind", list(SpanKind))
def test_span_kind_overrides(kind, named):
    """`span_kind=` is taken, on the outside and below."""
    with botanu.event("Outer", span_kind=kind), botanu.event("Inner", span_kind=kind):
        pass
    assert {span.kind for span in (*named("botanu.run/Outer"), *named("botanu.run/Inner"))} == {kind}


# --- version -----------------------------------------------------------------------------------------------------


def test_a_decorated_function_has_a_version(one):
    """`botanu.workflow.version` is a digest of the function's source: 12 hex digits, the same for the same text."""

    def make():
        @botanu.event("W")
        def work():
            return 1

        return work

    make()()
    version = one("botanu.run/W").attributes["botanu.workflow.version"]
    assert len(version) == 12
    assert int(version, 16) >= 0
    make()()


def test_the_version_changes_with_the_source(named):
    """Two functions that say different things have different versions; the same one keeps its own."""

    @botanu.event("W")
    def one():
        return 1

    @botanu.event("W")
    def two():
        return 2

    one(), one(), two()
    versions = [span.attributes["botanu.workflow.version"] for span in named("botanu.run/W")]
    assert versions[0] == versions[1] != versions[2]


def test_a_version_of_ones_own(named):
    """`version=` is taken by decorators and blocks alike; a block without it has none."""
    botanu.event("W", version="v7")(lambda: None)()
    with botanu.event("W", version="v7"):
        pass
    with botanu.event("W"):
        pass
    versions = [span.attributes.get("botanu.workflow.version") for span in named("botanu.run/W")]
    assert versions == ["v7", "v7", None]


def test_a_function_without_source(one):
    """What has no source to read has an unknown version, and works."""
    scope = {}
    exec("def work(): return 1", scope)
    assert botanu.event("W")(scope["work"])() == 1
    with pytest.raises(OSError, match="could not get source"):
        inspect.getsource(scope["work"])
    assert one("botanu.run/W").attributes["botanu.workflow.version"] == "unknown"


# --- steps and children ------------------------------------------------------------------------------------------


def test_a_step(one):
    """`botanu.step/<name>`, INTERNAL, with the run's attributes and its own name."""
    with botanu.event("W", event_id="T-1"), botanu.step("gather") as span:
        assert span is botanu.get_current_span()
        assert botanu.get_baggage("botanu.step") == "gather"
    found = one("botanu.step/gather")
    assert found.kind is SpanKind.INTERNAL
    assert (found.attributes["botanu.step"], found.attributes["botanu.event_id"]) == ("gather", "T-1")
    assert "botanu.step" not in one("botanu.run/W").attributes


def test_steps_nest(one):
    """Inside two steps, the inner one names the place; after it, the outer again."""
    with botanu.event("W"), botanu.step("outer"):
        with botanu.step("inner"):
            with track_llm_call(provider="openai", model="deep"):
                pass
        with track_llm_call(provider="openai", model="shallow"):
            pass
    assert one("chat deep").attributes["botanu.step"] == "inner"
    assert one("chat shallow").attributes["botanu.step"] == "outer"
    assert one("botanu.step/inner").attributes["botanu.step"] == "inner"
    assert one("botanu.step/inner").parent.span_id == one("botanu.step/outer").context.span_id


def test_a_step_decorates_every_kind_of_function(named):
    """A step is a block, an async block and a decorator, as an event is."""
    import asyncio

    @botanu.step("s")
    def plain():
        return botanu.get_baggage("botanu.step")

    @botanu.step("s")
    async def coroutine():
        await asyncio.sleep(0)
        return botanu.get_baggage("botanu.step")

    @botanu.step("s")
    def generator():
        yield botanu.get_baggage("botanu.step")

    async def in_async():
        async with botanu.step("s"):
            return botanu.get_baggage("botanu.step")

    with botanu.event("W"):
        assert plain() == asyncio.run(coroutine()) == next(iter(list(generator()))) == asyncio.run(in_async()) == "s"
        assert botanu.get_baggage("botanu.step") is None
    assert len(named("botanu.step/s")) == 4


def test_a_step_outside_a_run(one):
    """Without a run a step is a plain span."""
    with botanu.step("alone"):
        assert botanu.get_run_id() is None
    assert dict(one("botanu.step/alone").attributes) == {"botanu.step": "alone"}


def test_a_nested_run_starts_outside_the_step(one):
    """A step belongs to the run it was taken in; a run that is opened inside it begins with none."""
    with botanu.event("Outer"), botanu.step("s"):
        with botanu.event("Inner"), track_llm_call(provider="openai", model="m"):
            assert botanu.get_baggage("botanu.step") is None
        assert botanu.get_baggage("botanu.step") == "s"
    assert "botanu.step" not in one("botanu.run/Inner").attributes
    assert "botanu.step" not in one("chat m").attributes


def test_a_continued_run_stays_in_the_step(one):
    """The same run named again inside a step is still in it."""
    with botanu.event("W"), botanu.step("s"), botanu.event("W"), track_llm_call(provider="openai", model="m"):
        pass
    assert one("chat m").attributes["botanu.step"] == "s"


def test_attributes_at_birth(spans, sdk):
    """What a run's spans carry is there when they start, so that samplers see it."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

    seen = []

    class Noting(Sampler):
        def should_sample(
            self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None
        ):
            seen.append((name, dict(attributes)))
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

        def get_description(self):
            return "noting"

    trace._TRACER_PROVIDER_SET_ONCE._done = False
    trace.set_tracer_provider(TracerProvider(sampler=Noting(), shutdown_on_exit=False))
    with botanu.event("W", event_id="T-1"), botanu.step("s"), track_llm_call(provider="openai", model="m"):
        pass
    assert [name for name, _ in seen] == ["botanu.run/W", "botanu.step/s", "chat m"]
    assert {attributes["botanu.event_id"] for _, attributes in seen} == {"T-1"}


def test_without_an_sdk_everything_works():
    """With OpenTelemetry's API alone nothing is recorded and nothing fails; the run is there all the same."""
    with (
        botanu.event("W", event_id="T-1") as run,
        botanu.step("s"),
        track_llm_call(provider="openai", model="m") as call,
    ):
        call.set_tokens(input_tokens=1, output_tokens=2)
        botanu.emit_outcome("partial", reason="x")
        botanu.set_business_context(team="t")
        assert botanu.get_run_id() == run.run_id


def test_repr_shows_no_ids_of_customers():
    """A run in a log line says its id and state, and nothing personal."""
    with botanu.event("W", customer_id="jane@example.com") as run:
        assert repr(run) == f"<RunContext {run.run_id} opened>"
    assert repr(run).endswith("opened ended>")
