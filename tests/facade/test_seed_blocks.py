"""Every block of code in the documents runs as printed, and the receiver gets what is documented beside it."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from documents import Block, block, of_kind, run
from opentelemetry import trace

import botanu
from botanu.tracking.llm import track_llm_call, track_tool_call
from demo.invoice import Bill
from demo.provider import Provider
from demo.receiver import Span

QUESTION: Any = [{"role": "user", "content": "Hello"}]


def kind(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", of_kind(name), ids=str)


def billed(span: Span, provider: Provider) -> Bill:
    """The provider's own row for the call of this span."""
    [row] = [row for row in provider.invoice.rows() if row.request_id == span.attributes["gen_ai.response.id"]]
    return row


async def with_client(provider: Provider, use: Callable[[openai.AsyncOpenAI], Any]) -> Any:
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        return await use(client)


# --- model calls -----------------------------------------------------------------------------------------------


def written_out(real: openai.AsyncOpenAI) -> Any:
    """`create(...)` with the dots written out: the document leaves the arguments to its reader."""

    async def create(_dots: object) -> Any:
        return await real.chat.completions.create(model="gpt-4", messages=QUESTION)

    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))


@kind("client call")
def test_a_tracked_call_of_the_real_client_agrees_with_the_providers_invoice(block: Block, sent, provider):
    asyncio.run(
        with_client(
            provider,
            lambda real: run(block, {"openai": real, "client": written_out(real), "track_llm_call": track_llm_call}),
        )
    )
    span = sent.span("chat gpt-4")
    row = billed(span, provider)
    assert span.kind == "CLIENT"
    assert span.attributes["gen_ai.operation.name"] == "chat"
    assert span.attributes["gen_ai.provider.name"] == "openai"
    assert span.attributes["gen_ai.request.model"] == "gpt-4"
    assert span.attributes["gen_ai.usage.input_tokens"] == row.input_tokens
    assert span.attributes["gen_ai.usage.output_tokens"] == row.output_tokens


METHODS: dict[str, dict[str, Any]] = {
    "set_tokens()": {
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 50,
        "gen_ai.usage.cache_write.input_tokens": 100,
        "botanu.usage.cached_tokens": 50,
        "botanu.usage.cache_read_tokens": 50,
        "botanu.usage.cache_write_tokens": 100,
    },
    "set_request_id()": {
        "gen_ai.response.id": "chatcmpl-...",
        "botanu.vendor.request_id": "chatcmpl-...",
        "botanu.vendor.client_request_id": "my-client-123",
    },
    "set_response_model()": {"gen_ai.response.model": "gpt-4-0613"},
    "set_request_params()": {
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 1000,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.request.frequency_penalty": 0.5,
        "gen_ai.request.presence_penalty": 0.3,
    },
    "set_streaming()": {"botanu.request.streaming": True},
    "set_cache_hit()": {"botanu.request.cache_hit": True},
    "set_attempt()": {"botanu.request.attempt": 2},
    "set_finish_reason()": {"gen_ai.response.finish_reasons": ["stop"]},
    "add_metadata()": {"botanu.prompt_version": "v2.1", "botanu.experiment_id": "exp-123"},
}
ALWAYS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4",
    "botanu.vendor": "openai",
}


def without_cost(attributes):
    """The documents are of before prices: what a call costs stands beside what they promise."""
    return {name: value for name, value in attributes.items() if not name.startswith("botanu.cost.")}


@kind("tracker method")
def test_each_method_writes_exactly_its_attributes(block: Block, sent):
    response = SimpleNamespace(id="chatcmpl-...")
    with track_llm_call(provider="openai", model="gpt-4") as tracker:
        run(block, {"tracker": tracker, "response": response})
    said = METHODS[block.title.rpartition(" / ")[2]]
    assert without_cost(sent.span("chat gpt-4").attributes) == {**ALWAYS, **said}


CONTENT = {"prompt_text": "Where is my order?", "response_text": "On its way to ann@example.com."}


