"""What others write on spans leaves scrubbed, where it leaves by us; the application's own objects stay as they are."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

import botanu
from botanu_core.errors import ConfigError
from botanu_core.privacy import WITHHELD, default_scrubber
from botanu_core.runtime import guard

MAIL = "jane.doe@example.com"
KEY = "sk-" + "proj-aB3dE5gH7jK9mN1pQ3sT5vW7"


@pytest.fixture
def sent(receiver):
    """Switches Botanu on with its own way out, lets `write` write on a span of somebody else's, and gives what came."""

    def send(write, **fields):
        botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none", **fields)
        with trace.get_tracer("somebody.else").start_as_current_span("x") as span:
            write(span)
        botanu.disable()
        (arrived,) = receiver.spans()
        return arrived

    return send


CONTENT = [
    "gen_ai.prompt",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.content",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "llm.input_messages.0.message.content",
    "llm.prompts.0.user",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "input.value",
    "output.value",
    "retrieval.documents.0.document.content",
    "ai.prompt.messages",
    "ai.response.text",
    "mlflow.spanInputs",
    "langfuse.observation.input",
    "db.statement",
    "db.query.text",
    "db.query.parameter.mail",
    "url.full",
    "http.url",
    "http.target",
    "url.query",
    "http.request.header.x-user",
    "exception.message",
    "error.message",
    "logfire.request.payload",
    "shop.question",
]


@pytest.mark.parametrize("name", CONTENT)
def test_content_of_others_is_scrubbed(sent, name):
    """Whichever instrumentor wrote it, under whatever convention."""
    arrived = sent(lambda span: span.set_attribute(name, f'{{"q": "mail {MAIL}"}}'))
    assert arrived.attributes[name] == '{"q": "mail [EMAIL]"}'


@pytest.mark.parametrize(
    "name", ["http.request.header.authorization", "http.request.header.cookie", "db.password", "app.api_key"]
)
def test_a_value_under_a_secret_name_goes_whole(sent, name):
    """Whatever it looks like."""
    assert "hunter" not in str(sent(lambda span: span.set_attribute(name, "hunter two")).attributes[name])


def test_what_counts_and_names_stays(sent):
    """Numbers, models, addresses of servers: what dashboards are made of."""
    kept = {
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.request.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": "chatcmpl-9f0a8b7c6d5e4f3a2b1c",
        "server.address": "10.0.0.7",
        "client.address": "203.0.113.9",
        "http.route": "/users/{id}",
        "url.path": "/users/17",
        "db.query.text": "SELECT * FROM users WHERE id = ?",
        "user.id": "42",
    }
    arrived = sent(lambda span: span.set_attributes(kept))
    assert arrived.attributes.items() >= kept.items()


def test_lists_are_scrubbed_item_by_item(sent):
    """And stay lists."""
    arrived = sent(lambda span: span.set_attribute("gen_ai.prompt", ["hello", MAIL]))
    assert list(arrived.attributes["gen_ai.prompt"]) == ["hello", "[EMAIL]"]


def test_errors_and_status_are_scrubbed(sent):
    """As OpenTelemetry's `record_exception` writes them: message, stack trace with its source lines, status."""

    def fail(span):
        try:
            raise ValueError(f"no {MAIL} with {KEY}")
        except ValueError as error:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, f"ValueError: no {MAIL}"))

    arrived = sent(fail)
    (event,) = arrived.events
    assert MAIL not in str(arrived)
    assert KEY not in str(arrived)
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "no [EMAIL] with [OPENAI_KEY]"
    assert arrived.status_message == "ValueError: no [EMAIL]"


def test_events_are_scrubbed(sent):
    """Some instrumentors keep messages there."""
    arrived = sent(lambda span: span.add_event("gen_ai.content.prompt", {"gen_ai.prompt": MAIL, "n": 3}))
    assert arrived.events[0].attributes == {"gen_ai.prompt": "[EMAIL]", "n": 3}


