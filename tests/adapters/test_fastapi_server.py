"""On a real uvicorn, over raw sockets: what clients do that no client library would."""

import asyncio
import re
import socket
import threading

import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanKind, get_tracer_provider
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

import botanu
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi_apps import NO_NATIVE_TELEMETRY, fastapi_async, fastapi_sync, starlette_added
from tests.adapters.harness import RUN
from tests.support.servers import Server, raw_request

STATUS = "botanu.outcome.status"
PATIENCE_S = 30.0


class Ended(SpanProcessor):
    """Tells when server spans end."""

    def __init__(self):
        self.spans: list[ReadableSpan] = []
        self._more = threading.Condition()

    def on_end(self, span):
        if span.kind is SpanKind.SERVER:
            with self._more:
                self.spans.append(span)
                self._more.notify_all()

    def wait(self, count=1):
        """The server spans, as soon as there are so many."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.spans) >= count, PATIENCE_S), "a server span never ended"
            return list(self.spans)


@pytest.fixture
def ended(exported):
    found = Ended()
    get_tracer_provider().add_span_processor(found)
    return found


class Connection:
    """A socket that speaks HTTP by hand."""

    def __init__(self, server):
        self._socket = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
        self._got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, data):
        """Send bytes as they are."""
        self._socket.sendall(data)

    def until(self, end):
        """What came up to and with `end`, a pattern."""
        while not (found := re.search(end, self._got)):
            more = self._socket.recv(65536)
            assert more, f"the server closed the connection after {self._got!r}"
            assert len(self._got) < 1_000_000, f"no {end!r} came"
            self._got += more
        text, self._got = self._got[: found.end()], self._got[found.end() :]
        return text

    def response(self):
        """One response with a length: status, run id, body."""
        head = self.until(rb"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        body = self.until(rb"(?s).{%d}" % length) if length else b""
        run_ids = re.findall(rb"x-botanu-run-id: (\S+)", head)
        assert len(run_ids) <= 1
        return int(head.split()[1]), run_ids[0].decode() if run_ids else None, body.decode()

    def cut(self):
        """Close at once, with a reset instead of a goodbye."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()


@pytest.fixture(
    scope="module", params=[fastapi_sync, fastapi_async, starlette_added], ids=["sync", "native telemetry", "Starlette"]
)
def server(request):
    """The pages of the contract suite, served for the whole module: telemetry comes and goes with each test."""
    with Server(request.param(None).app) as running:
        yield running


class TestConnections:
    def test_each_request_of_a_connection_has_a_run_of_its_own(self, server, ended):
        """Keep-alive: five requests, five runs; the third brings its own."""
        run_ids = []
        with Connection(server) as connection:
            for number in range(5):
                headers = [b"baggage: botanu.run_id=" + RUN.encode()] if number == 2 else []
                connection.send(raw_request("/plain", *headers))
                status, run_id, body = connection.response()
                assert (status, body) == (200, run_id)
                run_ids.append(run_id)
        assert run_ids[2] == RUN
        assert len(set(run_ids)) == 5
        assert [span.attributes["botanu.run_id"] for span in ended.wait(5)] == run_ids

    def test_requests_sent_at_once_on_one_connection(self, server, ended):
        """Pipelined: three requests in one packet get three runs, in order."""
        with Connection(server) as connection:
            connection.send(raw_request("/plain") * 3)
            run_ids = [connection.response()[1] for _ in range(3)]
        assert len(set(run_ids)) == 3
        assert [span.attributes["botanu.run_id"] for span in ended.wait(3)] == run_ids

    def test_an_old_client_without_a_host(self, server, ended):
        """HTTP/1.0 and nothing but a path."""
        with Connection(server) as connection:
            connection.send(b"GET /plain HTTP/1.0\r\n\r\n")
            status, run_id, body = connection.response()
        assert (status, body) == (200, run_id)

    @pytest.mark.parametrize(
        "line",
        [
            b"baggage: botanu.run_id=" + RUN.encode() + b",botanu.customer_id=EVIL\xff\xfe",
            b"baggage: botanu.run_id=" + RUN.encode() + b"\t,botanu.customer_id=" + b"EVIL" * 5000,
            b"baggage: " + b",".join(b"k%d=EVIL" % number for number in range(200)) + b",botanu.run_id=" + RUN.encode(),
            b"x-forwarded-for: 203.0.113.9\r\nbaggage: botanu.run_id=" + RUN.encode(),
            b"x-odd: \xff\xfe",
            b"traceparent: 00-EVIL-\xff",
        ],
    )
    def test_strange_headers_as_bytes(self, server, ended, line):
        """What a server lets through is answered with 200 and a fresh run, and not echoed."""
        with Connection(server) as connection:
            connection.send(raw_request("/plain", line, b"connection: close"))
            head = connection.until(rb"\r\n\r\n")
        assert b" 200 " in head
        assert b"EVIL" not in head
        (span,) = ended.wait()
        assert span.attributes["botanu.run_id"] != RUN
        assert "EVIL" not in repr(dict(span.attributes))

    def test_a_header_only_request_and_one_without_a_body(self, server, ended):
        """HEAD is refused or served without a body; the next request on the connection is its own."""
        with Connection(server) as connection:
            connection.send(raw_request("/plain", method="HEAD"))
            head = connection.until(rb"\r\n\r\n")
            connection.send(raw_request("/status/204"))
            assert b" 204 " in connection.until(rb"\r\n\r\n")
        assert b"x-botanu-run-id" in head
        assert len({span.attributes["botanu.run_id"] for span in ended.wait(2)}) == 2


