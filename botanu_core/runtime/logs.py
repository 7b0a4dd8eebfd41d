"""The run on log records."""

import logging
from collections.abc import Mapping

from botanu_core.runtime.context import RunContext
from botanu_core.runtime.current import current_run
from botanu_core.runtime.propagator import SCOPE_KEY

__all__ = ["RunIdFilter"]


class RunIdFilter(logging.Filter):
    """Puts ``run_id``, ``workflow`` and ``customer_id`` on every log record; add it to a handler or a logger.

    ``logging.Formatter("%(asctime)s %(run_id)s %(workflow)s %(message)s")``. What a record has already (from
    ``extra=``, or from the thread that logged it) stays.

    Args:
        default: What stands there outside a run and where the run does not say; a text, so that formats hold.
    """

    def __init__(self, default: str = "-") -> None:
        super().__init__()
        self._default = default

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record pass."""
        run = current_run() or _run_of_request(record)
        known = record.__dict__
        known.setdefault("run_id", run.run_id if run is not None else self._default)
        known.setdefault("workflow", run.workflow or self._default if run is not None else self._default)
        known.setdefault("customer_id", run.customer_id or self._default if run is not None else self._default)
        return True


def _run_of_request(record: logging.LogRecord) -> RunContext | None:
    """The run of a request that `record` is about: Django logs a 4xx when all middleware has returned."""
    environ = getattr(getattr(record, "request", None), "META", None)
    run = environ.get(SCOPE_KEY) if isinstance(environ, Mapping) else None
    return run if isinstance(run, RunContext) else None
