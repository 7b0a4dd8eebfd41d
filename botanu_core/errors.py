"""What Botanu raises, at set-up and never in flight.

BotanuError
├── ConfigError     a setting is wrong; the message names it, what came, and the mend
└── MissingExtra    a library is not installed; the message is its `pip install` line
"""

__all__ = ["BotanuError", "ConfigError", "MissingExtra"]


class BotanuError(Exception):
    """The base of everything Botanu raises."""


class ConfigError(BotanuError, ValueError):
    """A setting is wrong. The message says what was wanted, what came, and the mend."""


class MissingExtra(BotanuError, ImportError):
    """A library that this feature stands on is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs a library that is not installed: pip install "botanu[{extra}]"')
