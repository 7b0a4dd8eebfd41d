"""The setting ``BOTANU``: read when the middleware is made, and again when a test overrides it."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed

from botanu_core.adapter import ConfigError, Problem, WebOptions, problems_of

__all__ = ["NAME", "Configured", "problems"]

NAME: Final = "BOTANU"


def _given() -> Any:
    return getattr(settings, NAME, None)


def problems() -> Iterator[Problem]:
    """What is wrong with the setting; nothing where all is well, or nothing is set."""
    given = _given()
    if given is None:
        return
    if isinstance(given, dict):
        yield from problems_of({str(name): value for name, value in given.items()})
    else:
        yield Problem(
            "", f"{NAME} must be a dict of options, such as {{'workflow': 'Shop'}}, got {type(given).__name__}"
        )


class Configured:
    """The options of one middleware, as the setting is now: Django says when a test overrides it.

    Raises:
        ConfigError: The setting is wrong.
    """

    def __init__(self) -> None:
        self.options = _options()
        setting_changed.connect(self._look_again)

    def _look_again(self, setting: str, **_: Any) -> None:
        if setting == NAME:
            self.options = _options()


def _options() -> WebOptions:
    if found := list(problems()):
        raise ConfigError("; ".join(problem.text for problem in found))
    return WebOptions.of(_given() or {})
