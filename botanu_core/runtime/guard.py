"""Telemetry never breaks the host."""

from botanu_core.log import warn_once

__all__ = ["failed", "strict"]


class _Mode:
    strict = False


_mode = _Mode()


def strict(on: bool) -> None:
    """Let `failed` re-raise. For tests: what production swallows, a test must see."""
    _mode.strict = on


def failed(where: str, error: BaseException) -> None:
    """Called in every ``except`` around code of ours that runs inside the application's.

    Args:
        where: Short, fixed name of the place.
        error: What was raised. Its text may quote user data and is not logged.
    """
    if _mode.strict:
        raise error
    warn_once(f"failed.{where}", "telemetry failed in %s; the application goes on without it", where, error=error)
