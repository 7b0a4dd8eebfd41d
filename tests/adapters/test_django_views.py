"""Views of every kind behind every server and beside every kind of middleware: where the run is seen, and its end."""

import asyncio
import itertools
import threading

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path
from opentelemetry import trace

import botanu
from botanu_core.runtime import guard
from botanu_django import RunMiddleware
from tests.adapters.asgi import Conversation
from tests.adapters.django_apps import ASYNC, RUN_MIDDLEWARE, SYNC, project, set_up
from tests.adapters.harness import Call, own_span

STATUS = "botanu.outcome.status"
servers = pytest.mark.parametrize("is_asgi", [False, True], ids=["WSGI", "ASGI"])
set_up()


def run_id():
    """The run that the code which asks is in."""
    return botanu.get_run_id() or "none"


def sync_view(request):
    """Answers with the run, from a plain function."""
    return HttpResponse(run_id())


async def async_view(request):
    """The run as an async view, a thread of its, and a task of its see it."""
    here = run_id()
    thread = await sync_to_async(run_id)()
    task = await asyncio.create_task(sync_to_async(run_id)())
    return HttpResponse(" ".join({here, thread, task}))


def sync_stream(request):
    """Three chunks of a plain generator."""
    return StreamingHttpResponse(run_id() + "\n" for _ in range(3))


async def async_stream(request):
    """Three chunks of an async generator."""

    async def chunks():
        for _ in range(3):
            await asyncio.sleep(0)
            yield run_id() + "\n"

    return StreamingHttpResponse(chunks())


VIEWS = {"sync": sync_view, "async": async_view, "sync-stream": sync_stream, "async-stream": async_stream}
URLS = [path(name, view) for name, view in VIEWS.items()]
STACKS = [
    (*above, RUN_MIDDLEWARE, *below)
    for above, below in itertools.product([(), (SYNC,), (ASYNC,), (SYNC, ASYNC)], repeat=2)
]
# Django says that it has to collect such a stream before it sends it; it does so without us, too.
COLLECTS = "ignore:StreamingHttpResponse must consume:Warning"


class TestWhereTheRunIsSeen:
    @servers
    @pytest.mark.parametrize("view", VIEWS)
    @pytest.mark.parametrize("stack", STACKS, ids=lambda stack: " ".join(each.rpartition(".")[2] for each in stack))
    @pytest.mark.filterwarnings(COLLECTS)
    def test_in_every_view_under_every_stack(self, exported, is_asgi, view, stack):
        """One run on page, header and span, and a success."""
        answer = project(exported, URLS, is_asgi=is_asgi, middleware=stack).send(Call(path=f"/{view}"))
        assert set(answer.body.split()) == {answer.run_id}
        attributes = own_span(answer.spans).attributes
        assert (attributes["botanu.run_id"], attributes[STATUS]) == (answer.run_id, "success")

    @pytest.mark.parametrize("stack", STACKS[:1])
    def test_an_async_view_stays_in_the_thread_of_the_event_loop(self, exported, stack):
        """Our middleware costs an async stack no thread."""
        seen = []

        async def view(request):
            seen.append(threading.current_thread())
            return HttpResponse()

        project(exported, [path("", view)], is_asgi=True, middleware=stack).send(Call(path="/"))
        assert seen == [threading.current_thread()]

    def test_the_middleware_is_what_its_inside_is(self):
        """Sync around a sync function, async around a coroutine function; both by one class."""

        async def inside(request):
            return HttpResponse()

        assert iscoroutinefunction(RunMiddleware(inside))
        assert not iscoroutinefunction(RunMiddleware(sync_view))
        assert RunMiddleware.sync_capable
        assert RunMiddleware.async_capable

    def test_a_request_without_a_server_has_no_run(self):
        """`RequestFactory` calls views, not middleware."""
        assert sync_view(RequestFactory().get("/")).content == b"none"

    def test_a_request_that_is_hardly_one_is_served(self, exported):
        """Tests of applications call middleware with requests that have nothing in them."""
        guard.strict(False)
        assert RunMiddleware(sync_view)(HttpRequest()).content == b"none"


