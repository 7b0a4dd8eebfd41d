"""Calls that are cancelled, abandoned, retried, cut off or failed: what was used is counted, and nothing stays open."""

import asyncio
import gc
import tracemalloc
import weakref
from contextlib import suppress

import pytest
from langchain_core.language_models import LLM, BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

import botanu
from botanu_core.runtime.billing import open_spans


class Slow(BaseChatModel):
    """Answers never, or after `pieces` of an answer."""

    pieces: int = 0

    @property
    def _llm_type(self):
        return "slow"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("ok"))])

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        await asyncio.Event().wait()

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        usage = {"input_tokens": 100, "output_tokens": 0, "total_tokens": 100}
        for number in range(self.pieces):
            yield ChatGenerationChunk(message=AIMessageChunk("x", usage_metadata=usage if not number else None))
        raise RuntimeError("the provider hung up")


async def opened(handler, count):
    """Let the loop go on until so much is open."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while len(handler.open) < count:
        assert loop.time() < began_s + 60, "the calls did not begin"
        await asyncio.sleep(0)


async def settled():
    """Let the loop drop what it has just handled: it holds the exception, and that the frames of the call."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()


class SlowText(LLM):
    """A model of plain text that never answers."""

    @property
    def _llm_type(self):
        return "slow"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        return "ok"

    async def _acall(self, prompt, stop=None, run_manager=None, **kwargs):
        await asyncio.Event().wait()


async def timed_out(call):
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await call


async def cancelled(call):
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.2)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("way", [timed_out, cancelled])
@pytest.mark.parametrize("kind", ["bare", "chain", "plain"])
def test_a_cancelled_call_ends_with_its_coroutine_though_nobody_says_so(way, kind, seen, handler):
    model = {"bare": Slow(), "chain": RunnableLambda(str) | Slow(), "plain": SlowText()}[kind]

    async def main():
        await way(model.ainvoke("x", {"callbacks": [handler]}))
        await settled()
        assert len(handler.open) == 0

    asyncio.run(main())
    [call] = [span for span in seen.spans() if span.attributes.get("gen_ai.operation.name")]
    assert call.attributes["botanu.outcome.status"] == "canceled"
    assert (call.status, [event.name for event in call.events]) == ("UNSET", [])


