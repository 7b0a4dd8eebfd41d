"""What both services need around their endpoints: a process that announces its port, and clients that go away."""

import asyncio
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI, HTTPException, Request

from demo.loopback import announce

__all__ = ["CONTRACTS", "INSTRUMENT", "serve", "while_connected"]

T = TypeVar("T")

CLIENT_CLOSED_REQUEST = 499

CONTRACTS = str(Path(__file__).with_name("contracts.yaml"))
"""What this company has agreed on, for `botanu.enable(price_contracts=…)`."""

INSTRUMENT = ["httpx"]
"""For `botanu.enable(instrument=…)`: what is shown shall not depend on what else is installed here."""


def serve(app: FastAPI, *, port: int) -> None:
    """Serve `app` on the loopback address until SIGTERM; announces its port once it answers."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    _AnnouncingServer(config).run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and not self.should_exit:
            announce(port=sockets[0].getsockname()[1])


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, but give it up when the client goes away: nobody will read the answer, so nobody shall pay for it.

    The body of `request` must have been read.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_gone(request))
    await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
    watcher.cancel()
    if not task.done():
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        raise HTTPException(CLIENT_CLOSED_REQUEST) from None


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