class TestClientsThatLeave:
    @pytest.mark.parametrize("leave", ["close", "reset"])
    def test_in_the_middle_of_a_stream(self, server, ended, leave):
        """A socket that closes after the second chunk: the run is canceled, and its server span ends."""
        with Connection(server) as connection:
            connection.send(raw_request("/endless"))
            connection.until(rb"(?s)\n.*\n.*\n\r\n")
            if leave == "reset":
                connection.cut()
        (span,) = ended.wait()
        assert span.attributes[STATUS] == "canceled"

    def test_in_the_middle_of_server_sent_events(self, exported, ended):
        """FastAPI's own generator in a task of its own is cancelled; the run is canceled."""
        app = FastAPI(telemetry=NO_NATIVE_TELEMETRY)

        @app.get("/events", response_class=EventSourceResponse)
        async def events():
            number = 0
            while True:
                number += 1
                await asyncio.sleep(0)  # else nothing in this thread would ever hear that the client is gone
                yield {"number": number, "run": botanu.get_run_id()}

        app.add_middleware(BotanuMiddleware)
        with Server(app) as server, Connection(server) as connection:
            connection.send(raw_request("/events"))
            connection.until(rb'"number": ?2\b')
            connection.cut()
            (span,) = ended.wait()
        assert span.attributes[STATUS] == "canceled"

    def test_before_the_answer(self, exported, ended):
        """Nobody waits for it any more, nobody has told the endpoint: it does its work, and that is a success."""
        gone, begun = threading.Event(), threading.Event()

        def slow(request):
            begun.set()
            assert gone.wait(PATIENCE_S)
            return PlainTextResponse("done")

        app = Starlette(routes=[Route("/slow", slow)])
        app.add_middleware(BotanuMiddleware)
        with Server(app) as server:
            with Connection(server) as connection:
                connection.send(raw_request("/slow"))
                assert begun.wait(PATIENCE_S)
                connection.cut()
            gone.set()
            (span,) = ended.wait()
        assert span.attributes[STATUS] in ("success", "canceled")

    def test_in_the_middle_of_an_upload(self, exported, ended):
        """Half the body, then nothing: `ClientDisconnect` inside, a canceled run."""

        async def upload(request):
            return PlainTextResponse(str(len(await request.body())))

        app = Starlette(routes=[Route("/upload", upload, methods=["POST"])])
        app.add_middleware(BotanuMiddleware)
        with Server(app) as server:
            with Connection(server) as connection:
                connection.send(raw_request("/upload", b"content-length: 100", method="POST") + b"half")
            (span,) = ended.wait()
        assert span.attributes[STATUS] == "canceled"

    def test_a_server_that_shuts_down_cancels_what_is_open(self, exported, ended):
        """A stream that does not end is cut at shutdown; the run has an end all the same."""

        async def endless(request):
            async def chunks():
                while True:
                    yield "chunk\n"
                    await asyncio.sleep(0.01)

            return StreamingResponse(chunks())

        app = Starlette(routes=[Route("/endless", endless)])
        app.add_middleware(BotanuMiddleware)
        with Server(app, timeout_graceful_shutdown=0) as server:
            connection = Connection(server)
            connection.send(raw_request("/endless"))
            connection.until(rb"chunk")
        connection.cut()
        (span,) = ended.wait()
        assert span.attributes[STATUS] == "canceled"


class TestErrors:
    def test_an_exception_is_answered_and_the_connection_goes_on(self, server, ended):
        """500, the next request is served, and both runs have their outcome."""
        with Connection(server) as connection:
            connection.send(raw_request("/boom"))
            assert b" 500 " in connection.until(rb"\r\n\r\n")
        with Connection(server) as connection:
            connection.send(raw_request("/plain"))
            assert connection.response()[0] == 200
        assert [span.attributes[STATUS] for span in ended.wait(2)] == ["failed", "success"]