@kind("content")
def test_content_is_written_when_it_is_asked_for_and_scrubbed(block: Block, service):
    sent = service(content_capture_rate=1.0)
    with track_llm_call(provider="openai", model="gpt-4") as tracker:
        run(block, {"tracker": tracker, **CONTENT})
    attributes = sent.span("chat gpt-4").attributes
    assert attributes["botanu.eval.input_content"] == "Where is my order?"
    assert attributes["botanu.eval.output_content"].startswith("On its way to ")
    assert "ann@example.com" not in attributes["botanu.eval.output_content"]


@kind("content")
def test_by_default_both_calls_do_nothing(block: Block, sent):
    with track_llm_call(provider="openai", model="gpt-4") as tracker:
        run(block, {"tracker": tracker, **CONTENT})
    assert without_cost(sent.span("chat gpt-4").attributes) == ALWAYS


@kind("tracked error")
def test_a_recorded_error_is_on_the_span_once_and_passes(block: Block, sent, provider):
    async def chat(real: openai.AsyncOpenAI) -> None:
        async def refused(_dots: object) -> Any:
            fault = {"x-demo-fault": "429"}
            return await real.chat.completions.create(model="gpt-4", messages=QUESTION, extra_headers=fault)

        with track_llm_call(provider="openai", model="gpt-4") as tracker:
            await run(block, {"tracker": tracker, "client": SimpleNamespace(chat=refused), "openai": openai})

    with pytest.raises(openai.RateLimitError):
        asyncio.run(with_client(provider, chat))
    span = sent.span("chat gpt-4")
    assert span.status == "ERROR"
    assert span.attributes["error.type"] == "RateLimitError"
    assert [event.name for event in span.events] == ["exception"]
    assert span.events[0].attributes["exception.type"] == "openai.RateLimitError"


@kind("operations")
def test_operation_constants_name_the_operation(block: Block, sent):
    run(block, {})
    assert [(span.name, span.attributes["gen_ai.operation.name"]) for span in sent.spans()] == [
        ("chat gpt-4", "chat"),
        ("embeddings text-embedding-3-small", "embeddings"),
        ("text_completion davinci", "text_completion"),
    ]


# --- tools -----------------------------------------------------------------------------------------------------


@kind("tool call")
def test_a_tool_call_says_how_it_went(block: Block, sent):
    async def do_work(query: str) -> list[str]:
        return [query] * 3

    asyncio.run(run(block, {"do_work": do_work, "query": "open orders"}))
    span = sent.span("execute_tool search_database")
    assert span.kind == "INTERNAL"
    assert span.attributes.pop("botanu.tool.duration_ms") > 0
    assert span.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search_database",
        "gen_ai.tool.call.id": "call_abc123",
        "botanu.tool.success": True,
        "botanu.tool.items_returned": 3,
        "botanu.tool.bytes_processed": 1024,
    }


@kind("tool methods")
def test_the_methods_of_a_tool_tracker(block: Block, sent):
    with track_tool_call(tool_name="search_database") as tool:
        run(block, {"tool": tool, "exception": TimeoutError("slow")})
    span = sent.span("execute_tool search_database")
    assert span.attributes.pop("botanu.tool.duration_ms") > 0
    assert span.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search_database",
        "gen_ai.tool.call.id": "call_abc123",
        "botanu.tool.success": False,  # the block also records an error
        "botanu.tool.items_returned": 10,
        "botanu.tool.bytes_processed": 2048,
        "botanu.query_type": "semantic",
        "error.type": "TimeoutError",
    }
    assert (span.status, len(span.events)) == ("ERROR", 1)


# --- helpers and the decorator ---------------------------------------------------------------------------------

HELPERS: dict[str, dict[str, Any]] = {
    "set_llm_attributes()": {
        **ALWAYS,
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.response.id": "chatcmpl-...",
        "botanu.vendor.request_id": "chatcmpl-...",
        "botanu.request.streaming": True,
    },
    "set_token_usage()": {
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 50,
        "botanu.usage.cached_tokens": 50,
    },
}


