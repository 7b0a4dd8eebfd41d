"""Other ASGI applications, wrapped: Litestar, Quart, and one that is written by hand."""

import asyncio
import re

import pytest
from litestar import Litestar, get
from litestar.params import FromPath
from litestar.response import Stream
from opentelemetry import trace
from quart import Quart

import botanu
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import AsgiHarness
from tests.adapters.contract import AdapterContract
from tests.adapters.harness import RUN, Call, baggage_of, own_span
from tests.adapters.pages import PAGES

STATUS = "botanu.outcome.status"
ROUTES = {path: re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)) for path in PAGES}


async def by_hand(scope, receive, send):
    """Serves `PAGES` and ``/upload`` with nothing but the specification."""
    if scope["type"] == "lifespan":
        return
    status, chunks = 200, None
    if scope["path"] == "/upload":
        chunks = iter([str(len((await receive())["body"]))])
    for path, pattern in ROUTES.items():
        if found := pattern.fullmatch(scope["path"]):
            scope |= {"path_template": path, "path_params": found.groupdict()}
            page = PAGES[path](**found.groupdict())
            status, chunks = (page[0], iter([page[1]])) if isinstance(page, tuple) else (200, page)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    gone = asyncio.create_task(gone_away(receive))
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk.encode(), "more_body": True})
        await asyncio.sleep(0)
        if gone.done():
            return
    gone.cancel()
    await send({"type": "http.response.body"})


async def gone_away(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


class TestByHand(AdapterContract):
    """It keeps the whole contract; only that nobody answers for an exception of its pages."""

    @pytest.fixture
    def build(self):
        class Harness(AsgiHarness):
            def send(self, call, **conversation):
                answer = super().send(call, **conversation)
                # What a server answers.
                return answer if answer.status else type(answer)(**{**vars(answer), "status": 500})

        def made(exporter, *, installs=1, **options):
            app = by_hand
            for _ in range(installs):
                app = BotanuMiddleware(app, **options)
            return Harness(exporter, app)

        return made


def litestar():
    @get("/item/{name:str}", media_type="text/plain")
    async def item(name: FromPath[str]) -> str:
        trace.get_tracer("library").start_span("page").end()
        return botanu.get_run_id()

    @get("/stream")
    async def stream() -> Stream:
        return Stream(chunks())

    @get("/fail")
    async def fail() -> None:
        raise LookupError("no more")

    return Litestar([item, stream, fail])


def quart():
    app = Quart(__name__)

    @app.get("/item/<name>")
    async def item(name):
        trace.get_tracer("library").start_span("page").end()
        return botanu.get_run_id()

    @app.get("/stream")
    async def stream():
        return chunks()

    @app.get("/fail")
    async def fail():
        raise LookupError("no more")

    return app


async def chunks():
    for _ in range(3):
        await asyncio.sleep(0)
        yield f"{botanu.get_run_id()}\n"


@pytest.mark.parametrize("make", [litestar, quart])
class TestFrameworks:
    @pytest.fixture
    def web(self, exported, make):
        return AsgiHarness(exported, BotanuMiddleware(make()))

    @pytest.mark.parametrize("headers", [[], [baggage_of(run_id=RUN)]], ids=["opened", "joined"])
    @pytest.mark.parametrize("path", ["/item/kettle", "/stream"])
    def test_a_request_is_one_run_to_its_last_chunk(self, web, path, headers):
        """Page, header and spans tell of the same; it ended well."""
        answer = web.send(Call(path=path, headers=headers))
        assert set(answer.body.split()) == {answer.run_id}
        assert answer.run_id == RUN or not headers
        assert {span.attributes["botanu.run_id"] for span in answer.spans} == {answer.run_id}
        assert own_span(answer.spans).attributes[STATUS] == "success"

    def test_no_path_makes_a_name(self, web, make):
        """Litestar tells its route; who does not has a span named by the method."""
        name = own_span(web.send(Call(path="/item/kettle")).spans).name
        assert name == ("GET /item/{name}" if make is litestar else "GET")

    def test_a_failure_that_the_framework_answers(self, web):
        """500: failed."""
        answer = web.send(Call(path="/fail"))
        assert (answer.status, own_span(answer.spans).attributes[STATUS]) == (500, "failed")

    def test_a_client_that_leaves_cancels(self, web):
        """Between two chunks."""
        answer = web.send(Call(path="/stream", leaves_after=1))
        assert own_span(answer.spans).attributes[STATUS] == "canceled"
