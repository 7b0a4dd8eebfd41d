"""`docs/attributes.md` names all that is written, with its type; every block of `docs/tracking.md` runs."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import propagate

import botanu
from botanu.pricing import Contract, UnitPrice
from botanu.tracking.data import track_db_operation, track_messaging_operation, track_storage_operation
from botanu.tracking.llm import llm_instrumented, track_llm_call, track_tool_call
from botanu_core import semconv
from botanu_core.adapter import accept, from_mapping
from botanu_core.model.vocabulary import provider_name

DOCS = Path(__file__).parents[2] / "docs"
ATTRIBUTES = (DOCS / "attributes.md").read_text()
TRACKING = (DOCS / "tracking.md").read_text()

CONSTANTS = {name: value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
    for line in ATTRIBUTES.splitlines()
    if line.startswith("| `")
]
TYPES = {
    row[0].strip("`"): row[1] for row in ROWS if row[1] in ("string", "int", "double", "boolean", "string[]", "any")
}
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    # A whole number that the user gives is written as one.
    "double": (float, int),
    "boolean": (bool,),
    "string[]": (list,),
}


PROVIDERS = [
    tuple(re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|"))
    for line in TRACKING.partition("### Providers")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| `")
]


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def _stem(name: str) -> str:
    """A name, or what all names of a family begin with: ``botanu.tokens.`` of ``botanu.tokens.<bucket>``."""
    return name.partition("<")[0]


# --- attributes.md ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", CONSTANTS)
def test_every_name_in_the_code_stands_in_the_document(constant):
    value = CONSTANTS[constant]
    assert f"`{value}`" in ATTRIBUTES or (value.endswith(".") and f"`{value}<" in ATTRIBUTES)


def test_every_name_in_the_document_stands_in_the_code():
    documented = {_stem(row[0].strip("`")) for row in ROWS} - {"botanu.metadata."}
    assert documented <= set(CONSTANTS.values())


def test_every_row_says_type_place_version_and_source():
    assert all(len(row) == 5 and all(row) for row in ROWS)
    assert {row[3] for row in ROWS} == {"0.1"}
    assert botanu.__version__.startswith("0.1")


def test_no_attribute_is_documented_twice():
    names = [row[0] for row in ROWS if row[1] in ("string", "int", "double", "boolean", "string[]", "any")]
    assert sorted(names) == sorted(set(names))


def undocumented(attributes: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What has no row, or another type than its row says."""
    families = [name for name in TYPES if name.endswith(">") and name != "botanu.<key>"]
    found = []
    for key, value in attributes:
        family = next((name for name in families if key.startswith(_stem(name))), key)
        kind = TYPES.get(key) or TYPES.get(family)
        if kind is None or (kind != "any" and type(value) not in PYTHON_TYPES[kind]):
            found.append((key, value))
    return found


PRICES = Contract(name="c", units=[UnitPrice(kind="tool", name="search", prices={"items": "0.01"})])


@llm_instrumented(provider="openai")
def flexible(model: str) -> dict[str, Any]:
    """A model call whose price has a reason."""
    usage = {"prompt_tokens": 150, "completion_tokens": 200}
    return {"id": "resp-1", "model": model, "service_tier": "flex", "usage": usage}


@llm_instrumented(provider="openai", include_usage=True)
def streamed(model: str, *, stream: bool, stream_options: Any = None) -> Iterator[dict[str, Any]]:
    """A stream that is asked for its usage."""
    yield {"id": "resp-2", "model": model, "usage": {"prompt_tokens": 150, "completion_tokens": 200}}


def use_everything() -> None:
    accept(from_mapping({"baggage": "botanu.run_id=forged"}))
    with botanu.event(workflow="outer", event_id="t-0"):
        run = botanu.event(workflow="w", event_id="t-1", customer_id="acme", tenant_id="tenant", version="7")
        with run, botanu.step("retrieval"):
            botanu.set_business_context(team="desk", cost_center="cc-1", region="eu")
            botanu.set_correlation(zendesk="4711")
            with track_llm_call(provider="openai", model="gpt-5", client_request_id="mine") as tracker:
                tracker.set_tokens(150, 200, 50, 50, 100).set_request_id("theirs").set_response_model("gpt-5-x")
                tracker.set_request_params(0.5, 0.9, 10, ["END"], 0.1, 0.2).set_finish_reason("stop")
                tracker.set_streaming().set_cache_hit().set_attempt(2).set_error(ValueError("x"))
                tracker.set_input_content("in").set_output_content("out").add_metadata(run_id="mine")
                tracker.set_first_token().set_messages(asked=[{"role": "user"}], answered=[{"role": "assistant"}])
            with track_llm_call(provider="openai", model="gpt-4o") as priced:
                priced.set_tokens(150, 200).set_streaming().set_stream_over()
            with track_llm_call(provider="openai", model="nobody-knows-it") as unpriced:
                unpriced.set_tokens(150, 200)
            flexible("gpt-5-mini")
            list(streamed("gpt-5-mini", stream=True))
            with track_llm_call(provider="openai", model="gpt-4o") as around:
                with track_llm_call(provider="openai", model="gpt-4o") as inside:
                    inside.set_tokens(150, 200).set_request_id("same")
                around.set_request_id("same")
            with track_tool_call("search", tool_call_id="call_1", provider="openai") as tool:
                tool.set_result(success=False, items_returned=1, bytes_processed=2)
            with track_db_operation("pg", "SELECT", "shop") as db:
                db.set_result(1, 2, 3, 4).set_table("users").set_query_id("q").set_bytes_scanned(5)
            with track_storage_operation("s3", "GET") as storage:
                storage.set_result(1, 2, 3).set_bucket("b")
            with track_messaging_operation("sqs", "publish", "orders") as queue:
                queue.set_result(1, 2)
            botanu.emit_outcome(
                "partial",
                value_type="pages",
                value_amount=2.5,
                confidence=0.5,
                reason="late",
                error_type="TimeoutError",
                metadata={"k": "v"},
            )


