"""The response body is part of the run: streams, background tasks, what comes after, and clients that leave."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from starlette.responses import JSONResponse

import botanu
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import AsgiHarness, Conversation
from tests.adapters.asgi_apps import NO_NATIVE_TELEMETRY
from tests.adapters.harness import Call, own_span

STATUS = "botanu.outcome.status"


@pytest.fixture(params=[NO_NATIVE_TELEMETRY, None], ids=["our server span", "FastAPI's server span"])
def app(request):
    """A FastAPI application with the middleware, with and without FastAPI's own telemetry."""
    application = FastAPI(telemetry=request.param)
    application.add_middleware(BotanuMiddleware)
    return application


@pytest.fixture
def web(exported, app):
    """Sends requests to it."""
    return AsgiHarness(exported, app)


@pytest.fixture
def seen():
    """What run ids the application saw, by place."""
    return {}


def outcome(answer):
    return own_span(answer.spans).attributes.get(STATUS)


class TestStreams:
    def test_server_sent_events_are_inside_the_run(self, app, web):
        """FastAPI runs a yielding endpoint in a task of its own: every event is made in the run."""

        @app.get("/events", response_class=EventSourceResponse)
        async def events() -> AsyncIterator[dict[str, str | None]]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield {"run": botanu.get_run_id()}

        answer = web.send(Call(path="/events"))
        assert answer.body.count(answer.run_id) == 3
        assert outcome(answer) == "success"

    def test_server_sent_events_that_nobody_takes_are_canceled(self, app, web, seen):
        """The client goes away after the second event: the generator is cancelled, and so is the run."""

        @app.get("/events", response_class=EventSourceResponse)
        async def events() -> AsyncIterator[dict[str, int]]:
            try:
                for number in range(1_000_000):
                    await asyncio.sleep(0)
                    yield {"number": number}
            except asyncio.CancelledError:
                seen["cancelled"] = botanu.get_run_id()
                raise

        answer = web.send(Call(path="/events", leaves_after=2))
        assert (outcome(answer), seen.get("cancelled", answer.run_id)) == ("canceled", answer.run_id)

    def test_json_lines_are_inside_the_run(self, app, web):
        """The same for an endpoint that yields lines of JSON."""

        @app.get("/lines")
        def lines() -> Iterator[dict[str, str | None]]:
            for _ in range(3):
                yield {"run": botanu.get_run_id()}

        answer = web.send(Call(path="/lines"))
        assert answer.body.count(answer.run_id) == 3

    def test_the_run_is_open_until_the_last_chunk(self, app, web, seen):
        """It has not ended when headers are sent, nor while chunks come; it has when the client has the last."""

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            run = botanu.get_current_run()

            async def chunks() -> AsyncIterator[str]:
                for _ in range(3):
                    await asyncio.sleep(0)
                    yield str(run.ended)

            seen["run"] = run
            return StreamingResponse(chunks())

        assert web.send(Call(path="/stream")).body == "False" * 3
        assert seen["run"].ended

    def test_an_event_inside_a_stream_names_the_run(self, app, web):
        """The run of the request learns its names though its headers are long out."""

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            async def chunks() -> AsyncIterator[str]:
                yield "first"
                async with botanu.event(workflow="Report", event_id="R-1", customer_id="acme"):
                    yield "second"

            return StreamingResponse(chunks())

        attributes = own_span(web.send(Call(path="/stream")).spans).attributes
        assert (attributes["botanu.workflow"], attributes["botanu.event_id"]) == ("Report", "R-1")


