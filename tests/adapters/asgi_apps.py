"""FastAPI and Starlette applications that serve `PAGES`."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import App, AsgiHarness
from tests.adapters.pages import PAGES, Page

__all__ = ["NO_NATIVE_TELEMETRY", "fastapi_async", "fastapi_sync", "starlette_added", "starlette_wrapped"]

NO_NATIVE_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False}


def _answer(page: Page) -> Response:
    """A sync page; chunks are made in the thread pool."""
    if isinstance(page, tuple):
        return PlainTextResponse(page[1], page[0])
    return StreamingResponse(page, media_type="text/plain")


async def _async_answer(page: Page) -> Response:
    """An async page; others have their turn before each chunk."""
    await asyncio.sleep(0)
    if isinstance(page, tuple):
        return PlainTextResponse(page[1], page[0])

    async def chunks() -> AsyncIterator[str]:
        for chunk in page:
            await asyncio.sleep(0)
            yield chunk

    return StreamingResponse(chunks(), media_type="text/plain")


def _sync_endpoint(page: Callable[..., Page], request: Request) -> Response:
    return _answer(page(**request.path_params))


async def _async_endpoint(page: Callable[..., Page], request: Request) -> Response:
    await asyncio.sleep(0)
    return await _async_answer(page(**request.path_params))


def _endpoint(page: Callable[..., Page], *, is_async: bool) -> Any:
    if is_async:

        async def endpoint(request: Request) -> Response:
            return await _async_endpoint(page, request)

        return endpoint

    def sync_endpoint(request: Request) -> Response:
        return _sync_endpoint(page, request)

    return sync_endpoint


async def _upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def _fastapi(
    exporter: InMemorySpanExporter, *, is_async: bool, telemetry: Any, installs: int = 1, **options: Any
) -> AsgiHarness:
    app = FastAPI(telemetry=telemetry)
    app.add_api_route("/upload", _upload, methods=["POST"])
    for path, page in PAGES.items():
        app.add_api_route(path, _endpoint(page, is_async=is_async))
    for _ in range(installs):
        app.add_middleware(BotanuMiddleware, **options)
    return AsgiHarness(exporter, app)


fastapi_sync = functools.partial(_fastapi, is_async=False, telemetry=NO_NATIVE_TELEMETRY)
"""Endpoints in the thread pool, and FastAPI's own telemetry off."""
fastapi_async = functools.partial(_fastapi, is_async=True, telemetry=None)
"""Async endpoints, and FastAPI as it comes: its own telemetry makes the server span."""


def _starlette() -> Starlette:
    app = Starlette()
    app.add_route("/upload", _upload, methods=["POST"])
    for path, page in PAGES.items():
        app.add_route(path, _endpoint(page, is_async=True))
    return app


def starlette_added(exporter: InMemorySpanExporter, *, installs: int = 1, **options: Any) -> AsgiHarness:
    """Bare Starlette, the middleware added."""
    app = _starlette()
    for _ in range(installs):
        app.add_middleware(BotanuMiddleware, **options)
    return AsgiHarness(exporter, app)


def starlette_wrapped(exporter: InMemorySpanExporter, *, installs: int = 1, **options: Any) -> AsgiHarness:
    """Bare Starlette, the middleware around all of it."""
    app: App = _starlette()
    for _ in range(installs):
        app = BotanuMiddleware(app, **options)
    return AsgiHarness(exporter, app)