@pytest.mark.parametrize(("is_in_run", "more"), [(True, 8_000), (False, 2_000)])
def test_ten_thousand_cancelled_calls_leave_nothing(is_in_run, more, handler, monkeypatch):
    for signal in ("TRACES", "METRICS", "LOGS"):  # an exporter's queue takes its share of memory
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    botanu.enable(instrument="none")
    model = Slow()

    async def some(count):
        for _ in range(count // 100):
            tasks = [asyncio.create_task(model.ainvoke("x", {"callbacks": [handler]})) for _ in range(100)]
            await opened(handler, 100)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        del tasks, task
        await settled()
        return tracemalloc.take_snapshot()

    async def main():
        tracemalloc.start()
        try:
            before = await some(2_000)  # the ledger remembers the last thousand
            assert len(handler.open) == 0
            return (await some(more)).compare_to(before, "lineno")
        finally:
            tracemalloc.stop()

    if is_in_run:
        with botanu.event(workflow="w"):
            grown = asyncio.run(main())
    else:
        grown = asyncio.run(main())
    assert len(handler.open) == 0
    assert not open_spans.calls()
    most = "\n".join(map(str, grown[:10]))
    assert sum(each.size_diff for each in grown) < 400_000, most  # 50 bytes a call


def test_a_cancelled_call_in_a_run_is_one_call_of_unknown_usage(seen, handler):
    async def main():
        with botanu.event(workflow="w"):
            await timed_out(Slow().ainvoke("x", {"callbacks": [handler]}))
            await settled()

    asyncio.run(main())
    [run] = seen.runs()
    assert (run.attributes["botanu.run.llm_calls"], run.attributes["botanu.run.unpriced_calls"]) == (1, 1)
    assert run.attributes["botanu.outcome.status"] == "success"


def test_an_open_call_ends_with_its_run(seen, handler):
    async def main():
        with botanu.event(workflow="w"):
            task = asyncio.create_task(Slow().ainvoke("x", {"callbacks": [handler]}))
            await opened(handler, 1)
        assert len(handler.open) == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert seen.span("chat").attributes["botanu.outcome.status"] == "canceled"


def test_a_call_that_goes_on_after_its_chain_is_still_counted_whole(seen, handler, gpt, balanced):
    left = []

    async def leave(text, config):
        left.append(asyncio.create_task(gpt().ainvoke(text, config)))
        await opened(handler, 2)
        return "done"

    async def main():
        with botanu.event(workflow="w"):
            await RunnableLambda(leave).ainvoke("x", {"callbacks": [handler]})
            await left[0]

    asyncio.run(main())
    balanced()
    assert "botanu.outcome.status" not in seen.span("chat").attributes


def test_a_stream_that_breaks_off_counts_what_had_come(seen, handler):
    with botanu.event(workflow="w"), pytest.raises(RuntimeError):
        for _ in Slow(pieces=3).stream("x", {"callbacks": [handler]}):
            pass
    call = seen.span("chat")
    assert (call.status, call.attributes["error.type"]) == ("ERROR", "RuntimeError")
    assert call.attributes["gen_ai.usage.input_tokens"] == 100
    assert call.attributes["gen_ai.response.time_to_first_chunk"] > 0
    [entry] = seen.entries()
    assert entry.attributes["gen_ai.usage.input_tokens"] == 100
    [run] = seen.runs()
    assert run.attributes["botanu.outcome.status"] == "success"


@pytest.mark.parametrize("ending", ["close", "drop", "aclose", "adrop"])
def test_a_stream_that_nobody_reads_to_its_end_is_cancelled(ending, seen, handler, claude):
    config = {"callbacks": [handler]}

    async def main():
        stream = claude().astream("x", config)
        await anext(stream)
        if ending == "aclose":
            await stream.aclose()
        else:
            del stream
            gc.collect()
            await asyncio.sleep(0.01)

    with botanu.event(workflow="w"):
        if ending.startswith("a"):
            asyncio.run(main())
        else:
            stream = claude().stream("x", config)
            next(stream)
            if ending == "close":
                stream.close()
            else:
                del stream
                gc.collect()
        assert len(handler.open) == 0
    [call] = [span for span in seen.spans("chat") if span.scope == "botanu"]
    assert (call.attributes["botanu.outcome.status"], call.status) == ("canceled", "UNSET")
    assert seen.runs()[0].attributes["botanu.run.llm_calls"] == 1


def test_a_reader_of_a_stream_may_call_another_model_between_two_pieces(gpt, claude, seen, handler, balanced):
    with botanu.event(workflow="w"):
        for number, _ in enumerate(gpt().stream("x", {"callbacks": [handler]})):
            if number == 1:
                claude().invoke("translate", {"callbacks": [handler]})
    balanced()


def test_each_retry_is_a_call_and_the_run_succeeds_with_the_last(gpt, provider, seen, handler):
    model = gpt(default_headers={"x-demo-fault": "429", "connection": "close"})
    tries = iter([model, model, gpt()])
    made = RunnableLambda(lambda text, config: next(tries).invoke(text, config)).with_retry(
        stop_after_attempt=3, wait_exponential_jitter=False
    )
    made.invoke("x", {"callbacks": [handler]})
    calls = seen.spans("chat")
    assert [call.attributes.get("error.type") for call in calls] == [
        "OpenAIRateLimitError",
        "OpenAIRateLimitError",
        None,
    ]
    [run] = seen.runs()
    assert run.attributes["botanu.outcome.status"] == "success"
    assert run.attributes["botanu.run.unpriced_calls"] == 0
    assert len([bill for bill in provider.invoice.rows() if bill.status == "ok"]) == 1


def test_a_fallback_is_billed_and_the_refusal_before_it_is_none(gpt, claude, seen, handler, balanced):
    refused = gpt(default_headers={"x-demo-fault": "429", "connection": "close"})
    (RunnableLambda(str) | refused.with_fallbacks([claude()])).invoke("x", {"callbacks": [handler]})
    [refusal, answer] = [span for span in seen.spans("chat") if span.scope == "botanu"]
    assert (refusal.status, answer.status) == ("ERROR", "UNSET")
    assert refusal.attributes["gen_ai.provider.name"] == "openai"
    assert answer.attributes["gen_ai.provider.name"] == "anthropic"
    assert seen.runs()[0].attributes["botanu.outcome.status"] == "success"


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no"), "failed"), (TimeoutError(), "timeout"), (asyncio.CancelledError(), "canceled")],
)
def test_how_a_chain_ends_is_the_outcome_of_the_run_it_opened(error, status, seen, handler):
    async def fail(_):
        raise error

    with pytest.raises(type(error)):
        asyncio.run(RunnableLambda(fail).ainvoke("x", {"callbacks": [handler]}))
    [run] = seen.runs()
    assert run.attributes["botanu.outcome.status"] == status


def test_a_cancelled_tool_and_retriever_end_too(seen, handler):
    @tool
    async def search(query: str) -> str:
        """Search."""
        await asyncio.Event().wait()

    class Slowly(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return []

        async def _aget_relevant_documents(self, query, *, run_manager):
            await asyncio.Event().wait()

    async def main():
        await timed_out(search.ainvoke({"query": "x"}, {"callbacks": [handler]}))
        await timed_out(Slowly().ainvoke("x", {"callbacks": [handler]}))
        await settled()
        assert len(handler.open) == 0

    asyncio.run(main())
    assert {span.name: span.attributes["botanu.outcome.status"] for span in seen.spans()} == {
        "execute_tool search": "canceled",
        "retrieval Slowly": "canceled",
    }


def test_nothing_of_what_was_said_is_kept(seen, handler):
    with botanu.event(workflow="w"):
        prompt = HumanMessage("a prompt")
        kept = (
            weakref.ref(prompt),
            weakref.ref(FakeListChatModel(responses=["a"]).invoke([prompt], {"callbacks": [handler]})),
        )
        del prompt
        gc.collect()
        assert [each() for each in kept] == [None, None]
