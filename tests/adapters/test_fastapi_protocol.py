"""ASGI itself: every message passes, each way to end a response is known, and nothing but HTTP is touched."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

import botanu
from botanu_core.runtime import guard
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import AsgiHarness, Conversation, http_scope
from tests.adapters.harness import RUN_HEADER, Call, own_span

START = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b"last"}


def app_that_sends(*messages, ended=None):
    """A raw application; `ended` learns after each message whether the run has ended."""

    async def app(scope, receive, send):
        run = botanu.get_current_run()
        for message in messages:
            await send(message)
            if ended is not None:
                ended.append(run.ended)

    return BotanuMiddleware(app)


def outcome(answer):
    return own_span(answer.spans).attributes.get("botanu.outcome.status")


class TestTheLastMessage:
    @pytest.mark.parametrize(
        "messages",
        [
            pytest.param([LAST], id="a body"),
            pytest.param([{**LAST, "more_body": True}, {"type": "http.response.body"}], id="chunks, then nothing more"),
            pytest.param([{"type": "http.response.pathsend", "path": "/etc/hostname"}], id="a path"),
            pytest.param(
                [{"type": "http.response.zerocopysend", "file": 3, "more_body": True}, LAST], id="a file and a body"
            ),
            pytest.param([{"type": "http.response.zerocopysend", "file": 3}], id="a file"),
        ],
    )
    def test_the_run_ends_with_it_and_not_before(self, exported, messages):
        """Whichever message is the last by the specification."""
        ended = []
        answer = AsgiHarness(exported, app_that_sends(START, *messages, ended=ended)).send(Call(path="/"))
        assert ended == [False] * len(messages) + [True]
        assert outcome(answer) == "success"

    @pytest.mark.parametrize("body", [LAST, {"type": "http.response.pathsend", "path": "/etc/hostname"}])
    def test_trailers_come_after_the_body(self, exported, body):
        """A response that has announced trailers ends with the last of them."""
        ended = []
        trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
        messages = [{**START, "trailers": True}, body, {**trailers, "more_trailers": True}, trailers]
        answer = AsgiHarness(exported, app_that_sends(*messages, ended=ended)).send(Call(path="/"))
        assert ended == [False, False, False, True]
        assert outcome(answer) == "success"

    @pytest.mark.parametrize("messages", [[], [START], [START, {**LAST, "more_body": True}]])
    def test_an_application_that_stops_half_way_has_failed(self, exported, messages):
        """It returns without the rest of its response, and nobody has left: that is a mistake of its own."""
        assert outcome_of_raw(exported, app_that_sends(*messages)) == "failed"

    def test_an_application_that_notices_the_end_and_stops_is_canceled(self, exported):
        """It reads `http.disconnect` and returns without an answer: the client was gone."""

        async def app(scope, receive, send):
            while (await receive())["type"] != "http.disconnect":
                pass

        class Leaves(Conversation):
            async def receive(self):
                return {"type": "http.disconnect"}

        web = AsgiHarness(exported, BotanuMiddleware(app))
        web.conversation = Leaves
        web.send(Call(path="/"))
        assert own_span(exported.get_finished_spans()).attributes["botanu.outcome.status"] == "canceled"

    def test_an_application_that_notices_the_end_and_says_goodbye_is_canceled(self, exported):
        """It ends its stream in peace once the client has gone: nobody has got the rest."""

        async def app(scope, receive, send):
            await send(START)
            await send({**LAST, "more_body": True})
            await receive()
            assert (await receive())["type"] == "http.disconnect"
            await send(LAST)

        answer = AsgiHarness(exported, BotanuMiddleware(app)).send(Call(path="/", leaves_after=1))
        assert outcome(answer) == "canceled"

    @pytest.mark.parametrize(
        ("raised", "expected"),
        [
            (ConnectionResetError(), "canceled"),
            (ExceptionGroup("of a task group", [anyio.BrokenResourceError()]), "canceled"),
            (ExceptionGroup("of a task group", [anyio.BrokenResourceError(), KeyError("ours")]), "failed"),
            (KeyError("ours"), "failed"),
        ],
    )
    def test_what_is_raised_because_nobody_listens_is_no_failure(self, exported, raised, expected):
        """It passes unchanged; only what has nothing to do with the client's leaving is a failure."""

        async def app(scope, receive, send):
            await send(START)
            await send({**LAST, "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            raise raised

        answer = AsgiHarness(exported, BotanuMiddleware(app)).send(Call(path="/", leaves_after=1))
        assert answer.error is raised
        assert outcome(answer) == expected


def outcome_of_raw(exported, app):
    AsgiHarness(exported, app).send(Call(path="/"))
    return own_span(exported.get_finished_spans()).attributes.get("botanu.outcome.status")


class TestMessagesPass:
    def test_what_is_no_response_passes_as_it_is(self, exported):
        """Early hints, debug information, pushes and whatever comes next reach the server as the same objects."""
        others = [
            {"type": "http.response.early_hint", "links": [b"</s.css>"]},
            {"type": "http.response.debug", "info": {"template": "t"}},
            {"type": "http.response.push", "path": "/s.css", "headers": []},
            {"type": "http.response.of_tomorrow"},
        ]
        conversation = Conversation(Call(path="/"))
        asyncio.run(conversation.lead(app_that_sends(*others, START, LAST)))
        assert all(got is sent for got, sent in zip(conversation.sent, others, strict=False))
        assert len(conversation.sent) == len(others) + 2

    def test_a_message_that_is_used_again_is_not_written_on(self, exported):
        """An application may send the same object to everybody: no run id may be left in it."""
        app = app_that_sends(START, LAST)
        first, second = (AsgiHarness(exported, app).send(Call(path="/")).run_id for _ in range(2))
        assert first != second
        assert START == {"type": "http.response.start", "status": 200, "headers": []}

    @pytest.mark.parametrize("headers", [(), None, iter([(b"x-a", b"\xff\xfe")]), [(b"X-A", b"b"), (b"x-a", b"c")]])
    def test_response_headers_of_all_kinds_stay(self, exported, headers):
        """None, an iterator, bytes that are no text, repeated names: all there, and ours behind them."""
        given = list(headers or ())
        start = {"type": "http.response.start", "status": 200, "headers": iter(given) if headers else headers}
        conversation = Conversation(Call(path="/"))
        answer = asyncio.run(conversation.lead(app_that_sends(start, LAST)))
        sent = list(conversation.sent[0]["headers"])
        assert sent == [*given, (RUN_HEADER.encode(), answer.run_id.encode())]

    @pytest.mark.parametrize("name", [b"x-botanu-run-id", b"X-Botanu-Run-Id"])
    def test_a_run_header_of_the_application_is_replaced(self, exported, name):
        """One header, one value: that of the run which the spans carry."""
        start = {**START, "headers": [(name, b"mine"), (b"x-other", b"1")]}
        answer = AsgiHarness(exported, app_that_sends(start, LAST)).send(Call(path="/"))
        assert answer.run_id == own_span(answer.spans).attributes["botanu.run_id"]
        assert ("x-other", "1") in answer.headers

    def test_the_request_body_is_neither_read_nor_kept(self, exported):
        """The application gets each chunk as the same object, and asks for it itself."""
        chunks = [{"type": "http.request", "body": b"x" * 10, "more_body": more} for more in (True, True, False)]
        got = []

        async def app(scope, receive, send):
            assert len(left) == 3, "somebody has read before the application"
            while not got or got[-1]["more_body"]:
                got.append(await receive())
            await send(START)
            await send(LAST)

        left = list(chunks)

        async def receive():
            return left.pop(0)

        async def send(message):
            pass

        asyncio.run(BotanuMiddleware(app)(http_scope(Call(path="/")), receive, send))
        assert all(one is other for one, other in zip(got, chunks, strict=True))

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("OPTIONS", 200)])
    def test_responses_without_a_body_end_too(self, exported, method, status):
        """No body is added, and the run ends."""

        async def endpoint(request: Request) -> Response:
            return Response(status_code=status)

        app = Starlette(routes=[Route("/", endpoint, methods=["GET", "OPTIONS"])])
        app.add_middleware(BotanuMiddleware)
        answer = AsgiHarness(exported, app).send(Call(path="/", method=method))
        assert (answer.status, answer.body, outcome(answer)) == (status, "", "success")
        assert len(answer.run_id) == 36

    def test_an_unknown_method_makes_no_series_of_its_own(self, exported):
        """What a stranger invents is `_OTHER` on the span."""
        answer = AsgiHarness(exported, app_that_sends(START, LAST)).send(Call(path="/", method="EVIL"))
        span = own_span(answer.spans)
        assert (span.name, span.attributes["http.request.method"]) == ("HTTP", "_OTHER")

    def test_a_scope_with_little_in_it_will_do(self, exported):
        """Only what the specification demands: no client, no root path, no headers."""
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
        conversation = Conversation(Call(path="/"))
        conversation.scope = scope
        assert asyncio.run(conversation.lead(app_that_sends(START, LAST))).status == 200


