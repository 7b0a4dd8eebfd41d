"""Botanu for LangChain and LangGraph: ``callbacks=[BotanuCallbackHandler()]``, or `install()` for all of them.

Every model, tool and retriever call becomes a span and at most one ledger entry. Spans have the parents that
LangChain's own ids say; nothing is made current between two callbacks, which it may call in different contexts.
"""

from contextvars import ContextVar
from typing import Any, Final

from langchain_core.tracers import context as _hooks

from botanu_langchain._handler import BotanuCallbackHandler

__all__ = ["BotanuCallbackHandler", "install", "uninstall"]

_installed: Final[list[ContextVar[Any]]] = []


def install(**options: Any) -> BotanuCallbackHandler:
    """Register a handler for everything that LangChain runs in this process; no call site changes.

    A handler of ours that a call brings itself takes the place of the installed one. Twice counts once.

    Args:
        options: As `BotanuCallbackHandler` takes them.

    Returns:
        The handler.

    Raises:
        ConfigError: An option is wrong.
    """
    if _installed:
        return _installed[0].get()  # type: ignore[no-any-return]  # its default, below
    handler = BotanuCallbackHandler(**options)
    variable: ContextVar[Any] = ContextVar("botanu_langchain", default=handler)
    _installed.append(variable)
    _hooks.register_configure_hook(variable, inheritable=True, handle_class=BotanuCallbackHandler)
    return handler


def uninstall() -> None:
    """Undo `install`; what is open is ended by its own calls."""
    while _installed:
        variable = _installed.pop()
        _hooks._configure_hooks[:] = [hook for hook in _hooks._configure_hooks if hook[0] is not variable]
