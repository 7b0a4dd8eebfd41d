"""Websockets: one run a connection, from the handshake until the application returns."""

import asyncio

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

import botanu
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi_apps import NO_NATIVE_TELEMETRY
from tests.adapters.harness import RUN, RUN_HEADER, baggage_of, own_span

STATUS = "botanu.outcome.status"


def served(talk, **options):
    """A client of an application that talks like this."""
    app = Starlette(routes=[Mount("/shops/{shop}", routes=[WebSocketRoute("/talk/{room}", talk)])])
    app.add_middleware(BotanuMiddleware, **options)
    return TestClient(app)


def connected(client, **headers):
    """A connection to it."""
    return client.websocket_connect("/shops/tea/talk/7", headers=headers)


def own(exported):
    return own_span(exported.get_finished_spans())


def outcome(exported):
    return own(exported).attributes.get(STATUS)


async def echo(socket: WebSocket) -> None:
    """Says for every message which run it was heard in."""
    await socket.accept()
    async for _ in socket.iter_text():
        trace.get_tracer("library").start_span("message").end()
        await socket.send_text(botanu.get_run_id())


class TestTheRun:
    def test_a_connection_is_one_run(self, exported):
        """Handshake, every message and every span tell of it; it is over when the connection is."""
        with connected(served(echo)) as socket:
            (run_id,) = [value for name, value in socket.extra_headers if name == RUN_HEADER.encode()]
            for _ in range(3):
                socket.send_text("hello")
                assert socket.receive_text() == run_id.decode()
            assert [span.name for span in exported.get_finished_spans()] == ["message"] * 3
        spans = exported.get_finished_spans()
        assert {span.attributes["botanu.run_id"] for span in spans} == {run_id.decode()}
        assert len({span.context.trace_id for span in spans}) == 1

    def test_its_span_is_named_by_the_route(self, exported):
        """An upgraded GET: template, status and path."""
        with connected(served(echo)):
            pass
        span = own(exported)
        told = {"http.request.method": "GET", "http.response.status_code": 101, "url.path": "/shops/tea/talk/7",
                "http.route": "/shops/{shop}/talk/{room}"}  # fmt: skip
        assert span.attributes.items() >= told.items()
        assert (span.name, span.kind) == ("GET /shops/{shop}/talk/{room}", SpanKind.SERVER)

    def test_a_neighbours_run_is_joined(self, exported):
        """The headers of the handshake carry it."""
        name, value = baggage_of(run_id=RUN, event_id="T-1")
        with connected(served(echo), **{name: value.decode()}) as socket:
            socket.send_text("hello")
            assert socket.receive_text() == RUN
        assert own(exported).attributes["botanu.event_id"] == "T-1"

    def test_a_strangers_run_is_refused(self, exported):
        """As in a request."""
        app = Starlette(routes=[WebSocketRoute("/", echo)])
        app.add_middleware(BotanuMiddleware)
        name, value = baggage_of(run_id=RUN)
        client = TestClient(app, client=("203.0.113.9", 4711))
        with client.websocket_connect("/", headers={name: value.decode()}) as socket:
            socket.send_text("hello")
            assert socket.receive_text() != RUN

    def test_an_event_for_each_message_names_the_run_once_and_nests_then(self, exported):
        """The first transaction is the connection's; others in it have runs of their own, inside it."""

        async def tickets(socket: WebSocket) -> None:
            await socket.accept()
            async for ticket in socket.iter_text():
                with botanu.event(workflow="Support", event_id=ticket):
                    await socket.send_text(botanu.get_run_id())

        run_ids = []
        with connected(served(tickets)) as socket:
            for ticket in ("T-1", "T-2"):
                socket.send_text(ticket)
                run_ids.append(socket.receive_text())
        attributes = own(exported).attributes
        assert (attributes["botanu.run_id"], attributes["botanu.event_id"]) == (run_ids[0], "T-1")
        (nested,) = [span for span in exported.get_finished_spans() if span.attributes["botanu.run_id"] == run_ids[1]]
        assert nested.attributes["botanu.parent_run_id"] == run_ids[0]

    def test_options_are_those_of_requests(self, exported):
        """Ids from the handshake, what only the route knows, another header; and what is excluded is so."""
        options = {
            "customer_id": lambda connection: connection.headers.get("x-customer"),
            "event_id": lambda connection: connection.path_params["room"],
            "response_header": "x-run",
        }
        with connected(served(echo, **options), **{"x-customer": "acme"}) as socket:
            assert [name for name, _ in socket.extra_headers] == [b"x-run"]
        attributes = own(exported).attributes
        assert (attributes["botanu.customer_id"], attributes["botanu.event_id"]) == ("acme", "7")
        exported.clear()
        with connected(served(echo, exclude=["/shops/*"])) as socket:
            assert socket.extra_headers == []
        assert exported.get_finished_spans() == ()

    def test_a_second_install_changes_nothing(self, exported):
        """One run, one span, one header."""
        client = served(echo)
        client.app = BotanuMiddleware(client.app)
        with connected(client) as socket:
            assert [name.decode() for name, _ in socket.extra_headers] == [RUN_HEADER]
        own(exported)


