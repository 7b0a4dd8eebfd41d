"""How one service gives work to another: Celery, with messages and results in a directory, which needs no server."""

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

from celery import Celery
from celery.contrib.abortable import AbortableAsyncResult
from kombu.transport import TRANSPORT_ALIASES, filesystem

import botanu_celery

__all__ = ["Transport", "ask", "celery_app"]

_LOOK_S = 0.02


class _Channel(filesystem.Channel):
    """Messages appear whole: kombu's own writes them where a worker may already be reading."""

    def _put(  # type: ignore[override]  # of the two classes above, one says payload and the other message
        self, queue: str, payload: object, **_: object
    ) -> None:
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
        written = Path(self.control_folder, name)
        written.write_text(json.dumps(payload), encoding="utf-8")
        written.rename(Path(self.data_folder_out, name))


class Transport(filesystem.Transport):
    """A directory of messages."""

    Channel = _Channel


TRANSPORT_ALIASES["directory"] = f"{__name__}:Transport"


def celery_app(directory: str) -> Celery:
    """The application of a publisher or a worker; runs go along in either."""
    queue = Path(directory)
    for name in ("messages", "control", "results"):
        (queue / name).mkdir(parents=True, exist_ok=True)
    app = Celery("demo", broker="directory://", backend=f"file://{queue}/results", set_as_current=False)
    app.conf.update(
        broker_transport_options={
            "data_folder_in": str(queue / "messages"),
            "data_folder_out": str(queue / "messages"),
            "control_folder": str(queue / "control"),
            "polling_interval": _LOOK_S,
        },
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    botanu_celery.install(app)
    return app


async def ask(app: Celery, task: str, **arguments: object) -> Any:
    """Publish a task and wait for what it returns, or raise what it raised; whoever is no longer asked may stop."""
    published = await asyncio.to_thread(app.send_task, task, kwargs=arguments)
    result = AbortableAsyncResult(published.id, app=app)
    try:
        while not result.ready():  # noqa: ASYNC110 - a directory calls nobody
            await asyncio.sleep(_LOOK_S)
    except asyncio.CancelledError:
        result.abort()
        raise
    return result.get()