@kind("helper")
def test_a_helper_writes_on_the_span_that_is_there(block: Block, sent):
    with trace.get_tracer("application").start_as_current_span("theirs"):
        run(block, {})
    found = dict(sent.span("theirs").attributes)
    has_model = "gen_ai.request.model" in found
    assert (found.pop("botanu.cost.usd", 0) > 0, found.pop("botanu.cost.source", None) == "list") == (has_model,) * 2
    assert found == HELPERS[block.title.rpartition(" / ")[2]]


@kind("decorator")
def test_the_decorator_reads_the_real_clients_response(block: Block, sent, provider):
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        names: dict[str, Any] = {"openai": client}
        run(block, names)
        response = names["MyOpenAIClient"]().chat("gpt-4", QUESTION)
    span = sent.span("chat gpt-4")
    row = billed(span, provider)
    assert span.attributes["gen_ai.response.id"] == response.id
    assert span.attributes["gen_ai.usage.input_tokens"] == row.input_tokens
    assert span.attributes["gen_ai.usage.output_tokens"] == row.output_tokens


# --- databases, outcome, context -------------------------------------------------------------------------------


@kind("database")
def test_a_database_operation_says_its_rows(block: Block, sent):
    async def execute(query: str) -> list[tuple[int]]:
        return [(1,), (2,)]

    from botanu.tracking.data import track_db_operation

    names = {"track_db_operation": track_db_operation, "cursor": SimpleNamespace(execute=execute), "query": "SELECT 1"}
    asyncio.run(run(block, names))
    span = sent.span("SELECT postgresql")
    assert span.kind == "CLIENT"
    assert span.attributes["db.system"] == span.attributes["db.system.name"] == "postgresql"
    assert span.attributes["db.operation"] == span.attributes["db.operation.name"] == "SELECT"
    assert span.attributes["botanu.data.rows_returned"] == 2


@kind("outcome")
def test_the_last_outcome_that_is_emitted_counts(block: Block, sent):
    with botanu.event(workflow="w", event_id="1"):
        run(block, {"emit_outcome": botanu.emit_outcome})
    said = {key: value for key, value in sent.span("botanu.run/w").attributes.items() if ".outcome." in key}
    assert said == {
        "botanu.outcome.status": "failed",
        "botanu.outcome.value_type": "items_processed",
        "botanu.outcome.value_amount": 1,
        "botanu.outcome.error_type": "TimeoutError",
        "botanu.outcome.reason": "LLM took >30s",
    }


def context_block(title: str, sent: Any) -> tuple[dict[str, Any], Span]:
    """What a block about the context leaves behind, and the run's span."""
    names: dict[str, Any] = {}
    with botanu.event(workflow="Support", event_id="t-1", tenant_id="tenant-7"):
        run(block("002", title), names)
        names["custom"] = botanu.get_baggage("botanu.custom_field")
    return names, sent.span("botanu.run/Support")


def test_get_run_id_is_the_id_on_the_spans(sent):
    names, span = context_block("get_run_id()", sent)
    assert names["run_id"] == span.attributes["botanu.run_id"]


def test_get_workflow_is_the_workflow_on_the_spans(sent):
    names, span = context_block("get_workflow()", sent)
    assert names["workflow"] == span.attributes["botanu.workflow"] == "Support"


def test_get_baggage_knows_the_members_of_the_run(sent):
    names, span = context_block("get_baggage()", sent)
    assert names["value"] == span.attributes["botanu.tenant_id"] == "tenant-7"


def test_set_baggage_is_seen_in_its_block_and_gone_after_it(sent):
    names, _ = copy_context().run(context_block, "set_baggage()", sent)
    assert names["custom"] == "my_value"
    assert botanu.get_baggage("botanu.custom_field") is None


def test_get_current_span_is_the_span_that_arrives(sent):
    _, span = context_block("get_current_span()", sent)
    assert span.attributes["custom.attribute"] == "value"


@pytest.mark.parametrize("title", ["get_run_id()", "get_workflow()", "get_baggage()", "get_current_span()"])
def test_outside_a_run_the_context_helpers_answer_nothing(title, sent):
    names: dict[str, Any] = {}
    run(block("002", title), names)
    assert [names.get(name) for name in ("run_id", "workflow", "value")] == [None, None, None]