async def accepts_and_returns(socket: WebSocket) -> None:
    await socket.accept()


async def breaks(socket: WebSocket) -> None:
    await socket.accept()
    raise LookupError("no more")


async def waits(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive_text()  # raises WebSocketDisconnect, which hardly anybody catches


def closes(code):
    async def closes(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(code)

    return closes


class TestHowItEnds:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [(1000, "success"), (1001, "success"), (1005, "success"), (1006, "canceled"), (1009, "canceled"),
         (4000, "canceled")],
    )  # fmt: skip
    @pytest.mark.parametrize("talk", [echo, waits])
    def test_the_client_says_goodbye_or_does_not(self, exported, code, expected, talk):
        """A goodbye is a success, with a word or without; any other end is one that the client has not wanted."""

        def leave():
            with connected(served(talk)) as socket:
                socket.close(code)

        if talk is waits:
            with pytest.raises(WebSocketDisconnect):
                leave()
        else:
            leave()
        assert outcome(exported) == expected
        assert own(exported).status.status_code is StatusCode.UNSET

    def test_a_connection_that_is_lost_is_no_goodbye(self, exported):
        """uvicorn's word for it is that of a goodbye without a code, less the reason."""
        messages = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1005}]

        async def app(scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            await receive()

        async def receive():
            return messages.pop(0)

        async def send(message):
            pass

        asyncio.run(BotanuMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, receive, send))
        assert outcome(exported) == "canceled"

    @pytest.mark.parametrize(
        ("code", "expected"),
        [(1000, "success"), (1001, "success"), (1011, "failed"), (1013, "failed"), (1003, None), (1008, None),
         (4001, None)],
    )  # fmt: skip
    def test_the_application_says_why_it_closes(self, exported, code, expected):
        """A mistake of its own is a failure; what it refuses to a client is nobody's, as a 4xx."""
        with connected(served(closes(code))) as socket, pytest.raises(WebSocketDisconnect):
            socket.receive_text()
        assert outcome(exported) == expected

    def test_an_application_that_returns_has_done_its_work(self, exported):
        """The server closes for it."""
        with connected(served(accepts_and_returns)):
            pass
        assert outcome(exported) == "success"

    def test_an_exception_is_a_failure_and_passes(self, exported):
        """On the span once."""
        with pytest.raises(LookupError, match="no more"), connected(served(breaks)) as socket:
            socket.receive_text()
        span = own(exported)
        assert (span.attributes[STATUS], span.status.status_code) == ("failed", StatusCode.ERROR)
        assert [event.name for event in span.events] == ["exception"]

    def test_on_error_is_asked(self, exported):
        """As in a request."""
        client = served(breaks, on_error=lambda error, connection: connection.path_params["room"] and "partial")
        with pytest.raises(LookupError), connected(client) as socket:
            socket.receive_text()
        assert outcome(exported) == "partial"

    def test_a_handshake_that_is_refused_is_nobodys_fault(self, exported):
        """Closed before it was accepted: the client is told 403."""

        async def refuses(socket: WebSocket) -> None:
            await socket.close()

        with pytest.raises(WebSocketDisconnect), connected(served(refuses)):
            pass
        assert outcome(exported) is None
        assert own(exported).attributes["http.response.status_code"] == 403

    @pytest.mark.parametrize(("code", "expected"), [(401, None), (503, "failed")])
    def test_a_handshake_that_is_denied_with_an_answer(self, exported, code, expected):
        """Its status decides, and it has our header."""

        async def denies(socket: WebSocket) -> None:
            await socket.send_denial_response(PlainTextResponse("no", code))

        with pytest.raises(WebSocketDenialResponse) as denied, connected(served(denies)):
            pass
        attributes = own(exported).attributes
        assert denied.value.headers[RUN_HEADER] == attributes["botanu.run_id"]
        assert (attributes.get(STATUS), attributes["http.response.status_code"]) == (expected, code)

    @pytest.mark.parametrize(
        ("raised", "expected"),
        [(WebSocketException(1008), None), (HTTPException(403), None), (HTTPException(503), "failed")],
    )
    def test_what_starlette_answers_is_no_exception(self, exported, raised, expected):
        """`WebSocketException` closes, `HTTPException` denies."""

        async def refuses(socket: WebSocket) -> None:
            raise raised

        with pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)), connected(served(refuses)):
            pass
        assert outcome(exported) == expected

    def test_a_client_that_is_gone_before_it_was_answered_cancels(self, exported):
        """Nothing was accepted, nothing denied."""

        async def app(scope, receive, send):
            assert (await receive())["type"] == "websocket.connect"
            assert (await receive())["type"] == "websocket.disconnect"

        messages = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1005}]

        async def receive():
            return messages.pop(0)

        async def send(message):
            raise AssertionError

        asyncio.run(BotanuMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, receive, send))
        assert outcome(exported) == "canceled"

    def test_an_application_that_never_answers_has_failed(self, exported):
        """It returns from the handshake without a word, and the client is still there."""

        async def app(scope, receive, send):
            await receive()

        async def receive():
            return {"type": "websocket.connect"}

        asyncio.run(BotanuMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, receive, None))
        assert outcome(exported) == "failed"

    def test_a_send_to_nobody_cancels(self, exported):
        """A server that raises `OSError`, as ASGI asks for."""

        async def app(scope, receive, send):
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "hello"})

        async def send(message):
            if message["type"] == "websocket.send":
                raise OSError("gone")

        with pytest.raises(OSError, match="gone"):
            asyncio.run(BotanuMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, None, send))
        assert outcome(exported) == "canceled"

    def test_the_users_word_wins(self, exported):
        """Said anywhere in the connection."""

        async def says(socket: WebSocket) -> None:
            await socket.accept()
            botanu.emit_outcome("partial")
            await socket.close(1011)

        with connected(served(says)) as socket, pytest.raises(WebSocketDisconnect):
            socket.receive_text()
        assert outcome(exported) == "partial"


