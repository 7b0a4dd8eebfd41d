"""What is Flask's own: hooks, handlers, blueprints, views of all kinds, the test client, the factory pattern."""

import threading

import pytest
from flask import (
    Blueprint,
    Flask,
    abort,
    after_this_request,
    copy_current_request_context,
    g,
    got_request_exception,
    jsonify,
    redirect,
    request,
)
from flask.views import MethodView, View
from greenlet import GreenletExit

import botanu
from botanu_flask import BotanuFlask
from tests.adapters.harness import RUN_HEADER, Call, own_span
from tests.adapters.wsgi import WsgiHarness

STATUS = "botanu.outcome.status"


def application(**config):
    app = Flask("application")
    app.logger.disabled = True
    app.config.from_mapping({"PROPAGATE_EXCEPTIONS": False, "SECRET_KEY": "k", **config})
    app.add_url_rule("/", view_func=where)
    app.add_url_rule("/boom", view_func=boom)
    return app


def where():
    return botanu.get_run_id() or "none"


def boom():
    raise LookupError("nothing there")


@pytest.fixture
def app():
    made = application()
    BotanuFlask(made)
    return made


@pytest.fixture
def send(exported):
    def send(app, path="/", **call):
        return WsgiHarness(exported, app).send(Call(path=path, **call))

    return send


def outcome(answer):
    return own_span(answer.spans).attributes.get(STATUS)


class TestHooks:
    def test_each_hook_is_in_the_run(self, app, send):
        """From the first to the last."""
        seen = []

        def note(name):
            seen.append((name, botanu.get_run_id()))

        app.before_request(lambda: note("before"))
        app.teardown_request(lambda error: note("teardown request"))
        app.teardown_appcontext(lambda error: note("teardown app"))

        @app.after_request
        def after(response):
            note("after")
            return response

        @app.get("/hooked")
        def hooked():
            @after_this_request
            def late(response):
                note("after this")
                return response

            g.run_id = botanu.get_run_id()
            return g.run_id

        answer = send(app, "/hooked")
        assert [name for name, _ in seen] == ["before", "after this", "after", "teardown request", "teardown app"]
        assert {run_id for _, run_id in seen} == {answer.run_id}

    @pytest.mark.parametrize(
        ("short", "status", "expected"),
        [(lambda: ("no", 403), 403, None), (lambda: "yes", 200, "success"), (boom, 500, "failed")],
    )
    def test_a_hook_that_answers_by_itself(self, app, send, short, status, expected):
        """The view is not called; header, route and outcome are there all the same."""
        app.before_request(short)
        answer = send(app)
        assert (answer.status, outcome(answer)) == (status, expected)
        assert own_span(answer.spans).attributes["http.route"] == "/"
        assert len(answer.run_id) == 36

    def test_a_hook_that_fails_after_the_view(self, app, send):
        """The page is lost, and the run a failure."""

        @app.after_request
        def after(response):
            raise LookupError("late")

        answer = send(app)
        assert (answer.status, outcome(answer)) == (500, "failed")
        assert own_span(answer.spans).attributes["error.type"] == "LookupError"

    def test_a_header_of_the_application_gives_way(self, app, send):
        """There is one, and it is the run's that the spans carry; its value is there for hooks to use elsewhere."""

        @app.after_request
        def after(response):
            response.headers[RUN_HEADER.title()] = "mine"
            response.headers["X-Log-Id"] = botanu.get_run_id()
            return response

        answer = send(app)
        assert dict(answer.headers)["x-log-id"] == answer.run_id == answer.body