class TestOtherConnections:
    @pytest.mark.parametrize("kind", ["lifespan", "something.new"])
    def test_they_pass_with_the_same_objects(self, exported, kind):
        """Scope, `receive` and `send` are the very objects that the server gave, and there is no run."""
        got = []

        async def app(scope, receive, send):
            got.extend([scope, receive, send, botanu.get_current_run()])

        async def receive():
            raise AssertionError

        async def send(message):
            raise AssertionError

        scope = {"type": kind, "headers": [(b"baggage", b"botanu.run_id=x")], "path": "/"}
        before = dict(scope)
        asyncio.run(BotanuMiddleware(app)(scope, receive, send))
        assert got[0] is scope
        assert got[1] is receive
        assert got[2] is send
        assert got[3] is None
        assert scope == before
        assert exported.get_finished_spans() == ()

    def test_an_application_that_does_not_start_says_why(self, exported):
        """The exception of a lifespan reaches the server."""

        @asynccontextmanager
        async def lifespan(app):
            raise RuntimeError("no database")
            yield

        app = Starlette(lifespan=lifespan)
        app.add_middleware(BotanuMiddleware)
        with pytest.raises(RuntimeError, match="no database"), TestClient(app):
            pass


class TestState:
    def test_the_middleware_holds_nothing_of_a_request(self, exported):
        """After requests of all kinds it is as it was made; by `app` others walk along."""
        app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("ok"))])
        middleware = BotanuMiddleware(app)
        before = dict(vars(middleware))
        web = AsgiHarness(exported, middleware)
        web.send(Call(path="/"))
        web.send(Call(path="/none"))
        assert middleware.app is app
        assert vars(middleware) == before

    def test_one_middleware_serves_two_servers(self, exported):
        """The same object in two event loops, one after the other."""
        web = AsgiHarness(exported, app_that_sends(START, LAST))
        assert web.send(Call(path="/")).run_id != web.send(Call(path="/")).run_id

    def test_an_adapter_that_cannot_begin_steps_aside(self, exported):
        """Whatever is wrong with a scope, the application gets the request."""
        guard.strict(False)

        async def app(scope, receive, send):
            await JSONResponse({"path": scope["path"]})(scope, receive, send)

        conversation = Conversation(Call(path="/"))
        conversation.scope["headers"] = [("a text", "where bytes belong")]
        answer = asyncio.run(conversation.lead(BotanuMiddleware(app)))
        assert (answer.status, answer.body) == (200, '{"path":"/"}')