class TestClientsThatLeave:
    @pytest.mark.parametrize("gone", ["quiet", "raises"])
    @pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
    def test_a_client_that_leaves_half_way_cancels(self, app, web, gone, is_async):
        """Both kinds of server: one lets the application find out, the other raises `OSError` from `send`."""

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            async def chunks() -> AsyncIterator[str]:
                while True:
                    await asyncio.sleep(0)
                    yield "chunk"

            def sync_chunks() -> Iterator[str]:
                while True:
                    yield "chunk"

            return StreamingResponse(chunks() if is_async else sync_chunks())

        answer = web.send(Call(path="/stream", leaves_after=2), gone=gone)
        assert outcome(answer) == "canceled"
        # A server that raises is told why by the application: nobody swallows its exception.
        assert type(answer.error).__name__ == ("ClientDisconnect" if gone == "raises" else "NoneType")

    def test_a_client_that_leaves_is_no_error_of_the_span(self, exported):
        """Our own server span stays unset, and no exception is written on it."""
        app = FastAPI(telemetry=NO_NATIVE_TELEMETRY)
        app.add_middleware(BotanuMiddleware)

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            return StreamingResponse(iter(lambda: "chunk", None))

        span = own_span(AsgiHarness(exported, app).send(Call(path="/stream", leaves_after=1), gone="raises").spans)
        assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())

    def test_a_client_that_leaves_while_it_is_uploading_cancels(self, app, web):
        """`request.stream()` raises `ClientDisconnect`; the run is canceled and the exception passes."""

        @app.post("/upload")
        async def upload(request: Request) -> dict[str, int]:
            return {"chunks": len([chunk async for chunk in request.stream()])}

        class Leaves(Conversation):
            async def receive(self):
                if self._asked:
                    return {"type": "http.disconnect"}
                self._asked = True
                return {"type": "http.request", "body": b"half", "more_body": True}

        web.conversation = Leaves
        answer = web.send(Call(path="/upload", method="POST"))
        assert (outcome(answer), type(answer.error).__name__) == ("canceled", "ClientDisconnect")

    def test_a_disconnect_after_the_last_chunk_changes_nothing(self, app, web, seen):
        """Every connection ends some time: what reads the end after the body is out sees a success."""

        @app.get("/done")
        async def done(request: Request, tasks: BackgroundTasks) -> dict[str, str]:
            async def later() -> None:
                await request.receive()  # the body, which the endpoint has not read
                seen["message"] = await request.receive()

            tasks.add_task(later)
            return {}

        assert outcome(web.send(Call(path="/done"))) == "success"
        assert seen["message"] == {"type": "http.disconnect"}

    def test_cancellation_passes_and_is_canceled(self, exported, app, seen):
        """`CancelledError` reaches the server as it is; the run is canceled and nothing of it is left."""

        @app.get("/wait")
        async def wait() -> None:
            seen["run"] = botanu.get_current_run()
            seen["begun"].set()
            await asyncio.Event().wait()

        async def cancelled() -> None:
            seen["begun"] = asyncio.Event()
            conversation = Conversation(Call(path="/wait"))
            task = asyncio.create_task(app(conversation.scope, conversation.receive, conversation.send))
            await seen["begun"].wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        span = own_span(exported.get_finished_spans())
        assert (span.attributes[STATUS], seen["run"].ended) == ("canceled", True)

    def test_the_users_word_wins_over_a_client_that_left(self, app, web):
        """Half a report may be worth something; the user says so."""

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            botanu.emit_outcome("partial")
            return StreamingResponse(iter(lambda: "chunk", None))

        assert outcome(web.send(Call(path="/stream", leaves_after=1))) == "partial"


