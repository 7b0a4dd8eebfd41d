"""Response bodies that outlive the call which made them: chunks are made inside the run, and the last one ends it."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from itertools import repeat
from typing import Any, Final, Self, TypeVar

from botanu_core.runtime.around import Awaited
from botanu_core.web.exchange import Exchange

__all__ = ["AsyncBody", "Body", "SizedBody", "body_of"]

T = TypeVar("T")
_OVER: Final = object()


def body_of(
    exchange: Exchange, body: Iterable[T], context: Context | None = None, length: int | None = None
) -> "Body[T]":
    """`body` inside the run of `exchange`, which ends with whichever is first: the last chunk, an exception, `close`.

    Args:
        exchange: It is told of the end.
        body: What the application returned.
        context: In which the chunks are made; without one a copy of the current, the run being current there.
        length: Of the body in bytes, where the response says it: so many are all of it, whether more is asked or not.
    """
    return (SizedBody if hasattr(body, "__len__") else Body)(exchange, body, context, length)


async def _next(steps: AsyncIterator[T]) -> T:
    return await anext(steps)  # which need be no coroutine


async def _ended(close: Callable[[], Awaitable[object]]) -> None:
    await close()


def _all_out(exchange: Exchange) -> None:
    exchange.is_complete = exchange.status != 0  # a body without a response is none
    exchange.ended()


class Body(Iterator[T]):
    """A sync body. Its steps share a context: what it makes current stays its own, in whatever thread it is asked."""

    __slots__ = ("_context", "_exchange", "_given", "_is_closed", "_left", "_steps")

    def __init__(
        self, exchange: Exchange, body: Iterable[T], context: Context | None = None, length: int | None = None
    ) -> None:
        self._exchange, self._given, self._left = exchange, body, length
        self._context = copy_context() if context is None else context
        self._steps: Iterator[T] | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[T]:
        # It is not kept here: in a cycle it would not end before the collector finds it.
        return self._all() if self._left is None else self._counted()

    def _all(self) -> Iterator[T]:
        try:
            # Streams have many small chunks: nothing of Python stands between the server and each.
            yield from map(self._context.run, repeat(next), repeat(self._begun()))
        except GeneratorExit:
            self._is_left()
            raise
        except BaseException as error:
            self._exchange.ended(error)
            raise
        _all_out(self._exchange)

    def _counted(self) -> Iterator[T]:
        try:
            for chunk in map(self._context.run, repeat(next), repeat(self._begun())):
                if isinstance(chunk, bytes) and self._left is not None:
                    self._left -= len(chunk)
                    if self._left <= 0:
                        # Test clients take what they need, and may never come back for the end.
                        _all_out(self._exchange)
                yield chunk
        except GeneratorExit:
            self._is_left()
            raise
        except BaseException as error:
            self._exchange.ended(error)
            raise
        _all_out(self._exchange)

    def __next__(self) -> T:
        try:
            item = self._context.run(next, self._begun(), _OVER)
        except BaseException as error:
            self._exchange.ended(error)
            raise
        if item is _OVER:
            _all_out(self._exchange)
            raise StopIteration
        return item  # type: ignore[return-value]  # it is not the sentinel

    def _begun(self) -> Iterator[T]:
        if self._steps is None:
            self._steps = self._context.run(iter, self._given)
        return self._steps

    def _is_left(self) -> None:
        if self._exchange.run.ended:
            return
        is_whole = self._left is not None and self._left <= 0 and self._exchange.status != 0
        self._exchange.finish("canceled" if self._exchange.has_body and not is_whole else None)

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
        self._is_left()


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
