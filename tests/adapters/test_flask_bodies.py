"""Bodies as WSGI has them: written, streamed, closed early, sent by the server as a file, or never asked for."""

import io

import pytest
from flask import Flask, Response, g, request, send_file, stream_with_context
from opentelemetry import trace
from werkzeug.test import Client

import botanu
from botanu_flask import BotanuFlask, BotanuMiddleware
from tests.adapters.harness import RUN_HEADER, Call, own_span
from tests.adapters.wsgi import WsgiHarness, environ_of

STATUS = "botanu.outcome.status"


@pytest.fixture
def flask_app():
    app = Flask("bodies")
    BotanuFlask(app)
    return app


def sent(exported, app, path="/", **call):
    return WsgiHarness(exported, app).send(Call(path=path, **call))


def ended(exported):
    """How the runs of requests ended."""
    return [span.attributes.get(STATUS) for span in exported.get_finished_spans() if "url.path" in span.attributes]


def span_and_run():
    trace.get_tracer("library").start_span("chunk").end()
    return f"{botanu.get_run_id()}\n"


class TestStreams:
    @pytest.mark.parametrize("is_with_context", [False, True])
    def test_chunks_and_what_follows_them_are_in_the_run(self, exported, flask_app, is_with_context):
        """With Flask's context and without, in the generator, in its `finally` and in `call_on_close`."""
        seen = []

        @flask_app.get("/")
        def stream():
            def chunks():
                try:
                    for _ in range(3):
                        yield span_and_run()
                finally:
                    seen.append(botanu.get_run_id())

            response = Response(stream_with_context(chunks()) if is_with_context else chunks())
            response.call_on_close(lambda: seen.append(botanu.get_run_id()))
            return response

        answer = sent(exported, flask_app)
        assert answer.body.split() == [answer.run_id] * 3
        assert seen == [answer.run_id] * 2
        assert {span.attributes["botanu.run_id"] for span in answer.spans} == {answer.run_id}
        assert ended(exported) == ["success"]

    @pytest.mark.parametrize("leaves_after", [None, 1])
    def test_teardown_sees_the_run_each_time(self, exported, flask_app, leaves_after, caplog):
        """Flask tears down when the view returns, and again when a stream with its context ends, however it ends."""
        seen = []
        flask_app.teardown_request(lambda error: seen.append(botanu.get_run_id()))
        flask_app.teardown_appcontext(lambda error: seen.append(botanu.get_run_id()))

        @flask_app.get("/")
        def stream():
            g.names = ["a", "b"]
            return Response(stream_with_context(f"{name}{request.path}" for name in g.names))

        answer = sent(exported, flask_app, leaves_after=leaves_after)
        assert len(seen) >= 2
        assert set(seen) == {answer.run_id}
        assert ended(exported) == ["canceled" if leaves_after else "success"]
        assert caplog.records == []

    def test_a_context_that_is_entered_in_the_view_is_left_in_the_body(self, exported, flask_app):
        """As `stream_with_context` did until Flask 3.1.1: a token is good in the context that it was made in only."""
        from contextvars import ContextVar

        variable = ContextVar("entered", default="nothing")

        @flask_app.get("/")
        def stream():
            token = variable.set("in the view")

            def chunks():
                yield variable.get()
                variable.reset(token)

            return Response(chunks())

        assert sent(exported, flask_app).body == "in the view"
        assert variable.get() == "nothing"

    @pytest.mark.parametrize("taken", [0, 1])
    def test_a_generator_in_the_middle_is_closed_inside_the_run(self, exported, flask_app, taken):
        """Its `GeneratorExit` is the client's leaving: the run is canceled, and not before the generator has ended."""
        seen = []

        @flask_app.get("/")
        def stream():
            def chunks():
                try:
                    while True:
                        yield span_and_run()
                except GeneratorExit:
                    seen.append((botanu.get_run_id(), ended(exported)))
                    raise

            return Response(chunks())

        body = flask_app(environ_of(Call(path="/")), lambda *_: None)
        steps = iter(body)
        for _ in range(taken):
            next(steps)
        body.close()
        assert ended(exported) == ["canceled"]
        assert seen == [(own_span(exported.get_finished_spans()[-1:]).attributes["botanu.run_id"], [])] * taken

    def test_a_generator_that_raises_midway(self, exported, flask_app):
        """The exception reaches the server as it is, and is on the span with the route."""

        @flask_app.get("/reports/<int:number>")
        def stream(number):
            def chunks():
                yield "half"
                raise LookupError("no more")

            return Response(chunks())

        answer = sent(exported, flask_app, "/reports/7")
        span = own_span(answer.spans)
        assert (answer.status, answer.body, repr(answer.error)) == (200, "half", "LookupError('no more')")
        assert (span.name, span.attributes[STATUS]) == ("GET /reports/<int:number>", "failed")

    def test_a_body_that_is_dropped_is_canceled(self, exported, flask_app):
        """A server that neither exhausts nor closes a body it has begun lets go of it."""
        flask_app.add_url_rule("/", view_func=lambda: Response(iter(["a", "b"])))
        body = flask_app(environ_of(Call(path="/")), lambda *_: None)
        steps = iter(body)
        next(steps)
        assert ended(exported) == []
        del steps, body
        assert ended(exported) == ["canceled"]


