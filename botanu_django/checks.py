"""What ``manage.py check`` says about Botanu, by ids that ``SILENCED_SYSTEM_CHECKS`` takes.

``botanu.E001``: the setting ``BOTANU`` is no dict. ``botanu.E002``: it has an option that there is not.
``botanu.E003``: an option has a value that it cannot have. ``botanu.W001``: the middleware is missing.
``botanu.W002``: the middleware is listed twice.
"""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from botanu_core.adapter import OPTIONS
from botanu_django import RunMiddleware
from botanu_django._settings import NAME, problems

__all__ = ["check_middleware", "check_options"]

_PATH = f"{RunMiddleware.__module__}.{RunMiddleware.__qualname__}"


def check_options(**_: Any) -> list[CheckMessage]:
    """Every mistake in the setting, with its mend; the server would not start with it."""
    found: list[CheckMessage] = []
    for problem in problems():
        number = "E001" if not problem.option else "E003" if problem.option in OPTIONS else "E002"
        text, *mend = problem.text.split("; ", 1)
        found.append(Error(text, hint=mend[0] if mend else None, obj=f"settings.{NAME}", id=f"botanu.{number}"))
    return found


def check_middleware(**_: Any) -> list[CheckMessage]:
    """The middleware is there, once; a subclass counts."""
    count = sum(map(_is_ours, settings.MIDDLEWARE))
    if count == 0:
        hint = f'Put "{_PATH}" first in MIDDLEWARE.'
        return [Warning("Requests have no run: the middleware is not in MIDDLEWARE.", hint=hint, id="botanu.W001")]
    if count > 1:
        hint = f'Leave one "{_PATH}" in MIDDLEWARE; the first does all the work.'
        return [Warning(f"The middleware is in MIDDLEWARE {count} times.", hint=hint, id="botanu.W002")]
    return []


def _is_ours(path: str) -> bool:
    if path == _PATH:
        return True
    try:
        found = import_string(path)
    except Exception:
        return False  # Django says so itself
    return isinstance(found, type) and issubclass(found, RunMiddleware)
