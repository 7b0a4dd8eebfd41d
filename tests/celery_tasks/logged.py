"""The same application with the run on every line of its workers' logs."""

import logging
import sys

from celery.signals import setup_logging

from botanu import RunIdFilter
from tests.celery_tasks.tasks import app

__all__ = ["app"]


@setup_logging.connect
def log(**_):
    """All processes of a worker."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RunIdFilter())
    handler.setFormatter(logging.Formatter("%(processName)s %(run_id)s %(workflow)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