class TestStreams:
    def ends(self, exported):
        return [span.attributes.get(STATUS) for span in exported.get_finished_spans() if "url.path" in span.attributes]

    def answer(self, exported, response):
        """What a server gets of a view that answers with `response`."""
        request = RequestFactory().get("/")
        answered = RunMiddleware(lambda _: response)(request)
        assert answered is response
        assert botanu.get_run_id() is None
        return answered

    def test_one_that_is_never_asked_for_is_canceled(self, exported):
        """The server closes it before the first chunk."""
        self.answer(exported, StreamingHttpResponse(iter([b"1", b"2"]))).close()
        assert self.ends(exported) == ["canceled"]

    def test_one_that_is_left_is_canceled_and_its_generator_closed_in_the_run(self, exported):
        """What the generator does at its end belongs to the run, and what it had made current is put back."""
        seen = []

        def chunks():
            with trace.get_tracer("library").start_as_current_span("open"):
                try:
                    yield b"1"
                    yield b"2"
                finally:
                    seen.append(botanu.get_run_id())

        response = self.answer(exported, StreamingHttpResponse(chunks()))
        assert next(iter(response)) == b"1"
        response.close()
        response.close()
        assert seen == [response.headers["x-botanu-run-id"]]
        assert self.ends(exported) == ["canceled"]

    def test_one_that_is_exhausted_needs_no_close(self, exported):
        """And one that comes later changes nothing."""
        response = self.answer(exported, StreamingHttpResponse(iter([b"1"])))
        assert list(response) == [b"1"]
        assert self.ends(exported) == ["success"]
        response.close()
        assert self.ends(exported) == ["success"]

    def test_what_closes_it_is_closed_once(self, exported):
        """All of it, and in its order, though one of them fails, as Django has it."""
        closed = []

        class Content:
            def __iter__(self):
                return iter([b"1", b"2"])

            def close(self):
                closed.append("content")
                raise LookupError

        response = StreamingHttpResponse(Content())
        response._resource_closers.append(lambda: closed.append("more"))
        self.answer(exported, response).close()
        response.close()
        assert closed == ["content", "more"]
        assert self.ends(exported) == ["canceled"]

    def test_head_of_a_stream_is_no_cancellation(self, exported):
        """Nobody asks for the chunks of what has no body."""
        response = RunMiddleware(lambda _: StreamingHttpResponse(iter([b"1"])))(RequestFactory().head("/"))
        response.close()
        assert self.ends(exported) == ["success"]

    def test_it_stays_what_it_was(self, exported):
        """Sync or async, for the handler, and for middleware outside of ours."""

        async def chunks():
            yield b"1"

        assert not self.answer(exported, StreamingHttpResponse(iter([b"1"]))).is_async
        assert self.answer(exported, StreamingHttpResponse(chunks())).is_async

    @servers
    def test_middleware_outside_may_change_the_chunks(self, exported, is_asgi):
        """GZip goes on asking through us."""
        view = async_stream if is_asgi else sync_stream
        stack = ("django.middleware.gzip.GZipMiddleware", RUN_MIDDLEWARE)
        web = project(exported, [path("", view)], is_asgi=is_asgi, middleware=stack)
        answer = web.send(Call(path="/", headers=[("accept-encoding", b"gzip")]))
        assert dict(answer.headers)["content-encoding"] == "gzip"
        assert self.ends(exported) == ["success"]


class TestAsyncStreams:
    def left(self, exported, chunks):
        """Lead a client that leaves after the first chunk."""

        async def view(request):
            return StreamingHttpResponse(chunks())

        class Slow(Conversation):
            async def send(self, message):
                await super().send(message)
                await asyncio.sleep(0)  # the network: a generator that never waits is cancelled here

        web = project(exported, [path("", view)], is_asgi=True)
        web.conversation = Slow
        return web.send(Call(path="/", leaves_after=1))

    def test_one_that_is_left_while_it_waits_is_canceled(self, exported, caplog):
        """The cancellation reaches the generator alone; what it had made current is put back."""
        seen = []

        async def chunks():
            with trace.get_tracer("library").start_as_current_span("open"):
                try:
                    yield b"1"
                    await asyncio.Event().wait()
                finally:
                    seen.append(botanu.get_run_id())

        answer = self.left(exported, chunks)
        assert seen == [answer.run_id]
        assert own_span(answer.spans).attributes[STATUS] == "canceled"
        assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []

    def test_one_that_is_left_between_two_chunks_is_closed_in_its_own_context(self, exported, caplog):
        """Nothing throws into the generator: it is closed in its loop, in the run."""
        seen = []

        async def chunks():
            with trace.get_tracer("library").start_as_current_span("open"):
                try:
                    while True:
                        yield b"1"
                finally:
                    seen.append(botanu.get_run_id())

        answer = self.left(exported, chunks)
        assert seen == [answer.run_id]
        assert own_span(answer.spans).attributes[STATUS] == "canceled"
        assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []

    def test_a_view_that_is_cancelled_is_canceled(self, exported):
        """The client leaves before the answer: the view hears of it, and so do we."""
        heard = []

        class Impatient(Conversation):
            async def receive(self):
                if self._asked:
                    await begun.wait()
                    self._over.set()
                return await super().receive()

        async def view(request):
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append(run_id())
                raise

        web, begun = project(exported, [path("", view)], is_asgi=True), asyncio.Event()
        web.conversation = Impatient
        answer = web.send(Call(path="/"))
        span = own_span(answer.spans)
        assert heard == [span.attributes["botanu.run_id"]]
        assert (answer.status, span.attributes[STATUS]) == (0, "canceled")