class TestHalfReadAnswers:
    """Flask's test client takes the first chunk, and the rest only when somebody looks at it."""

    def test_a_page_whose_body_is_not_looked_at(self, exported, flask_app):
        """All of it has come: Content-Length says so."""
        flask_app.add_url_rule("/", view_func=lambda: "page")
        answer = flask_app.test_client().get("/")
        assert answer.status_code == 200
        assert ended(exported) == ["success"]
        assert answer.text == "page"

    def test_a_page_whose_body_is_closed_unread(self, exported, flask_app):
        """Likewise."""
        flask_app.add_url_rule("/", view_func=lambda: "page")
        flask_app.test_client().get("/").close()
        assert ended(exported) == ["success"]

    def test_a_page_that_is_closed_before_any_of_it(self, exported, flask_app):
        """Nobody has got anything."""
        flask_app.add_url_rule("/", view_func=lambda: "page")
        flask_app(environ_of(Call(path="/")), lambda *_: None).close()
        assert ended(exported) == ["canceled"]

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("OPTIONS", 200)])
    def test_an_answer_without_a_body(self, exported, flask_app, method, status):
        """It is whole when it has begun, whether the server asks for a body or only closes it."""
        flask_app.add_url_rule("/", view_func=lambda: Response("page", status))
        for is_asked in (True, False):
            body = flask_app(environ_of(Call(path="/", method=method)), lambda *_: None)
            if is_asked:
                assert b"".join(body) == b""
            body.close()
        assert ended(exported) == ["success"] * 2


class Sender:
    """A server that sends files by itself, if they are still what it made of them."""

    class Wrapper:
        def __init__(self, file, size=8192):
            self.file = file
            self.close = file.close

    def __init__(self, app):
        self.app = app

    def send(self, fails=None):
        """Send the body as gunicorn does: the error of the socket is on its way when the body is closed."""
        environ = environ_of(Call(path="/file"), **{"wsgi.file_wrapper": self.Wrapper})
        body = self.app(environ, lambda *_: None)
        try:
            assert isinstance(body, self.Wrapper)
            if fails is not None:
                raise fails
            return body.file.read()
        finally:
            body.close()


