"""A client's stream, read by its caller as ever, while its call stays open until it is really over."""

from collections.abc import Callable
from typing import Any

from botanu_core.tracking.llm import LLMTracker

__all__ = ["tracked_stream"]

Note = Callable[[LLMTracker, Any], None] | None


def tracked_stream(result: Any, tracker: LLMTracker, note: Note) -> Any:
    """`result` watched, if it is a stream: an iterator or async iterator; else `None`.

    What comes back says it is of the stream's own class and hands every attribute on to it.
    """
    kind = type(result)
    if hasattr(kind, "__anext__"):
        return _AsyncStream(result, tracker, note)
    if hasattr(kind, "__next__"):
        return _Stream(result, tracker, note)
    return None


class _Watched:
    """What the two kinds of stream share: looking like the stream, and ending the call once."""

    def __init__(self, stream: Any, tracker: LLMTracker, note: Note) -> None:
        self._botanu_stream, self._botanu_tracker, self._botanu_note = stream, tracker, note

    @property  # type: ignore[misc]  # so that isinstance() sees the client's own class
    def __class__(self) -> type:
        return type(self._botanu_stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._botanu_stream, name)

    def _seen(self, item: Any) -> Any:
        if self._botanu_note is not None:
            self._botanu_note(self._botanu_tracker, item)
        return item

    def __del__(self) -> None:
        # Dropped half-way: the call ends with what was seen of it.
        self._botanu_tracker.finish()


class _Stream(_Watched):
    def __iter__(self) -> "_Stream":
        return self

    def __next__(self) -> Any:
        try:
            return self._seen(next(self._botanu_stream))
        except StopIteration:
            self._botanu_tracker.finish()
            raise
        except BaseException as error:
            self._botanu_tracker.finish(error)
            raise

    def __enter__(self) -> "_Stream":
        if hasattr(self._botanu_stream, "__enter__"):
            self._botanu_stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        self._botanu_tracker.finish(error[1])
        leave = getattr(self._botanu_stream, "__exit__", None)
        return leave(*error) if leave is not None else None

    def close(self) -> None:
        """Close the client's stream and end the call."""
        self._botanu_tracker.finish()
        close = getattr(self._botanu_stream, "close", None)
        if close is not None:
            close()


class _AsyncStream(_Watched):
    def __aiter__(self) -> "_AsyncStream":
        return self

    async def __anext__(self) -> Any:
        try:
            return self._seen(await self._botanu_stream.__anext__())
        except StopAsyncIteration:
            self._botanu_tracker.finish()
            raise
        except BaseException as error:
            self._botanu_tracker.finish(error)
            raise

    async def __aenter__(self) -> "_AsyncStream":
        if hasattr(self._botanu_stream, "__aenter__"):
            await self._botanu_stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        self._botanu_tracker.finish(error[1])
        leave = getattr(self._botanu_stream, "__aexit__", None)
        return await leave(*error) if leave is not None else None

    async def close(self) -> None:
        """Close the client's stream and end the call."""
        self._botanu_tracker.finish()
        close = getattr(self._botanu_stream, "close", None) or getattr(self._botanu_stream, "aclose", None)
        if close is not None:
            await close()

    async def aclose(self) -> None:
        """The same, as async generators spell it."""
        await self.close()