class TestBesideOthers:
    @pytest.mark.parametrize("telemetry", [NO_NATIVE_TELEMETRY, None], ids=["our span", "FastAPI's telemetry"])
    def test_fastapi_with_its_own_telemetry(self, exported, telemetry):
        """One run on all spans, whoever makes the server span."""
        app = FastAPI(telemetry=telemetry)
        app.add_api_websocket_route("/talk/{room}", echo)
        app.add_middleware(BotanuMiddleware)
        with TestClient(app).websocket_connect("/talk/7") as socket:
            socket.send_text("hello")
            run_id = socket.receive_text()
        spans = exported.get_finished_spans()
        assert {span.attributes["botanu.run_id"] for span in spans} == {run_id}
        assert own_span(spans).attributes[STATUS] == "success"

    def test_middleware_for_http_lets_it_pass(self, exported):
        """`BaseHTTPMiddleware` knows nothing of websockets, outside of ours or inside."""

        class Passing(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                raise AssertionError

        app = Starlette(routes=[WebSocketRoute("/", echo)])
        for each in (Passing, BotanuMiddleware, Passing):
            app.add_middleware(each)
        with TestClient(app).websocket_connect("/") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == own_id(socket)

    def test_nothing_is_left_behind(self, exported):
        """Run, baggage and span are gone from the task that served."""
        left = []

        async def app(scope, receive, send):
            await BotanuMiddleware(accepts)(scope, receive, send)
            left.extend([botanu.get_run_id(), trace.get_current_span().get_span_context().is_valid])

        async def accepts(scope, receive, send):
            await send({"type": "websocket.accept"})

        async def send(message):
            pass

        asyncio.run(app({"type": "websocket", "path": "/", "headers": []}, None, send))
        assert left == [None, False]


def own_id(socket):
    return dict(socket.extra_headers)[RUN_HEADER.encode()].decode()
