"""The response header that carries the run's id, and request headers as WSGI writes them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry import propagate
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import Getter

from botanu_core import semconv as sc
from botanu_core.runtime import guard
from botanu_core.runtime.accept import propagation_fields
from botanu_core.runtime.propagator import others
from botanu_core.web.options import WebOptions

__all__ = ["EXPOSE", "exposing", "extracted_from_environ", "with_run"]

EXPOSE: Final = "Access-Control-Expose-Headers"


def with_run(headers: Iterable[tuple[str, str]], options: WebOptions, run_id: str) -> list[tuple[str, str]]:
    """Response headers with the run's id, once, and exposed to scripts of other origins where that is wanted.

    Args:
        headers: The application's; they are not written on.
        options: Of the adapter.
        run_id: Of the run that the spans carry.
    """
    name = options.response_header
    if name is None:
        return list(headers)
    kept = [pair for pair in headers if pair[0].lower() != name]
    kept.append((name, run_id))
    if options.expose_header:
        exposed = [value for other, value in kept if other.lower() == _EXPOSE]
        kept = [pair for pair in kept if pair[0].lower() != _EXPOSE]
        kept.append((EXPOSE, exposing(", ".join(exposed), name)))
    return kept


_EXPOSE: Final = EXPOSE.lower()


def exposing(existing: str | None, name: str) -> str:
    """The value of ``Access-Control-Expose-Headers`` with `name` in it, beside what the application exposes."""
    # Beside `*` too: of a request with credentials the star is an ordinary name.
    given = [each.strip() for each in (existing or "").split(",") if each.strip()]
    return ", ".join(given if name in (each.lower() for each in given) else [*given, name])


class _EnvironGetter(Getter[Mapping[str, Any]]):
    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get(_environ_name(key))
        if not isinstance(value, str):
            return None
        # What is ours has been read: `accept` decides about it, and nobody else has to parse it or complain.
        return [others(value) if key == sc.BAGGAGE_HEADER else value]

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return [key[5:].replace("_", "-").lower() for key in carrier if key.startswith("HTTP_")]


def _environ_name(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


_GETTER: Final = _EnvironGetter()


def extracted_from_environ(environ: Mapping[str, Any]) -> Context:
    """The current context, with what the global propagator reads off a WSGI environ or Django's ``request.META``."""
    context = get_current()
    fields = propagation_fields()
    if fields is not _names.fields:
        _names.fields, _names.keys = fields, tuple(_environ_name(each.decode("latin-1")) for each in fields)
    if not any(key in environ for key in _names.keys):
        return context
    try:
        return propagate.extract(environ, context, _GETTER)
    except Exception as error:
        guard.failed("extract", error)
        return context


class _Names:
    """What the fields of the global propagator are called in an environ; worked out once for each propagator."""

    fields: frozenset[bytes] = frozenset()
    keys: tuple[str, ...] = ()


_names: Final = _Names()