class TestFiles:
    @pytest.fixture
    def file(self):
        return io.BytesIO(b"contents")

    @pytest.fixture
    def sender(self, flask_app, file):
        flask_app.add_url_rule("/file", view_func=lambda: send_file(file, "text/plain"))
        return Sender(flask_app)

    def test_the_server_gets_its_own_wrapper_back(self, exported, sender, file):
        """So that it can use sendfile; the run ends when it closes it."""
        assert sender.send() == b"contents"
        assert file.closed
        assert ended(exported) == ["success"]

    @pytest.mark.parametrize("error", [BrokenPipeError(), ConnectionResetError()])
    def test_a_client_that_leaves_while_it_is_sent(self, exported, sender, file, error):
        """The file is closed, the run canceled, and the server hears its own error."""
        with pytest.raises(type(error)):
            sender.send(error)
        assert file.closed
        assert ended(exported) == ["canceled"]

    def test_a_wrapper_that_cannot_be_watched(self, exported):
        """The run ends with the call, and the server has its file."""

        class Closed:
            __slots__ = ("file",)

            def __init__(self, file, size=8192):
                self.file = file

        def app(environ, start_response):
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](io.BytesIO())

        body = BotanuMiddleware(app)(environ_of(Call(path="/"), **{"wsgi.file_wrapper": Closed}), lambda *_: None)
        assert type(body) is Closed
        assert ended(exported) == ["success"]

    def test_a_wrapper_that_is_a_function(self, exported, tmp_path):
        """uWSGI's gives the file itself back, and looks for that one."""
        (tmp_path / "file").write_bytes(b"contents")
        with (tmp_path / "file").open("rb") as file:

            def app(environ, start_response):
                start_response("200 OK", [])
                return environ["wsgi.file_wrapper"](file)

            environ = environ_of(Call(path="/"), **{"wsgi.file_wrapper": lambda file, size=8192: file})
            body = BotanuMiddleware(app)(environ, lambda *_: None)
            assert body is file
            body.close()
            assert file.closed
        assert ended(exported) == ["success"]

    def test_a_server_without_a_wrapper(self, exported, flask_app, sender):
        """Werkzeug reads the file in chunks, inside the run."""
        assert Client(flask_app).get("/file").data == b"contents"
        assert ended(exported) == ["success"]


class TestStartResponse:
    def test_what_is_written_is_sent(self, exported):
        """The old way: `write`, and no body."""

        def app(environ, start_response):
            write = start_response("200 OK", [])
            write(botanu.get_run_id().encode())
            return []

        answer = sent(exported, BotanuMiddleware(app))
        assert answer.body == answer.run_id
        assert ended(exported) == ["success"]

    def test_a_client_that_is_gone_when_something_is_written(self, exported):
        """The error is the server's, and passes through the application: the run is canceled."""

        def app(environ, start_response):
            start_response("200 OK", [])(b"page")
            return []

        def gone(data):
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            BotanuMiddleware(app)(environ_of(Call(path="/")), lambda *_: gone)
        assert ended(exported) == ["canceled"]

    def test_a_second_response_takes_the_place_of_the_first(self, exported):
        """An error handler inside has thought better of it: the server gets `exc_info`, and the status counts."""
        import sys

        heard = []

        def app(environ, start_response):
            start_response("200 OK", [])
            try:
                raise LookupError("nothing there")
            except LookupError:
                start_response("500 Oh", [("X-Error", "1")], sys.exc_info())
            return [b"oh"]

        def start_response(status, headers, exc_info=None):
            heard.append((status, [name for name, _ in headers], exc_info and exc_info[0]))
            return lambda data: None

        list(BotanuMiddleware(app)(environ_of(Call(path="/")), start_response))
        assert heard == [("200 OK", [RUN_HEADER], None), ("500 Oh", ["X-Error", RUN_HEADER], LookupError)]
        assert ended(exported) == ["failed"]

    def test_a_response_that_begins_with_the_first_chunk(self, exported):
        """Generators are applications, too."""

        def app(environ, start_response):
            start_response("200 OK", [])
            yield botanu.get_run_id().encode()

        answer = sent(exported, BotanuMiddleware(app))
        assert answer.body == answer.run_id
        assert ended(exported) == ["success"]

    def test_an_application_that_never_answers(self, exported):
        """Whatever the server makes of it, a success it is not."""
        sent(exported, BotanuMiddleware(lambda environ, start_response: []))
        assert ended(exported) == ["failed"]

    @pytest.mark.parametrize("status", ["OK", "", "2xx"])
    def test_a_status_that_is_none(self, exported, status):
        """The server judges it, not we."""
        from botanu_core.runtime import guard

        guard.strict(False)
        heard = []

        def app(environ, start_response):
            start_response(status, [])
            return [b"page"]

        body = BotanuMiddleware(app)(environ_of(Call(path="/")), lambda *given: heard.append(given))
        assert b"".join(body) == b"page"
        assert heard == [(status, [])]
