"""One handler for threads, tasks and requests; beside other handlers; and what happens when something in it fails."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.outputs import LLMResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.langchain import LangChainTracer

import botanu
import botanu_langchain
from botanu_core.runtime import guard
from botanu_langchain import BotanuCallbackHandler


class Watching(BaseCallbackHandler):
    """Writes down what it is told."""

    def __init__(self, *, is_inline=False):
        self.run_inline, self.told = is_inline, []

    def on_llm_start(self, *args, **kwargs):
        self.told.append("llm_start")

    def on_chat_model_start(self, *args, **kwargs):
        self.told.append("chat_model_start")

    def on_llm_end(self, *args, **kwargs):
        self.told.append("llm_end")


class WatchingAsync(AsyncCallbackHandler):
    """The same, with coroutines."""

    def __init__(self):
        self.told = []

    async def on_llm_start(self, *args, **kwargs):
        self.told.append("llm_start")

    async def on_chat_model_start(self, *args, **kwargs):
        self.told.append("chat_model_start")

    async def on_llm_end(self, *args, **kwargs):
        self.told.append("llm_end")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("make", [Watching, lambda: Watching(is_inline=True), WatchingAsync])
@pytest.mark.parametrize("kind", ["chat_model", "llm"])
def test_another_handler_gets_all_its_events(is_async, is_first, make, kind, seen, handler):
    model = {"chat_model": FakeListChatModel, "llm": FakeListLLM}[kind](responses=["a"])
    other = make()
    config = {"callbacks": [handler, other] if is_first else [other, handler]}
    with botanu.event(workflow="w"):
        for _ in range(3):
            asyncio.run(model.ainvoke("x", config)) if is_async else model.invoke("x", config)
    assert other.told == [f"{kind}_start", "llm_end"] * 3
    operation = {"chat_model": "chat", "llm": "text_completion"}[kind]
    assert len(seen.spans(operation)) == 3
    assert seen.runs()[0].attributes["botanu.run.llm_calls"] == 3


def test_sixteen_threads_and_a_hundred_tasks_keep_their_runs_apart(seen, handler):
    chain = RunnableLambda(lambda x: x) | FakeListChatModel(responses=["a"])

    def one(number):
        with botanu.event(workflow="thread", event_id=f"t-{number}"):
            for _ in range(5):
                chain.invoke("x", {"callbacks": [handler]})

    async def aone(number):
        with botanu.event(workflow="task", event_id=f"a-{number}"):
            for _ in range(2):
                await chain.ainvoke("x", {"callbacks": [handler]})
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*map(aone, range(100)))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))
    asyncio.run(main())
    calls = {run.attributes["botanu.event_id"]: run.attributes["botanu.run.llm_calls"] for run in seen.runs()}
    assert calls == {f"t-{n}": 5 for n in range(16)} | {f"a-{n}": 2 for n in range(100)}
    runs = {run.attributes["botanu.run_id"]: run.trace_id for run in seen.runs()}
    for span in seen.spans("chat"):
        assert span.trace_id == runs[span.attributes["botanu.run_id"]]


def test_a_chain_in_a_chain_a_thousand_deep(seen, handler):
    ids = [UUID(f"00000000-0000-7000-8000-{number:012d}") for number in range(1001)]
    with botanu.event(workflow="deep"):
        for parent, own in zip([None, *ids], ids, strict=False):
            handler.on_chain_start(None, {}, run_id=own, parent_run_id=parent, name="deeper")
        assert len(handler.open) == 1001
        handler.on_chain_end({}, run_id=ids[0])
    assert len(handler.open) == 0


def test_an_exception_in_the_handler_changes_nothing_and_is_said_once(seen, caplog):
    def broken(_):
        raise RuntimeError("no")

    guard.strict(False)
    made = BotanuCallbackHandler()
    made.open.put = broken
    chain = RunnableLambda(lambda x: x) | FakeListChatModel(responses=["a"])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert chain.invoke("x", {"callbacks": [made]}).content == "a"
    assert len([record for record in caplog.records if record.name == "botanu" and "langchain" in record.message]) == 1
    assert not [record for record in caplog.records if record.name.startswith("langchain")]


@pytest.mark.parametrize(
    "response",
    [
        LLMResult(generations=[]),
        LLMResult(generations=[[]]),
        LLMResult(generations=[[]], llm_output=None),
        LLMResult(generations=[], llm_output={"token_usage": {"prompt_tokens": "many", "completion_tokens": None}}),
        LLMResult(generations=[], llm_output={"usage": "strings"}),
        None,
    ],
)
def test_a_response_without_anything_is_a_call_of_unknown_usage(response, seen, handler):
    key = UUID("01a1fe20-b952-7c8d-bae4-9c85cad999d1")
    with botanu.event(workflow="w"):
        handler.on_llm_start(None, ["x"], run_id=key, name=None, metadata=None)
        handler.on_llm_end(response, run_id=key)
    [run] = seen.runs()
    assert (run.attributes["botanu.run.llm_calls"], run.attributes["botanu.run.unpriced_calls"]) == (1, 1)
    assert seen.span("text_completion").attributes["gen_ai.provider.name"] == "unknown"


def test_an_answer_from_the_cache_costs_nothing(gpt, provider, seen, handler):
    model = gpt(cache=InMemoryCache())
    for number in range(3):
        with botanu.event(workflow="w", event_id=str(number)):
            model.invoke("x", {"callbacks": [handler]})
    assert len(provider.invoice.rows()) == 1
    first, *others = [run.attributes["botanu.run.cost_usd"] for run in seen.runs()]
    assert first > 0
    assert others == [0, 0]
    hits = [span.attributes.get("botanu.request.cache_hit") for span in seen.spans("chat")]
    assert hits == [None, True, True]


def test_a_stream_without_usage_is_unknown_and_not_nothing(gpt, seen, handler):
    with botanu.event(workflow="w"):
        list(gpt(stream_usage=False).stream("x", {"callbacks": [handler]}))
    [run] = seen.runs()
    assert (run.attributes["botanu.run.llm_calls"], run.attributes["botanu.run.unpriced_calls"]) == (1, 1)


def test_a_retrieval_says_how_much_it_found(seen, handler):
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document("a"), Document("b")]

    Shelf().invoke("x", {"callbacks": [handler]})
    span = seen.span("retrieval Shelf")
    assert span.attributes["gen_ai.operation.name"] == "retrieval"
    assert span.attributes["botanu.tool.items_returned"] == 2


def test_langsmiths_tracer_in_the_process_changes_no_count(gpt, seen, handler, balanced):
    class Client:
        """Takes what LangSmith would get."""

        def create_run(self, **_):
            pass

        def update_run(self, *_, **__):
            pass

    tracer = LangChainTracer(client=Client())
    with botanu.event(workflow="w"):
        for _ in gpt().stream("x", {"callbacks": [tracer, handler]}):
            pass
        asyncio.run(gpt().ainvoke("y", {"callbacks": [handler, tracer]}))
    balanced()


@pytest.mark.parametrize("is_on", [True, False])
def test_what_was_said_is_captured_scrubbed_and_in_pairs_and_only_if_wanted(is_on, gpt, switch_on, handler):
    seen = switch_on(content_capture_rate=1.0 if is_on else 0.0)
    with botanu.event(workflow="w"):
        gpt().invoke([("system", "Be brief."), ("user", "I am jane@example.com")], {"callbacks": [handler]})
    attributes = seen.span("chat").attributes
    names = [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "botanu.eval.input_content",
        "botanu.eval.output_content",
    ]
    assert [name in attributes for name in names] == [is_on] * 4
    assert "jane@example.com" not in str(attributes)
    if is_on:
        assert '"role"' in attributes["gen_ai.input.messages"]
        assert "assistant" in attributes["gen_ai.output.messages"]


@pytest.mark.parametrize(("workflow", "is_captured"), [("Audited", True), ("w", False)])
def test_a_workflow_may_have_a_rate_of_its_own(workflow, is_captured, gpt, switch_on, handler):
    seen = switch_on(content_capture_rates={"Audited": 1.0})
    with botanu.event(workflow=workflow):
        gpt().invoke("x", {"callbacks": [handler]})
    assert ("gen_ai.input.messages" in seen.span("chat").attributes) is is_captured


def test_a_handler_may_be_told_to_capture_nothing(gpt, switch_on):
    seen = switch_on(content_capture_rate=1.0)
    gpt().invoke("x", {"callbacks": [BotanuCallbackHandler(capture=False)]})
    assert not [name for name in seen.span("chat").attributes if "messages" in name or "eval" in name]


# --- options and installing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"workflow": ""}, {"workflow": 3}, {"event_id": 3}, {"customer_id": []}, {"capture": "yes"}, {"steps": None}],
)
def test_a_wrong_option_is_refused(options):
    with pytest.raises(botanu.ConfigError, match=next(iter(options))):
        BotanuCallbackHandler(**options)
    with pytest.raises(botanu.ConfigError):
        botanu_langchain.install(**options)
    botanu_langchain.uninstall()


def test_the_run_it_opens_has_the_ids_that_it_was_told(seen):
    made = BotanuCallbackHandler(
        workflow="Research",
        event_id="t-1",
        customer_id=lambda metadata: metadata["who"],
        tenant_id=lambda _: 1 / 0,
        steps=False,
    )
    chain = RunnableLambda(lambda x: x) | FakeListChatModel(responses=["a"])
    chain.invoke("x", {"callbacks": [made], "metadata": {"who": "acme"}})
    [run] = seen.runs()
    said = {name: run.attributes.get(f"botanu.{name}") for name in ("workflow", "event_id", "customer_id", "tenant_id")}
    assert said == {"workflow": "Research", "event_id": "t-1", "customer_id": "acme", "tenant_id": None}
    assert not seen.spans("chain")


def test_installed_once_or_twice_it_sees_every_call_once_and_no_longer_when_it_is_taken_away(seen):
    first = botanu_langchain.install()
    try:
        assert botanu_langchain.install() is first
        model = FakeListChatModel(responses=["a"])
        with botanu.event(workflow="w"):
            model.invoke("x")
            model.invoke("x", {"callbacks": [BotanuCallbackHandler()]})
            asyncio.run(model.ainvoke("x"))
    finally:
        botanu_langchain.uninstall()
    model.invoke("x")
    assert len(seen.spans("chat")) == 3
    assert seen.runs()[0].attributes["botanu.run.llm_calls"] == 3


def test_it_does_nothing_where_botanu_is_not_switched_on(handler):
    chain = RunnableLambda(lambda x: x) | FakeListChatModel(responses=["a"])
    assert chain.invoke("x", {"callbacks": [handler]}).content == "a"
    assert len(handler.open) == 0