def test_all_that_arrives_is_documented_with_its_type(service, receiver):
    sent = service(content_capture_rate=1.0, price_contracts=[PRICES])
    use_everything()
    written = [pair for span in sent.spans() for pair in span.attributes.items()]
    written += [pair for span in sent.spans() for event in span.events for pair in event.attributes.items()]
    written += [pair for event in receiver.events() for pair in event.attributes.items()]
    written += [pair for point in receiver.points() for pair in point.attributes.items()]
    assert not undocumented(written)

    # All but what requests, tasks, LangChain, model clients, retries of runs, runs from elsewhere and users bring.
    elsewhere = ("http.", "url.", "botanu.attempt", "botanu.run.joined", "botanu.<key>")
    elsewhere += ("botanu.task.", "botanu.run.tasks_published", "botanu.outcome.expected", "messaging.message.id")
    elsewhere += ("gen_ai.agent.", "gen_ai.workflow.", "gen_ai.data_source.")
    elsewhere += ("gen_ai.prompt.", "gen_ai.completion.", "gen_ai.openai.", "gen_ai.bedrock.", "botanu.messages.")
    elsewhere += ("gen_ai.system_instructions",)  # these: tests/model_clients
    prefixes = {_stem(name) for name in TYPES if not name.startswith(elsewhere)}
    assert {name for name in prefixes if not any(key.startswith(name) for key, _ in written)} == set()


def test_every_metric_and_event_that_arrives_is_documented(sent, receiver):
    use_everything()
    events = {event.name for span in sent.spans() for event in span.events} - {"exception"}
    assert events == {"botanu.run.started", "botanu.run.completed"}
    assert {event.event_name for event in receiver.events()} == {"botanu.run.completed", "botanu.ledger.entry"}
    kinds = {row[0].strip("`"): row[1] for row in ROWS if "histogram" in row[1] or "counter" in row[1]}
    words = {"histogram": "histogram", "sum": "counter"}
    assert {point.name: f"{words[point.kind]}, `{point.unit}`" for point in receiver.points()} == kinds


def test_every_member_that_leaves_is_documented(service):
    service(propagate_to="always", baggage_key="k" * 32)
    headers: dict[str, str] = {}
    first = botanu.RunContext.create("w", event_id="t-1", customer_id="acme", tenant_id="tenant", deadline_s=60)
    with botanu.event(workflow="w", retry_of=first, deadline_s=60) as run, botanu.step("retrieval"):
        run.request_cancellation()
        propagate.inject(headers)
    members = {pair.partition("=")[0] for pair in headers["baggage"].split(",")}
    assert "botanu.retry_of_run_id" in members
    assert all(f"| `{member}` | member |" in ATTRIBUTES for member in members)


# --- tracking.md -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", python_blocks(TRACKING), ids=lambda source: source.strip().splitlines()[-1][:30])
def test_every_block_of_the_guide_runs(source, sent, provider, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", provider.openai_url)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with botanu.event(workflow="guide", event_id="1"):
        exec(compile(source, "docs/tracking.md", "exec"), {})
    spans = sent.spans("botanu")
    assert len(spans) > 1 or spans[0].attributes["gen_ai.usage.input_tokens"] == 150
    assert all(span.status == "UNSET" for span in spans)


def test_the_guides_example_of_token_counts_says_what_is_written(sent):
    [source] = [source for source in python_blocks(TRACKING) if "cache_write_tokens=100" in source]
    exec(compile(source, "docs/tracking.md", "exec"), {})
    assert sent.span("chat claude-opus-5").attributes["gen_ai.usage.input_tokens"] == 300
    assert "is 300" in TRACKING


@pytest.mark.parametrize(("written", "documented", "otel"), PROVIDERS, ids=str)
def test_every_row_of_the_provider_table_holds(written, documented, otel):
    assert {provider_name(alias) for alias in written} == set(documented)
    assert {provider_name(alias, "otel") for alias in written} == set(otel)


@pytest.mark.parametrize("tracker", ["LLMTracker", "ToolTracker", "DBTracker", "StorageTracker", "MessagingTracker"])
def test_every_method_is_in_the_guide(tracker):
    kind = getattr(botanu.tracking.llm, tracker, None) or getattr(botanu.tracking.data, tracker)
    methods = [name for name in dir(kind) if name.startswith(("set_", "add_"))]
    assert [name for name in methods if f"`{name}(" not in TRACKING] == []


def test_the_guides_blocks_are_python():
    assert len([ast.parse(source) for source in python_blocks(TRACKING)]) == 7
