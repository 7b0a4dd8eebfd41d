"""Response bodies that outlive the call which made them: chunks are made inside the run, and the last one ends it."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any, Final, Self, TypeVar

from botanu_core.runtime.around import Awaited
from botanu_core.web.exchange import Exchange

__all__ = ["AsyncBody", "Body", "SizedBody", "body_of"]

T = TypeVar("T")
_OVER: Final = object()


def body_of(exchange: Exchange, body: Iterable[T]) -> "Body[T]":
    """`body` inside the run of `exchange`. Called while the run is current.

    The run ends with whichever is first: the last chunk, an exception, or `close`.
    """
    return (SizedBody if hasattr(body, "__len__") else Body)(exchange, body)


async def _next(steps: AsyncIterator[T]) -> T:
    return await anext(steps)  # which need be no coroutine


async def _ended(close: Callable[[], Awaitable[object]]) -> None:
    await close()


def _all_out(exchange: Exchange) -> None:
    exchange.is_complete = exchange.status != 0  # a body without a response is none
    exchange.ended()


class Body(Iterator[T]):
    """A sync body. Its steps share a context: what it makes current stays its own, in whatever thread it is asked."""

    __slots__ = ("_context", "_exchange", "_given", "_is_closed", "_steps")

    def __init__(self, exchange: Exchange, body: Iterable[T]) -> None:
        self._exchange, self._given = exchange, body
        self._context = copy_context()
        self._steps: Iterator[T] | None = None
        self._is_closed = False

    def __next__(self) -> T:
        try:
            if self._steps is None:
                self._steps = self._context.run(iter, self._given)
            item = self._context.run(next, self._steps, _OVER)
        except BaseException as error:
            self._exchange.ended(error)
            raise
        if item is _OVER:
            _all_out(self._exchange)
            raise StopIteration
        return item  # type: ignore[return-value]  # it is not the sentinel

    def close(self) -> None:
        """The server wants no more: before the last chunk that means that nobody does. The inner `close` runs once.

        Of an answer that has no body, servers may ask for none: that is no sign of anybody having left.
        """
        if self._is_closed:
            return
        self._is_closed = True
        inner = getattr(self._given, "close", None)
        try:
            if inner is not None:
                self._context.run(inner)
        except BaseException as error:
            self._exchange.ended(error)
            raise
        self._exchange.finish("canceled" if self._exchange.has_body else None)


class SizedBody(Body[T]):
    """A body with a length, which servers ask for to send ``Content-Length``."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._given)  # type: ignore[arg-type]  # `body_of` has looked


class AsyncBody(AsyncIterator[T]):
    """An async body. Made while the run is current; each step runs in a copy of that context."""

    __slots__ = ("_context", "_exchange", "_given", "_steps")

    def __init__(self, exchange: Exchange, body: AsyncIterable[T]) -> None:
        self._exchange, self._given = exchange, body
        self._context: Context = copy_context()
        self._steps: Any = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            if self._steps is None:
                self._steps = self._context.run(aiter, self._given)
            item: T = await Awaited(self._context, _next(self._steps))
        except StopAsyncIteration:
            _all_out(self._exchange)
            raise
        except BaseException as error:
            self._exchange.ended(error)
            raise
        return item

    async def aclose(self) -> None:
        """Nobody wants more of it."""
        inner = getattr(self._steps if self._steps is not None else self._given, "aclose", None)
        try:
            if inner is not None:
                await Awaited(self._context, _ended(inner))
        except BaseException as error:
            self._exchange.ended(error)
            raise
        self._exchange.finish("canceled" if self._exchange.has_body else None)
