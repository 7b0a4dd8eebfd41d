"""A client's stream, read by its caller as ever, while its call stays open until it is really over."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from botanu_core.model.report import get
from botanu_core.pricing import UnpricedModel
from botanu_core.tracking.llm import LLMTracker

__all__ = ["tracked_stream"]

Note = Callable[[LLMTracker, Any], None] | None


def tracked_stream(result: Any, tracker: LLMTracker, note: Note) -> Any:
    """`result` watched, if it is a stream: an iterator, an async iterator, or what is entered for one; else `None`.

    What comes back says it is of the stream's own class and hands every attribute on to it.
    """
    # As `isinstance` sees it: instrumentations wrap both kinds of stream in one class, which shows that of the stream.
    kind = getattr(result, "__class__", None) or type(result)
    if hasattr(kind, "__anext__") and hasattr(kind, "__next__"):
        return _EitherStream(result, tracker, note)
    if hasattr(kind, "__anext__"):
        return _AsyncStream(result, tracker, note)
    if hasattr(kind, "__next__"):
        return _Stream(result, tracker, note)
    # A stream manager (`client.messages.stream(…)`) asks the provider when it is entered, not before. What can be
    # closed or iterated is no manager but a response.
    if (hasattr(kind, "__enter__") or hasattr(kind, "__aenter__")) and not _RESPONSE_LIKE.intersection(dir(kind)):
        return _Manager(result, tracker, note)
    return None


_RESPONSE_LIKE: Final = frozenset(("close", "aclose", "__iter__", "__aiter__", "__getitem__", "__call__", "__await__"))


class _Watched:
    """What the two kinds of stream share: looking like the stream, and ending the call once."""

    def __init__(self, stream: Any, tracker: LLMTracker, note: Note) -> None:
        self._botanu_stream, self._botanu_tracker, self._botanu_note = stream, tracker, note

    @property  # type: ignore[misc]  # so that isinstance() sees the client's own class
    def __class__(self) -> type:
        return type(self._botanu_stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._botanu_stream, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Copied or pickled it is what the client's own stream would be.
        return self._botanu_stream.__reduce_ex__(protocol)

    def _seen(self, item: Any) -> Any:
        if self._botanu_note is not None:
            self._botanu_note(self._botanu_tracker, item)
        return item

    def _over(self, error: BaseException | None = None) -> None:
        if self._botanu_note is not None:
            # What the client itself has put together: `text_stream` and its like do not pass by here.
            whole = get(self._botanu_stream, "current_message_snapshot", "current_completion_snapshot")
            if whole is not None:
                self._botanu_note(self._botanu_tracker, whole)
            self._botanu_tracker.set_stream_over()
        self._botanu_tracker.finish(error)

    def __del__(self) -> None:
        # Dropped half-way: the call ends with what was seen of it. Nobody would hear of an unknown price.
        with suppress(UnpricedModel):
            self._over()


class _Stream(_Watched):
    def __init__(self, stream: Any, tracker: LLMTracker, note: Note) -> None:
        super().__init__(stream, tracker, note)
        self._botanu_pieces = stream if hasattr(type(stream), "__next__") else iter(stream)

    def __iter__(self) -> "_Stream":
        return self

    def __next__(self) -> Any:
        try:
            return self._seen(next(self._botanu_pieces))
        except StopIteration:
            self._over()
            raise
        except BaseException as error:
            self._over(error)
            raise

    def __enter__(self) -> "_Stream":
        if hasattr(self._botanu_stream, "__enter__"):
            self._botanu_stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        self._over(error[1])
        leave = getattr(self._botanu_stream, "__exit__", None)
        return leave(*error) if leave is not None else None

    def close(self) -> None:
        """Close the client's stream and end the call."""
        self._over()
        close = getattr(self._botanu_stream, "close", None)
        if close is not None:
            close()


class _AsyncStream(_Watched):
    def __init__(self, stream: Any, tracker: LLMTracker, note: Note) -> None:
        super().__init__(stream, tracker, note)
        self._botanu_pieces = stream if hasattr(type(stream), "__anext__") else aiter(stream)

    def __aiter__(self) -> "_AsyncStream":
        return self

    async def __anext__(self) -> Any:
        try:
            return self._seen(await self._botanu_pieces.__anext__())
        except StopAsyncIteration:
            self._over()
            raise
        except BaseException as error:
            self._over(error)
            raise

    async def __aenter__(self) -> "_AsyncStream":
        if hasattr(self._botanu_stream, "__aenter__"):
            await self._botanu_stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        self._over(error[1])
        leave = getattr(self._botanu_stream, "__aexit__", None)
        return await leave(*error) if leave is not None else None

    async def close(self) -> None:
        """Close the client's stream and end the call."""
        self._over()
        close = getattr(self._botanu_stream, "close", None) or getattr(self._botanu_stream, "aclose", None)
        closing = close() if close is not None else None
        if closing is not None:
            await closing

    async def aclose(self) -> None:
        """The same, as async generators spell it."""
        await self.close()


class _EitherStream(_Stream, _AsyncStream):
    """What an instrumentation wraps around a stream of either kind without showing which it is."""

    def __init__(self, stream: Any, tracker: LLMTracker, note: Note) -> None:
        _Watched.__init__(self, stream, tracker, note)
        self._botanu_pieces = stream

    def close(self) -> Any:
        """Close the stream and end the call; to be awaited where the stream's own is."""
        self._over()
        close = getattr(self._botanu_stream, "close", None)
        return close() if close is not None else None

    async def aclose(self) -> None:
        """The same, as async generators spell it."""
        closing = self.close()
        if closing is not None:
            await closing


class _Manager(_Watched):
    """What is entered for a stream: the call lasts until it is left."""

    _botanu_entered: _Watched | None = None

    def _over(self, error: BaseException | None = None) -> None:
        if self._botanu_entered is not None:
            self._botanu_entered._over(error)
        else:
            self._botanu_tracker.finish(error)

    def _enter(self, stream: Any) -> Any:
        # Kept, so that the call does not end where the caller keeps only the stream's text.
        self._botanu_entered = tracked_stream(stream, self._botanu_tracker, self._botanu_note)
        return stream if self._botanu_entered is None else self._botanu_entered

    def __enter__(self) -> Any:
        self._botanu_tracker.attach()
        try:
            return self._enter(self._botanu_stream.__enter__())
        except BaseException as error:
            self._over(error)
            raise
        finally:
            self._botanu_tracker.detach()

    def __exit__(self, *error: Any) -> Any:
        self._over(error[1])
        return self._botanu_stream.__exit__(*error)

    async def __aenter__(self) -> Any:
        self._botanu_tracker.attach()
        try:
            return self._enter(await self._botanu_stream.__aenter__())
        except BaseException as error:
            self._over(error)
            raise
        finally:
            self._botanu_tracker.detach()

    async def __aexit__(self, *error: Any) -> Any:
        self._over(error[1])
        return await self._botanu_stream.__aexit__(*error)