class TestErrors:
    @pytest.mark.parametrize(
        ("path", "method", "status", "expected", "route"),
        [
            ("/nowhere", "GET", 404, None, None),
            ("/", "POST", 405, None, None),
            ("/abort/404", "GET", 404, None, "/abort/<int:code>"),
            ("/abort/503", "GET", 503, "failed", "/abort/<int:code>"),
            ("/boom", "GET", 500, "failed", "/boom"),
            ("/gone/", "GET", 200, "success", "/gone/"),
            ("/gone", "GET", 308, "success", None),
            ("/redirect", "GET", 302, "success", "/redirect"),
        ],
    )
    def test_answers_that_flask_gives_by_itself(self, app, send, path, method, status, expected, route):
        """Each has a run, its header and its outcome; what no route has served has none."""
        app.add_url_rule("/abort/<int:code>", view_func=lambda code: abort(code), endpoint="abort")
        app.add_url_rule("/gone/", view_func=where, endpoint="gone")
        app.add_url_rule("/redirect", view_func=lambda: redirect("/"), endpoint="redirect")
        answer = send(app, path, method=method)
        span = own_span(answer.spans)
        assert (answer.status, outcome(answer), span.attributes.get("http.route")) == (status, expected, route)
        assert span.name == (f"{method} {route}" if route else method)
        assert len(answer.run_id) == 36

    @pytest.mark.parametrize("kind", [LookupError, Exception, 500])
    @pytest.mark.parametrize(("code", "expected"), [(200, "success"), (410, None), (503, "failed")])
    def test_handlers_decide_by_their_answer(self, app, send, kind, code, expected):
        """What a handler has made of an exception is what the client gets, and the outcome goes by it."""
        app.register_error_handler(kind, lambda error: (f"handled in {botanu.get_run_id()}", code))
        answer = send(app, "/boom")
        assert (answer.status, outcome(answer)) == (code, expected)
        assert answer.body == f"handled in {answer.run_id}"

    def test_a_500_says_why(self, app, send):
        """The exception that Flask has answered for is on the span, once, with its message."""
        (event,) = own_span(send(app, "/boom").spans).events
        assert event.attributes["exception.message"] == "nothing there"

    @pytest.mark.parametrize("config", [{"TESTING": True}, {"PROPAGATE_EXCEPTIONS": True}, {"DEBUG": True}])
    def test_exceptions_that_flask_lets_through(self, send, config):
        """The same object, once on the span, and the route is there though no response ever was."""
        app = application(PROPAGATE_EXCEPTIONS=None)
        app.config.from_mapping(config)
        BotanuFlask(app)
        told = []
        with got_request_exception.connected_to(lambda _, exception: told.append(exception), app):
            answer = send(app, "/boom")
        span = own_span(answer.spans)
        assert answer.error is told[0]
        assert (span.name, span.attributes[STATUS], len(span.events)) == ("GET /boom", "failed", 1)

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (SystemExit(0), "success"),
            (SystemExit(1), "failed"),
            (KeyboardInterrupt(), "canceled"),
            (GreenletExit(), "canceled"),
        ],
    )
    def test_what_ends_a_worker_passes(self, app, exported, error, expected):
        """gunicorn ends a worker that takes too long by `SystemExit`; the run says so, and the worker ends."""
        app.add_url_rule("/exit", view_func=lambda: (_ for _ in ()).throw(error))
        with pytest.raises(type(error)) as caught:
            WsgiHarness(exported, app).app({"REQUEST_METHOD": "GET", "PATH_INFO": "/exit", "SERVER_NAME": "s",
                                            "SERVER_PORT": "80", "wsgi.url_scheme": "http"}, None)  # fmt: skip
        assert caught.value is error
        assert own_span(exported.get_finished_spans()).attributes[STATUS] == expected
        assert botanu.get_run_id() is None


