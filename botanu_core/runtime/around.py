"""Decorating every kind of function with something that begins before it and ends when it is really done.

A coroutine is done when it is awaited to the end, a generator when its iteration ends: exhausted, closed, thrown
into, or collected as garbage.
"""

import functools
import inspect
import sys
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextvars import Context, copy_context
from typing import Any, ParamSpec, Protocol, TypeVar, cast

__all__ = ["Around", "Awaited", "decorated"]

P = ParamSpec("P")
R = TypeVar("R")


class Around(Protocol):
    """What surrounds a call. The state is whatever `begin` returns: it is handed to the others."""

    def begin(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Before the call: begin, and make current."""

    def end(self, state: Any, error: BaseException | None) -> None:
        """After it: end, and make current what was so before."""

    def suspend(self, state: Any) -> None:
        """Make current what was so before, without ending."""

    def resume(self, state: Any) -> Any:
        """Make current again, perhaps in another context."""

    def close(self, state: Any, error: BaseException | None) -> None:
        """End what is suspended."""

    def each(self, state: Any, item: Any) -> None:
        """An item has come out of a generator."""

    def result(self, state: Any, result: Any) -> Any:
        """A function is done: end, and say what its caller gets. A stream may be kept open, and end by itself."""


def decorated(function: Callable[P, R], around: Around, what: str) -> Callable[P, R]:
    """`function` with `around` around it; the same kind of function, with its name and signature.

    Raises:
        TypeError: Not a function or method.
    """
    if not callable(function) or isinstance(function, type | staticmethod | classmethod):
        raise TypeError(
            f"{what} decorates functions and methods, got {type(function).__name__}; "
            "put it below @staticmethod and @classmethod, and on a method instead of a class"
        )
    if inspect.isasyncgenfunction(function):
        wrapper = _async_generator(around, function)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(around, function)
    elif inspect.iscoroutinefunction(function):
        wrapper = _coroutine(around, function)
    else:
        wrapper = _function(around, function)
    return cast(Callable[P, R], functools.wraps(function)(wrapper))


def _function(around: Around, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        state = around.begin(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            around.end(state, error)
            raise
        if hasattr(type(result), "__await__") and not _is_more(result):
            return _until_awaited(around, state, result)
        return around.result(state, result)

    return call


def _coroutine(around: Around, function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        state = around.begin(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            around.end(state, error)
            raise
        return around.result(state, result)

    return call


def _generator(around: Around, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        # The body runs in a context of its own: its caller never sees the run between two items, and what the body
        # itself makes current survives from item to item, in whatever thread the next one is asked for.
        context = copy_context()
        state = context.run(around.begin, args, kwargs)
        try:
            result = yield from _Steps(context, function(*args, **kwargs), functools.partial(around.each, state))
        except BaseException as error:
            context.run(around.end, state, error)
            raise
        context.run(around.end, state, None)
        return result

    return call


def _async_generator(around: Around, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        context = copy_context()
        state = context.run(around.begin, args, kwargs)
        body = function(*args, **kwargs)
        try:
            step: Any = _first(body)
            while True:
                try:
                    item = await Awaited(context, step)
                except StopAsyncIteration:
                    break
                around.each(state, item)
                try:
                    step = body.asend((yield item))
                except GeneratorExit:
                    await Awaited(context, body.aclose())
                    raise
                except BaseException as error:
                    step = body.athrow(error)
        except BaseException as error:
            context.run(around.end, state, error)
            raise
        context.run(around.end, state, None)

    return call


def _first(body: AsyncGenerator[Any, Any]) -> Any:
    """The first step of `body`, which the event loop does not get to know.

    At its end a loop closes all generators it knows, at once: the body, too, while the one around it is closing it.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return body.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


class _Steps(Generator[Any, Any, Any]):
    """A generator or an awaitable's iterator, each step of which runs in `context`."""

    __slots__ = ("context", "each", "steps")

    def __init__(self, context: Context, steps: Any, each: Callable[[Any], None] | None = None) -> None:
        self.context, self.steps, self.each = context, steps, each

    def send(self, value: Any) -> Any:
        item = self.context.run(self.steps.send, value)
        if self.each is not None:
            self.each(item)
        return item

    def throw(self, *error: Any) -> Any:
        item = self.context.run(self.steps.throw, *error)
        if self.each is not None:
            self.each(item)
        return item

    def close(self) -> None:
        self.context.run(self.steps.close)


class Awaited:
    """Awaits `awaitable` with each of its steps in `context`."""

    __slots__ = ("awaitable", "context")

    def __init__(self, context: Context, awaitable: Any) -> None:
        self.context, self.awaitable = context, awaitable

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from _Steps(self.context, self.awaitable))


def _is_more(awaitable: Any) -> bool:
    """Whether its caller may do more than await it: enter it, iterate over it, ask for its attributes.

    Such a thing (an HTTP client's request, a query that is built by chained calls) goes back as it is: no stand-in of
    ours would do all that it does. A coroutine can only be awaited, and a future is watched, not replaced.
    """
    if isinstance(awaitable, Coroutine):
        return hasattr(awaitable, "__aenter__")
    if hasattr(awaitable, "add_done_callback"):
        return False
    return any(not name.startswith("_") or name in ("__aenter__", "__aiter__") for name in dir(awaitable))


def _until_awaited(around: Around, state: Any, result: Awaitable[Any]) -> Any:
    """A plain function returned an awaitable: it is done when that is, and current only inside it."""
    around.suspend(state)
    if hasattr(result, "add_done_callback"):
        # A Task or Future: handed back as it is, for callers compare and cancel it.
        result.add_done_callback(functools.partial(_done, around, state))
        return result
    suspended = [state]
    awaiting = _awaiting(around, suspended, result)
    # A task that is cancelled before its first step, or a coroutine that is thrown away, never gets to its own end.
    weakref.finalize(awaiting, _never_begun, around, suspended)
    return awaiting


def _done(around: Around, state: Any, future: Any) -> None:
    if future.cancelled():
        import asyncio  # whoever has a future has it loaded

        around.close(state, asyncio.CancelledError())
    else:
        # Not `exception()`: it marks the exception as seen, and nobody would hear of one that was never retrieved.
        around.close(state, getattr(future, "_exception", None))


async def _awaiting(around: Around, suspended: list[Any], awaitable: Awaitable[Any]) -> Any:
    state = around.resume(suspended.pop())
    try:
        result = await awaitable
    except BaseException as error:
        around.end(state, error)
        raise
    return around.result(state, result)


def _never_begun(around: Around, suspended: list[Any]) -> None:
    if suspended:
        around.close(suspended.pop(), GeneratorExit())