class TestAfterTheBody:
    def test_background_tasks_see_the_run_and_are_not_counted(self, app, web, exported, seen):
        """The client has its answer, the run has ended, and what is done later still carries its id."""

        @app.get("/later")
        async def later(tasks: BackgroundTasks) -> dict[str, str]:
            def work() -> None:
                run = botanu.get_current_run()
                seen["sync"] = (run.run_id, run.ended)
                trace.get_tracer("library").start_span("late").end()

            async def async_work() -> None:
                seen["async"] = (botanu.get_run_id(), botanu.get_current_run().ended)

            tasks.add_task(work)
            tasks.add_task(async_work)
            return {}

        answer = web.send(Call(path="/later"))
        assert seen == {"sync": (answer.run_id, True), "async": (answer.run_id, True)}
        (late,) = [span for span in answer.spans if span.name == "late"]
        assert late.attributes["botanu.run_id"] == answer.run_id
        assert own_span(answer.spans).end_time <= late.start_time
        assert outcome(answer) == "success"

    def test_a_background_task_that_fails_is_no_second_answer(self, app, web):
        """The run was a success when the client had it; the exception passes, and no second response is begun."""

        @app.get("/later")
        async def later(tasks: BackgroundTasks) -> dict[str, str]:
            tasks.add_task(lambda: 1 / 0)
            return {}

        answer = web.send(Call(path="/later"))
        assert (answer.status, type(answer.error), outcome(answer)) == (200, ZeroDivisionError, "success")

    @pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
    def test_dependencies_see_the_run_before_and_after(self, app, web, seen, is_async):
        """Both halves of a `yield` dependency, in the thread pool or not, though the second comes after the body."""

        def sync_resource() -> Iterator[str | None]:
            seen["before"] = botanu.get_run_id()
            yield "resource"
            seen["after"] = botanu.get_run_id()

        async def resource() -> AsyncIterator[str | None]:
            seen["before"] = botanu.get_run_id()
            yield "resource"
            seen["after"] = botanu.get_run_id()

        @app.get("/use")
        def use(held: Annotated[str, Depends(resource if is_async else sync_resource)]) -> str:
            return held

        answer = web.send(Call(path="/use"))
        assert seen == {"before": answer.run_id, "after": answer.run_id}

    def test_a_dependency_that_fails_at_its_end_changes_nothing(self, app, web):
        """It raises after the body is out: the run has its end already, and the exception passes."""

        async def resource() -> AsyncIterator[None]:
            yield
            raise RuntimeError("could not close")

        @app.get("/use", dependencies=[Depends(resource)])
        def use() -> str:
            return "used"

        answer = web.send(Call(path="/use"))
        assert (answer.status, str(answer.error)) == (200, "could not close")
        assert outcome(answer) == "success"

    def test_a_task_that_outlives_the_run_keeps_its_id(self, app, exported, seen):
        """`create_task`: its spans carry the run, which does not end a second time."""

        @app.get("/spawn")
        async def spawn() -> dict[str, str]:
            async def work() -> None:
                await seen["over"].wait()
                botanu.emit_outcome("failed")
                trace.get_tracer("library").start_span("late").end()
                seen["id"] = botanu.get_run_id()

            seen["task"] = asyncio.create_task(work())
            return {}

        async def serve():
            seen["over"] = asyncio.Event()
            answer = await Conversation(Call(path="/spawn")).lead(app)
            seen["over"].set()
            await seen["task"]
            return answer

        answer = asyncio.run(serve())
        spans = exported.get_finished_spans()
        assert seen["id"] == answer.run_id
        assert {span.attributes["botanu.run_id"] for span in spans} == {answer.run_id}
        assert own_span(spans).attributes[STATUS] == "success"


class TestOutcomes:
    def test_a_thread_pool_endpoint_says_how_it_ended(self, app, web):
        """It runs in a copied context; what it says reaches the run all the same."""

        @app.get("/sync")
        def sync() -> str:
            botanu.emit_outcome("partial", value_type="tickets_resolved", value_amount=2)
            return "done"

        attributes = own_span(web.send(Call(path="/sync")).spans).attributes
        assert (attributes[STATUS], attributes["botanu.outcome.value_amount"]) == ("partial", 2)

    @pytest.mark.parametrize(("code", "expected"), [(404, None), (409, None), (503, "failed")])
    def test_an_http_exception_counts_by_its_status(self, app, web, code, expected):
        """No exception leaves the application for it: what the client is told decides."""

        @app.get("/refuse")
        def refuse() -> None:
            raise HTTPException(code)

        answer = web.send(Call(path="/refuse"))
        assert (answer.status, answer.error, outcome(answer)) == (code, None, expected)

    def test_input_that_does_not_validate_is_no_failure(self, app, web):
        """422 is the client's."""

        @app.get("/number/{number}")
        def number(number: int) -> int:
            return number

        answer = web.send(Call(path="/number/seven"))
        assert (answer.status, outcome(answer)) == (422, None)

    def test_an_exception_that_a_handler_answers_is_a_success(self, app, web):
        """The application has a way to deal with it, and tells its client 200."""
        app.add_exception_handler(LookupError, lambda _request, _error: JSONResponse({"found": False}))

        @app.get("/find")
        def find() -> None:
            raise LookupError("nothing there")

        answer = web.send(Call(path="/find"))
        assert (answer.status, answer.error, outcome(answer)) == (200, None, "success")

    def test_an_exception_after_the_headers_is_a_failure(self, app, web):
        """200 is out, the body is not: failed, and no second response is begun."""

        @app.get("/half")
        def half() -> StreamingResponse:
            def chunks() -> Iterator[str]:
                yield "half"
                raise RuntimeError("no more")

            return StreamingResponse(chunks())

        answer = web.send(Call(path="/half"))
        assert (answer.status, answer.body, str(answer.error)) == (200, "half", "no more")
        assert outcome(answer) == "failed"
