"""`OpenAIInstrumentor`: chat, with its messages and tools as they were given; the Responses API and embeddings."""

import inspect
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from botanu_core.clients import failed
from botanu_genai._asked import Asked, begin, known
from botanu_genai._instrumentor import Instrumentor, Target
from botanu_genai._messages import chat_choices, chat_prompts, held
from botanu_genai._meters import Meters
from botanu_genai._request import read_request

if TYPE_CHECKING:
    from botanu_genai._chat import Chat, Chats

__all__ = ["OpenAIInstrumentor"]

_CHAT: Final = ("openai.resources.chat.completions", ("Completions", "AsyncCompletions"))
_RESPONSES: Final = ("openai.resources.responses.responses", ("Responses", "AsyncResponses"))
_METHODS: Final = ("create", "parse")


class _Veiled:
    """Messages that pass OpenTelemetry's layer unread: it would convert all of them, and empty a generator."""

    __slots__ = ("messages",)

    def __init__(self, messages: Any) -> None:
        self.messages = messages

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class _Answered:
    """What OpenTelemetry's layer gets in place of a response that has to be awaited to be read: it does not await."""

    __slots__ = ("parsed", "response")

    def __init__(self, response: Any, parsed: Any) -> None:
        self.response, self.parsed = response, parsed

    def parse(self) -> Any:
        return self.parsed


class OpenAIInstrumentor(Instrumentor):
    """Traces the clients of the ``openai`` package, Azure's as well."""

    _package = "opentelemetry.instrumentation.genai.openai"
    _class = "OpenAIInstrumentor"
    _chats: "Chats | None" = None

    def _found_targets(self) -> Iterator[Target]:
        for (module, classes), is_chat in ((_CHAT, True), (_RESPONSES, False)):
            try:
                found = import_module(module)
            except ImportError:
                continue  # a client from before the Responses API
            for name in classes:
                owner = getattr(found, name)
                is_async = name.startswith("Async")
                for method in _METHODS:
                    if method in vars(owner):
                        yield self._target(owner, method, is_chat, is_async)

    def _target(self, owner: type, method: str, is_chat: bool, is_async: bool) -> Target:
        inner, outer = (self._ainner, self._aouter) if is_async else (self._inner, self._outer)
        if is_chat:
            outer = partial(self._awhole if is_async else self._whole, vars(owner)[method])
        return Target(owner, method, partial(inner, is_chat), outer)

    def _prepare(self, tracer_provider: Any, meters: Meters) -> None:
        self._chats = None
        if self._is_read_by_others:
            return
        try:
            chat = import_module("botanu_genai._chat")  # only here: it imports the client
            self._chats = chat.chats_of(tracer_provider, meters, self._hook, details=self._details)
        except (ImportError, AttributeError):
            return  # OpenTelemetry's packages are of another version, and of other parts: their layer tells of all

    # --- an answer that comes whole -----------------------------------------------------------------------------

    def _whole(
        self, client_method: Any, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        chat = self._begun(instance, args, kwargs)
        if chat is None:
            return self._outer(wrapped, instance, args, kwargs)
        try:
            result = client_method.__get__(instance)(**chat.read())
        except BaseException as error:
            chat.end(error=error)
            raise
        chat.end(result)
        return result

    async def _awhole(
        self, client_method: Any, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        chat = self._begun(instance, args, kwargs)
        if chat is None:
            return await self._aouter(wrapped, instance, args, kwargs)
        try:
            result = await client_method.__get__(instance)(**chat.read())
        except BaseException as error:
            chat.end(error=error)
            raise
        chat.end(result)
        return result

    def _begun(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Chat | None":
        return self._chats.begin(instance, kwargs) if self._chats is not None and not args and self._listens else None

    # --- before anybody else -----------------------------------------------------------------------------------

    def _outer(self, wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._listens:
            return wrapped(*args, **kwargs)
        result = wrapped(*args, **self._veiled(kwargs))
        if kwargs.get("stream"):
            _hold(result)
        return result

    async def _aouter(self, wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._listens:
            return await wrapped(*args, **kwargs)
        result = await wrapped(*args, **self._veiled(kwargs))
        if kwargs.get("stream"):
            _hold(result)
        return result.response if type(result) is _Answered else result

    def _veiled(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        messages = kwargs.get("messages")
        if messages is None:
            return kwargs
        if not self._is_read_by_others:
            return {**kwargs, "messages": _Veiled(messages)}
        return {**kwargs, "messages": held(messages)}

    # --- in the span -------------------------------------------------------------------------------------------

    def _inner(self, is_chat: bool, wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asked = self._read(is_chat, kwargs)
        result = wrapped(*args, **kwargs)
        if asked is not None and is_chat:
            asked.choices = _reader_of(result)
        return result

    async def _ainner(
        self, is_chat: bool, wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        asked = self._read(is_chat, kwargs)
        result = await wrapped(*args, **kwargs)
        if asked is not None and is_chat:
            asked.choices = _reader_of(result)
        if not self._listens or kwargs.get("stream") or not inspect.iscoroutinefunction(getattr(result, "parse", None)):
            return result
        return _Answered(result, await _parsed(result))

    def _read(self, is_chat: bool, kwargs: dict[str, Any]) -> Asked | None:
        messages = kwargs.get("messages")
        if type(messages) is _Veiled:
            messages = kwargs["messages"] = messages.messages
        if not self._listens:
            return None
        if (read := held(messages)) is not messages:
            messages = kwargs["messages"] = read
        asked = begin(details=self._details)
        if asked is None:
            return None
        try:
            read_request(asked, kwargs)
            if is_chat:
                asked.prompts = chat_prompts(messages)
        except Exception as error:
            failed("genai", error)
        return asked


async def _parsed(response: Any) -> Any:
    """What a ``with_streaming_response`` of an asynchronous client says; it keeps it for its caller."""
    try:
        return await response.parse()
    except Exception:
        return None  # its caller will meet the same


def _reader_of(result: Any) -> Callable[[], Any] | None:
    choices = getattr(result, "choices", None)
    return (lambda: list(chat_choices(choices))) if isinstance(choices, list) else None


def _hold(stream: Any) -> None:
    """Let the hook look at what the stream has collected by then, without keeping an abandoned one alive."""
    invocation = getattr(stream, "_self_invocation", None)
    asked = known(getattr(invocation, "span", None))
    if asked is not None:
        asked.stream = weakref.ref(stream)
