"""Requests that are told by a WSGI environ: those of WSGI frameworks, and of Django, whose ``META`` is one."""

import io
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, Self

from opentelemetry import propagate
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import Getter

from botanu_core import semconv as sc
from botanu_core.runtime import guard
from botanu_core.runtime.accept import propagation_fields
from botanu_core.runtime.propagator import SCOPE_KEY, others
from botanu_core.web.exchange import Exchange, is_excluded, is_preflight
from botanu_core.web.options import WebOptions
from botanu_core.wire.carrier import from_environ

__all__ = ["EnvironExchange", "bodiless"]

_ASGI_SCOPE: Final = "asgi.scope"  # where a2wsgi keeps it, by which FastAPI and Starlette mount WSGI applications

Environ = MutableMapping[str, Any]


class EnvironExchange(Exchange):
    """An exchange whose request is an environ; `opened` makes one. A framework adds `native` and `route`.

    Attributes:
        environ: Of the request.
    """

    __slots__ = ("environ",)

    def __init__(self, options: WebOptions, environ: Environ) -> None:
        self.environ = environ
        path = _path(environ.get("SCRIPT_NAME", "")) + _path(environ.get("PATH_INFO", ""))
        super().__init__(options, environ, from_environ(environ), environ["REQUEST_METHOD"], path)

    @classmethod
    def opened(
        cls, options: WebOptions, environ: Environ, native: Callable[[Environ], object], *more: Any
    ) -> Self | None:
        """The exchange that begins with `environ`; `None` for what has a run already, shall have none, or cannot.

        Args:
            options: Of the adapter.
            environ: Of the request.
            native: Makes the framework's request of it, for the functions that `exclude` holds.
            more: What the framework's exchange is made of besides.
        """
        if SCOPE_KEY in environ or SCOPE_KEY in environ.get(_ASGI_SCOPE, ()):
            return None
        try:
            if options.excludes and is_excluded(options, _path(environ["PATH_INFO"]), lambda: native(environ)):
                return None
            if environ["REQUEST_METHOD"] == "OPTIONS" and is_preflight("OPTIONS", lambda name: _key(name) in environ):
                return None
            return cls(options, environ, *more)
        except Exception as failure:
            guard.failed(cls.framework, failure)
            return None

    def extracted(self) -> Context:
        """The current context, with what the global propagator reads off the environ."""
        context = get_current()
        fields = propagation_fields()
        if fields is not _names.fields:
            _names.fields, _names.keys = fields, tuple(_key(each.decode("latin-1")) for each in fields)
        if self.environ.keys().isdisjoint(_names.keys):
            return context
        try:
            return propagate.extract(self.environ, context, _GETTER)
        except Exception as error:
            guard.failed("extract", error)
            return context


def bodiless(environ: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `environ` whose body is empty: a function of the application cannot take it away, nor wait for it."""
    return {**environ, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}


def _path(text: str) -> str:
    """A path as text. WSGI holds its bytes, each as one character; where it is text already, it stays."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


class _Names:
    """What the fields of the global propagator are called in an environ; worked out once for each propagator."""

    fields: frozenset[bytes] = frozenset()
    keys: tuple[str, ...] = ()


_names: Final = _Names()


class _EnvironGetter(Getter[Mapping[str, Any]]):
    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get(_key(key))
        if not isinstance(value, str):
            return None
        # What is ours has been read: `accept` decides about it, and nobody else has to parse it or complain.
        return [others(value) if key == sc.BAGGAGE_HEADER else value]

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return [key[5:].replace("_", "-").lower() for key in carrier if key.startswith("HTTP_")]


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


_GETTER: Final = _EnvironGetter()
