"""`PAGES` on FastAPI and a websocket, for ASGI servers in processes of their own."""

from fastapi import FastAPI
from starlette.websockets import WebSocket

import botanu
from tests.adapters.asgi_apps import fastapi_async

__all__ = ["app", "create_app"]


async def echo(socket: WebSocket) -> None:
    """Says for every message which run it was heard in."""
    await socket.accept()
    async for _ in socket.iter_text():
        await socket.send_text(botanu.get_run_id() or "none")


def create_app() -> FastAPI:
    """For servers that call a factory in their children."""
    botanu.enable(service_name="shop", instrument="none", export_interval_s=0.2)
    made = fastapi_async(None).app
    made.add_api_websocket_route("/talk", echo)
    return made


app = create_app()
