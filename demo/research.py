"""The second service: a Celery worker, which reads up on a question with two models and is asked by the front desk."""

import argparse
import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from celery import Celery, signals
from celery.contrib.abortable import AbortableAsyncResult
from celery.exceptions import Ignore
from pydantic import BaseModel

import botanu
from botanu_genai import OpenAIInstrumentor
from demo.loopback import announce, child_arguments
from demo.models import ARCHIVIST, Models
from demo.serving import CONTRACTS, INSTRUMENT
from demo.tasks import celery_app
from demo.tickets import Twist

__all__ = ["Query", "Researcher", "add_tasks"]

_AT_ONCE = 8
_MODEL_TIMEOUT_S = 0.5
_LOOK_S = 0.05
_ARCHIVE_TOKENS = "205000"


class Query(BaseModel):
    """What the front desk wants to know; `key` names the call that shall be held back, if the twist wants one."""

    question: str
    key: str
    twist: Twist = "none"


class Researcher:
    """Reads, for all threads of the worker in one event loop: so they share the connections of their clients."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="research-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._models.__aexit__(None, None, None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def read_up(self, query: Query, asked: AbortableAsyncResult) -> str | None:
        """What was found; `None` when nobody wants to know any longer. The run goes along into the loop's thread."""
        work = _while_wanted(asked, read_up(self._models, query))
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def add_tasks(app: Celery, researcher: Researcher) -> None:
    """What the worker does."""

    @app.task(name="research.read_up", bind=True)  # type: ignore[untyped-decorator]  # Celery has no types
    def _(self: Any, **query: Any) -> str:
        notes = researcher.read_up(Query(**query), AbortableAsyncResult(self.request.id, app=app))
        if notes is None:
            raise Ignore
        return notes


async def _while_wanted(asked: AbortableAsyncResult, work: Coroutine[Any, Any, str]) -> str | None:
    task = asyncio.ensure_future(work)
    while not (await asyncio.wait((task,), timeout=_LOOK_S))[0]:
        if asked.is_aborted():
            task.cancel()
            await asyncio.wait((task,))
            return None
    return task.result()


async def read_up(models: Models, query: Query) -> str:
    """Find the passages, then read them; both belong to the run that the front desk opened."""
    with botanu.step("retrieve"):
        vector = await models.embed(query.question)
    with botanu.step("read"):
        question = f"Passage {sum(vector):.3f}. {query.question}"
        # The limit lies around the last call alone, which the provider holds back whenever it is to strike: so
        # what is given up has never been billed, and the invoice can be compared token by token.
        async with asyncio.timeout(_MODEL_TIMEOUT_S if query.twist == "timeout" else None):
            if query.twist == "archive":
                return await models.claude(
                    [{"role": "user", "content": question}], model=ARCHIVIST, headers=_steering(query)
                )
            return await models.claude_or_gpt(question, headers=_steering(query))


def _steering(query: Query) -> dict[str, str]:
    match query.twist:
        case "fallback":
            return {"x-demo-fault": "429"}
        case "cancel" | "timeout":
            return {"x-demo-hold": query.key}
        case "archive":
            return {"x-demo-archive": _ARCHIVE_TOKENS}
        case _:
            return {}


def main() -> None:
    """Work until SIGTERM; the first line on standard output says that it has begun."""
    parser = argparse.ArgumentParser(prog="python -m demo.research", description=__doc__)
    parser.add_argument("--provider", required=True, help="address of the model provider")
    parser.add_argument("--queue", required=True, metavar="DIRECTORY", help="where messages and results lie")
    wanted = child_arguments(parser)
    botanu.enable(service_name="research", instrument=INSTRUMENT, price_contracts=[CONTRACTS])
    OpenAIInstrumentor().instrument()
    app = celery_app(wanted.queue)
    signals.worker_ready.connect(lambda **_: announce(queue=wanted.queue), weak=False)
    with Researcher(Models(wanted.provider)) as researcher:
        add_tasks(app, researcher)
        alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        app.worker_main(
            ["--quiet", "worker", "--pool", "threads", f"--concurrency={_AT_ONCE}", "--loglevel=WARNING", *alone]
        )
    botanu.disable()


if __name__ == "__main__":
    main()
