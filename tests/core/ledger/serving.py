"""Small web applications for servers in processes of their own: every request is a run with a model call in it."""

import asyncio
import os
import socket
from urllib.parse import parse_qs

from fastapi import FastAPI

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_fastapi import BotanuMiddleware
from tests.core.ledger.prices import CONTRACT

__all__ = ["asgi", "wsgi"]

# An interval beyond any test: what arrives has been sent at the end of a worker.
botanu.enable(instrument="none", export_interval_s=600, metric_interval_s=600, price_contracts=[CONTRACT])


def _bill(name: str) -> None:
    with track_llm_call("openai", "priced") as call:
        call.set_tokens(1000, 1000).set_request_id(name)


def wsgi(environ, start_response):
    """For gunicorn's own workers: ``/ask?name=…`` makes one call and says who served it."""
    with botanu.event(workflow="Shop"):
        _bill(parse_qs(environ["QUERY_STRING"])["name"][0])
    body = str(os.getpid()).encode()
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", str(len(body)))])
    return [body]


asgi = FastAPI()
asgi.add_middleware(BotanuMiddleware)


@asgi.get("/ask")
async def ask(name: str) -> int:
    """One call; who served it."""
    _bill(name)
    return os.getpid()


@asgi.get("/between")
async def between(port: int) -> None:
    """Two calls, and a third that is open meanwhile; goes on when whoever listens at `port` hangs up."""
    with track_llm_call("openai", "priced") as around:
        around.set_request_id("around")
        with botanu.step("first"):
            _bill("before")
    with track_llm_call("openai", "priced") as call:
        call.set_request_id("open").set_tokens(1000, 1000)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        writer.close()
    _bill("after")


@asgi.get("/threaded")
def threaded(port: int) -> None:
    """A call that no loop can cancel, in the thread pool, and one before it that waits for its twin."""
    with track_llm_call("openai", "priced") as call:
        call.set_request_id("waiting")
    with socket.create_connection(("127.0.0.1", port)) as held, track_llm_call("openai", "priced") as call:
        call.set_request_id("threaded")
        held.recv(1)
