"""The response header that carries the run's id."""

from collections.abc import Iterable
from typing import Final

from botanu_core.web.options import WebOptions

__all__ = ["EXPOSE", "exposing", "with_run"]

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