def test_the_application_s_own_exporter_gets_what_was_written(receiver):
    """Its spans are not touched: what we send is a copy, with links, counts of what was dropped, and times."""
    own = InMemorySpanExporter()
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=2), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(own))
    trace.set_tracer_provider(provider)
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
    with trace.get_tracer("somebody.else").start_as_current_span("x") as span:
        span.add_link(trace.SpanContext(7, 8, is_remote=True))
        span.set_attributes({"a": 1, "b": 2, "input.value": MAIL})
        span.add_event("e", {"message": MAIL})
    botanu.disable()
    (written,), (arrived,) = own.get_finished_spans(), receiver.spans()
    assert written.attributes["input.value"] == MAIL
    assert written.events[0].attributes["message"] == MAIL
    assert arrived.attributes["input.value"] == "[EMAIL]"
    assert arrived.events[0].attributes["message"] == "[EMAIL]"
    assert (arrived.start_ns, arrived.end_ns) == (written.start_time, written.end_time)
    assert len(arrived.links) == 1
    assert arrived.scope == "somebody.else"


def test_it_can_be_switched_off(sent):
    """For those who scrub in their collector."""
    arrived = sent(lambda span: span.set_attribute("input.value", MAIL), scrub_spans=False)
    assert arrived.attributes["input.value"] == MAIL


def test_a_span_has_a_bounded_share(sent):
    """What is beyond it is cut off, not let through."""
    text = f"{'word ' * 60_000}{MAIL}"
    arrived = sent(lambda span: span.set_attributes({"input.value": text, "output.value": MAIL}))
    assert MAIL not in str(arrived)
    assert len(arrived.attributes["input.value"]) < 270_000
    assert arrived.attributes["output.value"].endswith("[cut]")


def test_a_detector_that_fails_withholds(sent):
    """Nothing leaves that was not looked through."""
    guard.strict(False)
    arrived = sent(lambda span: span.set_attribute("input.value", "of Jane"), detectors=[lambda text: 1 / 0])
    assert arrived.attributes["input.value"] == WITHHELD


def test_the_configuration_makes_the_scrubber(sent):
    """Own patterns, kinds that are off, pseudonyms, detectors; for what we capture as for what others wrote."""
    arrived = sent(
        lambda span: span.set_attribute("input.value", f"TCK-1234 of Jane at 10.0.0.7, {MAIL}"),
        scrub_patterns={"ticket": r"\bTCK-\d{4}\b"},
        scrub_off="ip",
        scrub_pseudonym_key="0123456789abcdef",
        detectors=[lambda text: [(text.index("Jane"), text.index("Jane") + 4, "PERSON")]],
    )
    value = arrived.attributes["input.value"]
    assert value.startswith("[TICKET:")
    assert "[PERSON:" in value
    assert "10.0.0.7" in value
    assert "[EMAIL:" in value


def test_disable_puts_the_built_in_scrubber_back(receiver):
    """The next `enable()` begins afresh."""
    botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none", scrub_replacement="***")
    assert default_scrubber().scrub(MAIL) == "***"
    botanu.disable()
    assert default_scrubber().scrub(MAIL) == "[EMAIL]"


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"scrub_off": "emial"}, "There are: .*email"),
        ({"scrub_patterns": {"x": r"(?<=a)b"}}, "no look-around"),
        ({"scrub_patterns": {"x": r"(a)\1"}}, "no back-references"),
        ({"scrub_patterns": "x"}, "map names to RE2 expressions"),
        ({"scrub_replacement": "gone"}, r"write '\[REMOVED\]'"),
        ({"scrub_pseudonym_key": "short"}, "at least 16 bytes"),
        ({"detectors": ["no.such.module:f"]}, "cannot be imported"),
        ({"detectors": ["json:nothing"]}, "cannot be imported"),
        ({"detectors": 5}, "package.module:function"),
        ({"detector_timeout_s": 0}, "above 0"),
    ],
)
def test_a_mistake_is_told_by_enable(fields, mend):
    """With the mend, and nothing is switched on."""
    with pytest.raises(ConfigError, match=mend):
        botanu.enable(instrument="none", **fields)
    assert not botanu.doctor().enabled
