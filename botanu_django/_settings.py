"""The setting ``BOTANU``: read when it is needed, and again when it has changed."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings

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
    """The options of one middleware.

    Raises:
        ConfigError: The setting is wrong.
    """

    def __init__(self) -> None:
        self._read = (_given(), _options())

    def options(self) -> WebOptions:
        """As the setting is now: `override_settings` takes effect, and a mistake in it none."""
        given, options = self._read
        now = _given()
        if now is not given:
            try:
                options = _options()
            finally:
                self._read = (now, options)
        return options


def _options() -> WebOptions:
    if found := list(problems()):
        raise ConfigError("; ".join(problem.text for problem in found))
    return WebOptions.of(_given() or {})
