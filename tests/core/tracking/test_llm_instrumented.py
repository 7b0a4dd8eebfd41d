"""`llm_instrumented`: every kind of function that calls a model, and every place where the model may be named."""

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

import botanu
from botanu.tracking.llm import ModelOperation, llm_instrumented

Only = Callable[[], ReadableSpan]
ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-5-2026",
    "choices": [{"finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}},
}
SAID = {
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-5-2026",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 3,
    "gen_ai.usage.cache_read.input_tokens": 5,
}


def objects(value: Any) -> Any:
    """A response as objects with attributes, as clients return them."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: objects(inner) for key, inner in value.items()})
    return [objects(inner) for inner in value] if isinstance(value, list) else value


def said(span: ReadableSpan) -> dict[str, Any]:
    return {key: span.attributes[key] for key in SAID if key in span.attributes}


instrumented = llm_instrumented(provider="openai")


# --- kinds of function -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [ANSWER, objects(ANSWER)], ids=["dict", "object"])
def test_a_function_is_one_call_and_returns_what_it_returned(answer, only: Only):
    @instrumented
    def chat(model: str) -> Any:
        assert trace.get_current_span().is_recording()
        return answer

    assert chat("gpt-5") is answer
    assert only().name == "chat gpt-5"
    assert said(only()) == SAID


def test_a_coroutine_function_is_one_call_until_it_is_awaited_to_its_end(only: Only):
    @instrumented
    async def chat(model: str) -> Any:
        await asyncio.sleep(0)
        return ANSWER

    assert inspect.iscoroutinefunction(chat)
    assert asyncio.run(chat("gpt-5")) is ANSWER
    assert said(only()) == SAID


def test_a_function_that_returns_a_coroutine_is_one_call_until_that_is_awaited(spans):
    async def later() -> Any:
        assert trace.get_current_span().is_recording()
        await asyncio.sleep(0)
        return ANSWER

    @instrumented
    def chat(model: str) -> Any:
        return later()

    async def scenario() -> Any:
        awaiting = chat("gpt-5")
        assert not spans.get_finished_spans()
        assert not trace.get_current_span().is_recording()
        return await awaiting

    assert asyncio.run(scenario()) is ANSWER
    [span] = spans.get_finished_spans()
    assert said(span) == SAID


def test_a_generator_function_is_one_call_until_it_is_exhausted(spans):
    @instrumented
    def chat(model: str) -> Iterator[Any]:
        assert trace.get_current_span().is_recording()
        yield {"choices": [{"delta": {"content": "a"}}]}
        yield ANSWER

    stream = chat("gpt-5")
    assert next(stream)
    assert not trace.get_current_span().is_recording()
    assert not spans.get_finished_spans()
    assert list(stream) == [ANSWER]
    [span] = spans.get_finished_spans()
    assert said(span) == SAID
    assert span.attributes["botanu.request.streaming"] is True


@pytest.mark.parametrize("end", ["close", "throw", "drop"])
def test_a_generator_that_is_left_half_way_ends_its_call(end, spans):
    @instrumented
    def chat(model: str) -> Iterator[Any]:
        yield {"id": "chatcmpl-1"}
        yield {"id": "never"}

    stream: Any = chat("gpt-5")
    next(stream)
    if end == "close":
        stream.close()
    elif end == "throw":
        with pytest.raises(ValueError):
            stream.throw(ValueError("x"))
    del stream
    gc.collect()
    [span] = spans.get_finished_spans()
    assert span.attributes["gen_ai.response.id"] == "chatcmpl-1"
    assert (span.status.status_code is StatusCode.ERROR) == (end == "throw")


def test_an_async_generator_function_is_one_call_until_it_is_exhausted(only: Only):
    @instrumented
    async def chat(model: str) -> AsyncIterator[Any]:
        assert trace.get_current_span().is_recording()
        yield {"id": "chatcmpl-0"}
        await asyncio.sleep(0)
        yield ANSWER

    async def scenario() -> list[Any]:
        found = []
        async for item in chat("gpt-5"):
            assert not trace.get_current_span().is_recording()
            found.append(item)
        return found

    assert asyncio.run(scenario())[-1] is ANSWER
    assert said(only()) == SAID


def test_an_async_generator_that_is_closed_early_ends_its_call(only: Only):
    @instrumented
    async def chat(model: str) -> AsyncIterator[Any]:
        yield {"id": "chatcmpl-1"}
        yield {"id": "never"}

    async def scenario() -> None:
        stream: Any = chat("gpt-5")
        await anext(stream)
        await stream.aclose()

    asyncio.run(scenario())
    assert only().attributes["gen_ai.response.id"] == "chatcmpl-1"
    assert only().status.status_code is StatusCode.UNSET


def test_a_generator_marks_its_call_as_streamed_also_where_responses_are_not_read(only: Only):
    @llm_instrumented(provider="openai", tokens_from_response=False)
    def chat(model: str) -> Iterator[Any]:
        yield ANSWER

    list(chat("gpt-5"))
    assert only().attributes["botanu.request.streaming"] is True
    assert said(only()) == {}


def test_methods_class_methods_and_static_methods(spans):
    class Client:
        @instrumented
        def chat(self, model: str) -> Any:
            return ANSWER

        @classmethod
        @instrumented
        def of_class(cls, model: str) -> Any:
            return ANSWER

        @staticmethod
        @instrumented
        def of_none(model: str) -> Any:
            return ANSWER

    client = Client()
    client.chat("gpt-a")
    Client.of_class("gpt-b")
    client.of_none("gpt-c")
    assert [span.name for span in spans.get_finished_spans()] == ["chat gpt-a", "chat gpt-b", "chat gpt-c"]


def test_the_function_keeps_its_name_and_signature():
    @instrumented
    def chat(model: str, *, top: int = 1) -> None:
        """Ask."""

    assert (chat.__name__, chat.__doc__) == ("chat", "Ask.")
    assert list(inspect.signature(chat).parameters) == ["model", "top"]


# --- errors ----------------------------------------------------------------------------------------------------


def test_the_functions_own_exception_passes_and_fails_the_call(only: Only):
    error = ConnectionError("cut")

    @instrumented
    def chat(model: str) -> Any:
        raise error

    with pytest.raises(ConnectionError) as caught:
        chat("gpt-5")
    assert caught.value is error
    assert only().attributes["error.type"] == "ConnectionError"


def test_a_cancelled_coroutine_ends_its_call_without_an_error(only: Only):
    @instrumented
    async def chat(model: str) -> Any:
        await asyncio.Event().wait()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chat("gpt-5"), 0.01)

    asyncio.run(scenario())
    assert only().status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("wrong", [print, staticmethod(print), int])
def test_it_says_what_it_decorates(wrong):
    with pytest.raises(TypeError, match=r"parentheses|decorates functions"):
        llm_instrumented(provider="openai")(wrong) if wrong is not print else llm_instrumented(wrong)


def test_a_function_with_attempts_of_its_own_starts_each_call_afresh(spans):
    @instrumented
    def chat(model: str) -> Any:
        return ANSWER

    with botanu.event(workflow="w", event_id="1"):
        chat("gpt-5")
        chat("gpt-5")
    assert all("botanu.request.attempt" not in span.attributes for span in spans.get_finished_spans())


# --- where the model is named ----------------------------------------------------------------------------------


class Model(str, Enum):  # noqa: UP042  (what people still write; its str() differs from StrEnum's)
    SMALL = "gpt-5-mini"


class Holder:
    model = "gpt-of-self"

    @instrumented
    def by_self(self, prompt: str) -> Any:
        return ANSWER

    @instrumented
    def by_parameter(self, prompt: str, model: str = "gpt-default") -> Any:
        return ANSWER

    @instrumented
    def by_either(self, prompt: str, model: str | None = None) -> Any:
        return ANSWER

    @instrumented
    def by_any_keyword(self, prompt: str, **options: Any) -> Any:
        return ANSWER

    @instrumented
    def by_keyword_only(self, prompt: str, *, model: str) -> Any:
        return ANSWER

    @llm_instrumented(provider="openai", model_param="deployment")
    def by_another_name(self, prompt: str, deployment: str) -> Any:
        return ANSWER


@pytest.mark.parametrize(
    ("call", "model"),
    [
        (lambda h: h.by_self("Tell me"), "gpt-of-self"),
        (lambda h: h.by_parameter("Tell me"), "gpt-default"),
        (lambda h: h.by_parameter("Tell me", "gpt-5"), "gpt-5"),
        (lambda h: h.by_parameter(prompt="Tell me", model="gpt-5"), "gpt-5"),
        (lambda h: h.by_parameter("Tell me", Model.SMALL), "gpt-5-mini"),
        (lambda h: h.by_either("Tell me"), "gpt-of-self"),
        (lambda h: h.by_either("Tell me", None), "gpt-of-self"),
        (lambda h: h.by_either("Tell me", model="gpt-5"), "gpt-5"),
        (lambda h: h.by_any_keyword("Tell me", model="gpt-5"), "gpt-5"),
        (lambda h: h.by_any_keyword("Tell me"), "gpt-of-self"),
        (lambda h: h.by_keyword_only("Tell me", model="gpt-5"), "gpt-5"),
        (lambda h: h.by_another_name("Tell me", "prod-gpt"), "prod-gpt"),
    ],
)
def test_the_model_is_found_by_position_keyword_default_or_on_self(call, model, only: Only):
    call(Holder())
    assert only().attributes["gen_ai.request.model"] == model


@pytest.mark.parametrize(
    "prompt", ["Tell me a story", ["a", "b"], [{"role": "user", "content": "hi"}], None, 7, object()]
)
def test_the_prompt_never_becomes_the_models_name(prompt, only: Only):
    @instrumented
    def ask(prompt: Any, *rest: Any) -> Any:
        return ANSWER

    ask(prompt, "more", "and more")
    assert "gen_ai.request.model" not in only().attributes
    assert only().name == "chat"


@pytest.mark.parametrize("model", [None, 7, object(), ["gpt-5"]])
def test_a_model_that_is_no_text_is_left_out(model, only: Only):
    @instrumented
    def chat(model: Any) -> Any:
        return ANSWER

    chat(model)
    assert only().name == "chat"


def test_a_property_that_raises_is_no_model(only: Only):
    class Client:
        @property
        def model(self) -> str:
            raise RuntimeError("not yet")

        @instrumented
        def chat(self, prompt: str) -> Any:
            return ANSWER

    Client().chat("Tell me")
    assert only().name == "chat"


def test_operation_and_vendor_may_be_given(only: Only):
    @llm_instrumented(vendor="Azure OpenAI", operation=ModelOperation.EMBEDDINGS)
    def embed(model: str) -> Any:
        return {"usage": {"prompt_tokens": 9}}

    embed("text-embedding-3-small")
    assert only().name == "embeddings text-embedding-3-small"
    assert only().attributes["gen_ai.provider.name"] == "azure.openai"
    assert only().attributes["gen_ai.usage.input_tokens"] == 9
