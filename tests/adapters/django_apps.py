"""A Django project that serves `PAGES`, as WSGI and as ASGI application."""

import asyncio
import functools
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import include, path
from django.utils.decorators import async_only_middleware
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.adapters.asgi import AsgiHarness
from tests.adapters.harness import Answer, Call
from tests.adapters.pages import PAGES, Page
from tests.adapters.wsgi import WsgiHarness

__all__ = [
    "ASYNC",
    "RUN_MIDDLEWARE",
    "SYNC",
    "AsgiHandler",
    "AsyncPages",
    "SyncPages",
    "asgi",
    "project",
    "set_up",
    "wsgi",
]

RUN_MIDDLEWARE = "botanu_django.RunMiddleware"


class AsgiHandler(ASGIHandler):
    """Django's leaves the file that holds the request's body open when a stream breaks, and Python complains."""

    async def read_body(self, receive: Any) -> io.BytesIO:
        """The body, in a file that needs no closing."""
        with await super().read_body(receive) as body:
            return io.BytesIO(body.read())


def set_up(**more: Any) -> None:
    """Configure Django, once a process; tests override what they need otherwise."""
    if settings.configured:
        return
    given = {
        "ALLOWED_HOSTS": ["*"],
        "SECRET_KEY": "x" * 50,
        "ROOT_URLCONF": f"{__name__}.SyncPages",
        "INSTALLED_APPS": [],
        "MIDDLEWARE": [RUN_MIDDLEWARE],
        "USE_TZ": True,
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        "DATA_UPLOAD_MAX_MEMORY_SIZE": None,
        "LOGGING_CONFIG": None,
    }
    settings.configure(**(given | more))
    django.setup()


def _answer(page: Page) -> HttpResponseBase:
    if isinstance(page, tuple):
        return HttpResponse(page[1], status=page[0], content_type="text/plain")
    return StreamingHttpResponse(page, content_type="text/plain")


async def _async_answer(page: Page) -> HttpResponseBase:
    await asyncio.sleep(0)
    if isinstance(page, tuple):
        return _answer(page)

    async def chunks() -> AsyncIterator[str]:
        for chunk in page:
            await asyncio.sleep(0)
            yield chunk

    return StreamingHttpResponse(chunks(), content_type="text/plain")


def _view(page: Callable[..., Page], *, is_async: bool) -> Callable[..., Any]:
    if is_async:

        async def async_view(request: HttpRequest, **parameters: str) -> HttpResponseBase:
            await asyncio.sleep(0)
            return await _async_answer(page(**parameters))

        return async_view

    def view(request: HttpRequest, **parameters: str) -> HttpResponseBase:
        return _answer(page(**parameters))

    return view


def _upload(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.body)))


def urls_of(*, is_async: bool) -> list[Any]:
    """`PAGES` and ``/upload``; some of them included, as real projects do."""
    found = [path("upload", _upload)]
    for template, page in PAGES.items():
        view = _view(page, is_async=is_async)
        first, _, rest = template[1:].replace("{", "<str:").replace("}", ">").partition("/")
        found.append(path(f"{first}/", include([path(rest, view)])) if rest else path(first, view))
    return found


class SyncPages:
    """A URL configuration whose views are plain functions."""

    urlpatterns = urls_of(is_async=False)


class AsyncPages:
    """One whose views, and the streams they give, are async."""

    urlpatterns = urls_of(is_async=True)


class _Project:
    """Settings of one harness: in force while its handler is made, and while it serves."""

    def __init__(self, handler: type, settings: Mapping[str, Any]) -> None:
        set_up()
        self.settings = settings
        self._handler, self._made = handler, None

    @property
    def made(self) -> Any:
        """The handler, made as a server makes it: before the first request."""
        if self._made is None:
            with override_settings(**self.settings):
                self._made = self._handler()
        return self._made


class _Serving:
    """What a harness of either kind does with a project: its settings are in force while it serves."""

    reraises = False

    def __init__(self, exporter: InMemorySpanExporter, made: _Project) -> None:
        super().__init__(exporter, lambda *arguments: made.made(*arguments))
        self._project = made

    def start(self) -> None:
        """As a server does: it runs no system checks, and Django has no lifespan."""
        assert self._project.made

    def send(self, call: Call, **more: Any) -> Answer:
        """Send one request."""
        self.start()
        with override_settings(**self._project.settings):
            return super().send(call, **more)

    def send_all(self, calls: Sequence[Call]) -> Sequence[Answer]:
        """Send them at the same time."""
        self.start()
        with override_settings(**self._project.settings):
            return super().send_all(calls)


class DjangoWsgi(_Serving, WsgiHarness):
    """Django behind a WSGI server."""


class DjangoAsgi(_Serving, AsgiHarness):
    """Django behind an ASGI server."""


def project(
    exporter: InMemorySpanExporter,
    urlpatterns: Sequence[Any],
    *,
    is_asgi: bool = False,
    middleware: Sequence[str] = (RUN_MIDDLEWARE,),
    **settings: Any,
) -> DjangoWsgi | DjangoAsgi:
    """A project of these pages, and these settings."""
    urls = type("Urls", (), {"urlpatterns": list(urlpatterns)})
    given = {"ROOT_URLCONF": urls, "MIDDLEWARE": middleware, **settings}
    if is_asgi:
        return DjangoAsgi(exporter, _Project(AsgiHandler, given))
    return DjangoWsgi(exporter, _Project(WSGIHandler, given))


def _built(
    exporter: InMemorySpanExporter,
    *,
    is_async: bool,
    around: tuple[str, str] = ("", ""),
    installs: int = 1,
    **options: Any,
) -> DjangoWsgi | DjangoAsgi:
    middleware = [*filter(None, [around[0]]), *[RUN_MIDDLEWARE] * installs, *filter(None, [around[1]])]
    pages = AsyncPages if is_async else SyncPages
    return project(exporter, pages.urlpatterns, is_asgi=is_async, middleware=middleware, BOTANU=options)


SYNC, ASYNC = f"{__name__}.sync_only", f"{__name__}.async_only"

wsgi = functools.partial(_built, is_async=False)
"""What most projects are."""
asgi = functools.partial(_built, is_async=True)
"""Async from top to bottom."""
asgi_sync_above = functools.partial(_built, is_async=True, around=(SYNC, ""))
"""A sync middleware puts ours into a thread, from which async views are called."""
asgi_sync_below = functools.partial(_built, is_async=True, around=("", SYNC))
"""Ours is async, and what is inside of it runs in a thread."""


def sync_only(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A middleware from before there were async ones."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    return middleware


@async_only_middleware
def async_only(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """A middleware that knows no other way."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        return await get_response(request)

    return middleware
