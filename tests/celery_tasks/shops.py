"""An application that publishes to a real broker, its workers, and what of them arrives at a receiver."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from celery import Celery, signature

import botanu_celery
from demo.receiver import LogEvent, Receiver, Span
from tests.celery_tasks.brokers import RabbitMQ, Redis, Worker, worker

__all__ = ["POOLS", "TASKS", "WITHIN_S", "Place", "Shop", "completions", "entries", "got", "responses", "shop_on"]

WITHIN_S = 300
"""A process for each of 200 tasks takes half of that on a machine that has much else to do."""
POOLS = {
    "prefork": ("--pool", "prefork", "--concurrency", "4"),
    "threads": ("--pool", "threads", "--concurrency", "4"),
    "solo": ("--pool", "solo"),
    "gevent": ("--pool", "gevent", "--concurrency", "10"),
    "eventlet": ("--pool", "eventlet", "--concurrency", "10"),
}
TASKS = "tests.celery_tasks.tasks"


class Shop:
    """A broker, and an application that publishes to it."""

    def __init__(self, broker: str, backend: str, queue: str = "shop-tasks") -> None:
        self.broker, self.backend, self.queue = broker, backend, queue
        self.app = Celery("shop", broker=broker, backend=backend)
        self.app.conf.update(
            task_default_queue=queue, broker_transport_options={"confirm_publish": broker.startswith("amqp")}
        )

    def close(self) -> None:
        """Let go of all connections."""
        if self.backend.startswith("redis"):
            self.app.backend.client.close()
        self.app.close()

    def task(self, name: str, *args: object, **options: object) -> Any:
        """The signature of a task, which is known by name only."""
        return signature(f"{TASKS}.{name}", args=args, app=self.app, **options)

    def worker(
        self, *options: str, receiver: Receiver | None = None, **variables: str
    ) -> AbstractContextManager[Worker]:
        """A worker of this shop while the block lasts."""
        if receiver is not None:
            variables |= {"SHOP_ENABLE": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
        name = ("--hostname", f"{self.queue}@localhost")  # of two with the same name RabbitMQ takes one
        return worker(
            self.broker, *name, *options, **{"SHOP_BACKEND": self.backend, "SHOP_QUEUE": self.queue, **variables}
        )


@contextmanager
def shop_on(broker: str, backend: str, queue: str = "shop-tasks") -> Iterator[Shop]:
    """A shop with nothing in its queue."""
    found = Shop(broker, backend, queue)
    botanu_celery.install(found.app)
    found.app.control.purge()
    try:
        yield found
    finally:
        found.close()


@dataclass
class Place:
    """A worker that serves several tests, and sends what it knows at once.

    Attributes:
        server: Its broker; `None` where it is none that a test kills.
    """

    server: Redis | RabbitMQ | None
    shop: Shop
    worker: Worker
    receiver: Receiver = field(repr=False)

    def task(self, name: str, *args: object, **options: object) -> Any:
        """See `Shop.task`."""
        return self.shop.task(name, *args, **options)

    def wait_for(self, found: Any) -> Any:
        """What `found` makes of the receiver, as soon as that is something."""
        assert self.receiver.wait_for(lambda _: bool(found()), WITHIN_S), self.worker.said()[-3000:]
        return found()

    def spans_of(self, run_id: str, count: int) -> list[Span]:
        """The tasks' spans in a run, when there are so many."""

        def found() -> list[Span]:
            of_run = [span for span in self.receiver.spans() if span.attributes.get("botanu.run_id") == run_id]
            consumed = [span for span in of_run if span.kind == "CONSUMER"]
            return consumed if len(consumed) >= count else []

        made: list[Span] = self.wait_for(found)
        return made

    def entries_of(self, run_id: str, count: int) -> list[LogEvent]:
        """The ledger of a run, when it has so many entries."""

        def found() -> list[LogEvent]:
            of_run = [each for each in entries(self.receiver) if each.attributes["botanu.run_id"] == run_id]
            return of_run if len(of_run) >= count else []

        made: list[LogEvent] = self.wait_for(found)
        return made

    def completion_of(self, task_id: str) -> dict[str, Any]:
        """How the run ended that a task has opened."""

        def runs() -> list[str]:
            return [
                span.attributes["botanu.run_id"]
                for span in self.receiver.spans()
                if span.attributes.get("messaging.message.id") == task_id
            ]

        def found() -> list[dict[str, Any]]:
            return [each for each in completions(self.receiver) if each["botanu.run_id"] in runs()]

        (event,) = self.wait_for(found)
        return dict(event)


def got(result: Any, **options: Any) -> Any:
    """The result of a task."""
    return result.get(timeout=WITHIN_S, interval=0.02, **options)


def entries(receiver: Receiver) -> list[LogEvent]:
    """The whole ledger."""
    return [each for each in receiver.events() if each.event_name == "botanu.ledger.entry"]


def responses(receiver: Receiver) -> list[str]:
    """The ids of all that was answered and counted."""
    return sorted(each.attributes["gen_ai.response.id"] for each in entries(receiver))


def completions(receiver: Receiver) -> list[dict[str, Any]]:
    """What all openers have said of their runs."""
    return [dict(each.attributes) for each in receiver.events() if each.event_name == "botanu.run.completed"]
