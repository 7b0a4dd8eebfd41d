"""The same application on a schedule, with a run that somebody has left open at import."""

import botanu
from tests.celery_tasks.tasks import app, where

__all__ = ["app"]

app.conf.beat_schedule = {"often": {"task": where.name, "schedule": 0.3}}
left_open = botanu.event(workflow="Import", event_id="never ends").__enter__()
