"""`llm_instrumented`: a decorator for client methods that call a model."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from botanu_core import semconv as sc
from botanu_core.model.report import get
from botanu_core.model.vocabulary import ModelOperation
from botanu_core.runtime import guard
from botanu_core.runtime.around import decorated
from botanu_core.tracking.llm import LLMTracker, track_llm_call
from botanu_core.tracking.response import note
from botanu_core.tracking.stream import tracked_stream

__all__ = ["llm_instrumented"]

P = ParamSpec("P")
R = TypeVar("R")


def llm_instrumented(
    provider: str = "",
    model_param: str = "model",
    tokens_from_response: bool = True,
    operation: str = ModelOperation.CHAT,
    *,
    vendor: str = "",
    include_usage: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Track every call of the decorated function or method as a model call.

    Serves sync and async functions, generators and async generators, and functions that return a stream: that
    call lasts until the stream is read to its end, closed or dropped.

    Args:
        provider: Who serves the model.
        model_param: The parameter that names the model, given by position or keyword or left at its default; where
            that says nothing, an attribute of that name on `self`, else no model is recorded.
        tokens_from_response: Read usage, ids and the finish reason from the response or the stream's pieces.
        operation: One of `ModelOperation`.
        vendor: Another name for `provider`.
        include_usage: OpenAI's streams name their usage only when asked. With this, a call with ``stream=True`` and no
            ``stream_options`` is made with ``stream_options={"include_usage": True}``, if the function takes that; the
            span says so. The stream then has one more piece at its end, whose ``choices`` are empty.

    Raises:
        TypeError: Not used with parentheses, or not on a function.
    """
    if callable(provider):
        raise TypeError("llm_instrumented needs parentheses: @llm_instrumented(provider=…)")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        around = _Call(function, provider or vendor, model_param, operation, tokens_from_response)
        around.asks_for_usage = include_usage and _takes_stream_options(function)
        return decorated(function, around, "llm_instrumented")

    return decorate


class _Call:
    """What surrounds a call of the decorated function; the state is its tracker."""

    def __init__(
        self, function: Callable[..., Any], provider: str, model_param: str, operation: str, reads: bool
    ) -> None:
        self._provider, self._model_param, self._operation, self._reads = provider, model_param, operation, reads
        self._position, self._default = _place(function, model_param)
        self.asks_for_usage = False
        self._options_position, _ = _place(function, "stream_options")

    def _model(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        if self._model_param in kwargs:
            model = kwargs[self._model_param]
        elif self._position is not None and len(args) > self._position:
            model = args[self._position]
        else:
            model = self._default
        if model is None and args:
            model = get(args[0], self._model_param)
        return model if isinstance(model, str) else None

    def begin(self, args: Sequence[Any], kwargs: dict[str, Any]) -> LLMTracker:
        tracker = track_llm_call(self._provider, self._model(args, kwargs), self._operation)
        if (
            self.asks_for_usage
            and kwargs.get("stream") is True
            and "stream_options" not in kwargs
            and (self._options_position is None or len(args) <= self._options_position)
        ):
            kwargs["stream_options"] = {"include_usage": True}
            tracker._flag(sc.REQUEST_INCLUDE_USAGE, True)
        return tracker.__enter__()

    def end(self, state: LLMTracker, error: BaseException | None) -> None:
        try:
            state.finish(error)
        finally:
            state.detach()

    def suspend(self, state: LLMTracker) -> None:
        state.detach()

    def resume(self, state: LLMTracker) -> LLMTracker:
        state.attach()
        return state

    def close(self, state: LLMTracker, error: BaseException | None) -> None:
        state.finish(error)

    def each(self, state: LLMTracker, item: Any) -> None:
        state.set_streaming()
        if self._reads:
            _noting(state, item)

    def result(self, state: LLMTracker, result: Any) -> Any:
        stream = tracked_stream(result, state, _noting if self._reads else None)
        if stream is not None:
            state.set_streaming()
            state.detach()
            return stream
        if self._reads:
            _noting(state, result)
        self.end(state, None)
        return result


def _noting(tracker: LLMTracker, item: Any) -> None:
    try:
        note(tracker, item)
    except Exception as error:
        guard.failed("response", error)


def _place(function: Callable[..., Any], model_param: str) -> tuple[int | None, object]:
    """Where the model stands among positional arguments, `self` included, if it can; and what it is by default."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None, None
    for position, parameter in enumerate(parameters):
        if parameter.name == model_param and parameter.kind is not parameter.VAR_POSITIONAL:
            default = None if parameter.default is parameter.empty else parameter.default
            return position if parameter.kind is not parameter.KEYWORD_ONLY else None, default
    return None, None


def _takes_stream_options(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    named = parameters.get("stream_options")
    if named is not None:
        return named.kind in (named.KEYWORD_ONLY, named.POSITIONAL_OR_KEYWORD)
    return any(each.kind is each.VAR_KEYWORD for each in parameters.values())
