"""Botanu for Django, WSGI and ASGI: ``MIDDLEWARE += ["botanu_django.RunMiddleware"]``."""

import asyncio
import contextlib
import io
import sys
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from typing import Any, ClassVar, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from botanu_core import adapter
from botanu_django._route import template
from botanu_django._settings import Configured

__all__ = ["RunMiddleware"]


class RunMiddleware:
    """One run a request, sync or async as the rest of the stack is, until the end of the response's body.

    Joins the run that a trusted caller sends, else opens an implicit one, which the first `event` names. Uses the
    server span of another instrumentation where one is current, else makes one. Needs no entry in ``INSTALLED_APPS``;
    with one there are system checks and ``manage.py botanu``.

    Options are in the setting ``BOTANU``, a dict; none is needed. docs/django.md says what each does.

    Raises:
        ConfigError: The setting is wrong: when Django makes its handler, before the first request.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._configured = Configured()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        got_request_exception.connect(_unhandled, dispatch_uid="botanu_django")

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        if self._is_async:
            return self._served(request)
        response: HttpResponseBase
        exchange = _exchange(self._configured, request)
        if exchange is None:
            response = self.get_response(request)
            _tell_route(request)
            return response
        # What `run.active` does, without its frames: every request pays for them.
        activation = exchange.activate()
        try:
            response = self.get_response(request)
            exchange.answered(response)
        except BaseException as error:
            adapter.deactivate(activation)
            exchange.ended(error)
            raise
        adapter.deactivate(activation)
        return response

    async def _served(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase
        exchange = _exchange(self._configured, request)
        if exchange is None:
            response = await self.get_response(request)
            _tell_route(request)
            return response
        activation = exchange.activate()
        try:
            response = await self.get_response(request)
            exchange.answered(response)
        except BaseException as error:
            adapter.deactivate(activation)
            exchange.ended(error)
            raise
        adapter.deactivate(activation)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """A view has raised; Django, or the middleware outside of ours, answers for it."""
        _caught(request, exception)


def _unhandled(request: HttpRequest, **_: Any) -> None:
    """Django is about to answer 500: for what a view raised, or a middleware inside of ours."""
    error = sys.exc_info()[1]
    if error is not None:
        _caught(request, error)


def _caught(request: HttpRequest, error: BaseException) -> None:
    exchange = getattr(request, _EXCHANGE, None)
    if exchange is not None:
        exchange.caught(error)


_EXCHANGE: Final = "_botanu_exchange"


def _exchange(configured: Configured, request: HttpRequest) -> "_Exchange | None":
    """The exchange that begins with `request`; `None` for what has a run already, shall have none, or cannot."""
    scope = getattr(request, "scope", None)
    if scope is not None and adapter.SCOPE_KEY in scope:
        return None  # an adapter around all of the ASGI application leads it
    return _Exchange.opened(configured.options, request.META, lambda _: _native(request), request)


def _tell_route(request: HttpRequest) -> None:
    """Leave the route to the adapter around the ASGI application, where there is one: it cannot know Django's."""
    scope, match = getattr(request, "scope", None), request.resolver_match
    if match is not None and scope is not None and adapter.SCOPE_KEY in scope:
        scope["path_template"] = template(match.route)


def _native(request: HttpRequest) -> HttpRequest:
    """A copy of `request` for the application's functions, with all that middleware has put on it, and no body."""
    copied: HttpRequest = request.__class__.__new__(request.__class__)  # `copy.copy` leaves the route out
    copied.__dict__.update({key: value for key, value in request.__dict__.items() if key not in _LEFT_OUT})
    copied._stream, copied._read_started = io.BytesIO(), False
    return copied


_LEFT_OUT: Final = frozenset({"_body", "_post", "_files", "_stream", _EXCHANGE})


class _Exchange(adapter.EnvironExchange):
    """A request, and the response that Django has made of it.

    Args:
        options: Of the middleware.
        environ: The request's ``META``.
        request: Django's.
    """

    framework: ClassVar[str] = "django"
    __slots__ = ("_request_inside",)

    def __init__(self, options: adapter.WebOptions, environ: dict[str, Any], request: HttpRequest) -> None:
        self._request_inside = request
        super().__init__(options, environ)
        setattr(request, _EXCHANGE, self)

    def native(self) -> object:
        return _native(self._request_inside)

    def route(self) -> str | None:
        match = self._request_inside.resolver_match
        return None if match is None else template(match.route)

    def answered(self, response: HttpResponseBase) -> None:
        """Django has made a response. The run is current, so that what a stream makes later is inside it."""
        try:
            # Each holds the other: left so, the request would wait for the garbage collector.
            self._request_inside.__dict__.pop(_EXCHANGE, None)
            self.started(response.status_code)
            options = self.options
            if options.response_header is not None:
                headers = response.headers
                headers[options.response_header] = self.run.run_id
                if options.expose_header:
                    headers[adapter.EXPOSE] = adapter.exposing(headers.get(adapter.EXPOSE), options.response_header)
            if response.streaming:
                _follow(self, response)
            else:
                self.finish()
        except Exception as failure:
            adapter.failed(self.framework, failure)
            self.ended()


def _follow(exchange: _Exchange, response: Any) -> None:
    """Let the run last until the stream ends."""
    file = getattr(response, "file_to_stream", None)
    if file is not None and "wsgi.file_wrapper" in exchange.environ:
        # The server reads the file by itself, perhaps in the kernel, and says no more than that it is done with it.
        response._resource_closers.append(exchange.finish)
    elif response.is_async:
        response.streaming_content = _AsyncStream(exchange, response._iterator)
    else:
        content = _Content(response._iterator, tuple(response._resource_closers))
        response._resource_closers.clear()
        response.streaming_content = adapter.body_of(exchange, content)
        if file is not None:
            response.file_to_stream = file  # which the setter forgets


class _Content:
    """The content of a stream with what closes it: both belong to the run, and to one context."""

    __slots__ = ("_closers", "_content")

    def __init__(self, content: Iterable[object], closers: tuple[Callable[[], object], ...]) -> None:
        self._content, self._closers = content, closers

    def __iter__(self) -> Iterator[object]:
        return iter(self._content)

    def close(self) -> None:
        for closer in self._closers:
            with contextlib.suppress(Exception):  # as Django does
                closer()


class _AsyncStream(adapter.AsyncBody[object]):
    """An async stream that a response can close, from whatever thread."""

    __slots__ = ("_loop",)

    def __init__(self, exchange: _Exchange, content: AsyncIterable[object]) -> None:
        super().__init__(exchange, content)
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # below sync middleware; the generator's end is then left to its event loop

    def close(self) -> None:
        """Nobody wants more of it. What the generator does at its end is done in its own loop; nobody waits for it."""
        if self._exchange.run.ended:
            return
        self._exchange.finish("canceled" if self._exchange.has_body else None)
        if self._loop is not None and not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self.aclose(), self._loop)