class TestRoutes:
    def test_templates_with_blueprints_nested_in_blueprints(self, app, send):
        """Their prefixes are part of it, filled in by no request."""
        outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
        inner.add_url_rule("/items/<int:item>", view_func=lambda shop, item: where())
        outer.register_blueprint(inner, url_prefix="/shelf")
        app.register_blueprint(outer, url_prefix="/shops/<shop>")
        span = own_span(send(app, "/shops/acme/shelf/items/7").spans)
        assert span.name == "GET /shops/<shop>/shelf/items/<int:item>"
        assert span.attributes["url.path"] == "/shops/acme/shelf/items/7"

    def test_views_that_are_classes(self, app, send):
        """Of both kinds."""

        class Plain(View):
            def dispatch_request(self, name):
                return where()

        class Methods(MethodView):
            def put(self, name):
                return jsonify(run=where())

        app.add_url_rule("/plain/<name>", view_func=Plain.as_view("plain"))
        app.add_url_rule("/methods/<name>", view_func=Methods.as_view("methods"))
        assert own_span(send(app, "/plain/a").spans).name == "GET /plain/<name>"
        answer = send(app, "/methods/a", method="PUT")
        assert own_span(answer.spans).name == "PUT /methods/<name>"
        assert answer.run_id in answer.body

    def test_static_files_have_the_template_of_their_route(self, send, tmp_path):
        """Not a name for each of them."""
        (tmp_path / "logo.txt").write_text("logo")
        app = Flask("static", static_folder=tmp_path, static_url_path="/static")
        BotanuFlask(app)
        answer = send(app, "/static/logo.txt")
        assert (answer.body, own_span(answer.spans).name) == ("logo", "GET /static/<path:filename>")

    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
    def test_methods_that_flask_answers_for(self, app, send, method):
        """They are requests like any other."""
        answer = send(app, "/", method=method)
        assert (answer.status, answer.body, outcome(answer)) == (200, "", "success")
        assert own_span(answer.spans).name == f"{method} /"


class TestThreads:
    def test_an_async_view_is_in_the_run(self, app, send):
        """Flask runs it in a loop of its own."""

        @app.get("/async")
        async def view():
            with botanu.event(workflow="Async", event_id="A-1"):
                return where()

        answer = send(app, "/async")
        assert answer.body == answer.run_id
        assert own_span(answer.spans).attributes["botanu.event_id"] == "A-1"

    def test_a_thread_with_the_request_and_the_run(self, app, send):
        """`copy_current_request_context` hands Flask's context on, `bind` the run."""
        told = []

        @app.get("/thread")
        def view():
            @botanu.bind
            @copy_current_request_context
            def work():
                told.append((request.path, botanu.get_run_id()))

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            return where()

        answer = send(app, "/thread")
        assert told == [("/thread", answer.run_id)]


class TestClients:
    def test_a_client_that_keeps_the_context(self, app, exported, caplog):
        """Inside its block Flask's request is there; the run is over with the response, and nothing is left."""
        with app.test_client() as client:
            for _ in range(2):
                answer = client.get("/?a=b")
                assert answer.text == answer.headers[RUN_HEADER]
                assert request.args["a"] == "b"
                assert botanu.get_run_id() is None
                assert [span.attributes[STATUS] for span in exported.get_finished_spans()] == ["success"]
                exported.clear()
        assert caplog.records == []

    def test_a_context_without_a_request(self, app, exported):
        """`test_request_context` and `app_context` serve nobody: no run, no span, no error."""
        with app.test_request_context("/"), app.app_context():
            app.preprocess_request()
            assert botanu.get_run_id() is None
        assert exported.get_finished_spans() == ()

    def test_a_request_inside_a_request(self, app, send):
        """An application that asks itself opens a run of its own for it, and goes on in the first."""
        app.add_url_rule("/twice", view_func=lambda: f"{app.test_client().get('/').text} {where()}")
        inner, outer = send(app, "/twice").body.split()
        assert inner != outer

    def test_a_failure_of_an_application_inside_is_not_ours(self, app, send):
        """It has no run, and what it answers for is its own."""
        other = application()
        app.add_url_rule("/inner", view_func=lambda: (str(other.test_client().get("/boom").status_code), 503))
        answer = send(app, "/inner")
        assert (answer.body, own_span(answer.spans).events) == ("500", ())
