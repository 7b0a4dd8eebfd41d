"""`Block`: what `event` and `step` share. One object serves as ``with``, ``async with`` and decorator.

It holds no state of a call: it may be entered again inside itself, and by many tasks and threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from botanu_core.runtime.around import decorated
from botanu_core.runtime.current import Activation, deactivate, innermost, reactivate

__all__ = ["Block"]

P = ParamSpec("P")
R = TypeVar("R")


class Block(ABC):
    """Something that is entered and left, however the code inside ends."""

    def __init__(self) -> None:
        # Only for blocks that are left in another context than they were entered in; see `_left`.
        self._open: dict[int, Activation] = {}

    @abstractmethod
    def begin(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Activation:
        """Begin; `args` and `kwargs` are those of the decorated function."""

    @abstractmethod
    def close(self, state: Activation, error: BaseException | None) -> None:
        """End, with the exception that passes through, if any; the activation need not be current any more."""

    @abstractmethod
    def _value(self, activation: Activation) -> Any:
        """What ``as`` binds."""

    # --- with, async with ---------------------------------------------------------------------------------------

    def __enter__(self) -> Any:
        activation = self.begin((), {})
        self._open[id(activation)] = activation
        return self._value(activation)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        activation = self._left()
        if activation is not None:
            self.end(activation, error)

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _left(self) -> Activation | None:
        activation = innermost(self)
        while activation is not None and id(activation) not in self._open:
            activation = activation.previous
        if activation is None and self._open:
            # Entered in another context: a framework ran the two halves of a generator in two threads. An object
            # made for one `with` has one activation open; of several, the newest is the likeliest.
            open_now = list(self._open.values())  # in one go: other threads enter and leave meanwhile
            activation = open_now[-1] if open_now else None
        return self._open.pop(id(activation), None) if activation is not None else None

    # --- decorator ----------------------------------------------------------------------------------------------

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, coroutine function, generator function or async generator function.

        Raises:
            TypeError: Not a function.
        """
        return decorated(function, self._decorating(function), type(self).__name__.lower())

    def _decorating(self, function: Callable[..., Any]) -> "Block":  # noqa: ARG002  # for those who know their function
        """The block to use for `function`."""
        return self

    def end(self, state: Activation, error: BaseException | None) -> None:
        """End, and make current what was so before."""
        try:
            self.close(state, error)
        finally:
            deactivate(state)

    def suspend(self, state: Activation) -> None:
        """Make current what was so before."""
        deactivate(state)

    def resume(self, state: Activation) -> Activation:
        """Make current again."""
        return reactivate(state)

    def each(self, state: Activation, item: Any) -> None:  # noqa: B027  # what every block does, unless it says otherwise
        """Items are none of a block's business."""

    def result(self, state: Activation, result: Any) -> Any:
        """End well."""
        self.end(state, None)
        return result
