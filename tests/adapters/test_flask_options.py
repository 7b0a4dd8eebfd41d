"""How Flask applications are given ours, and what options meet in Flask only."""

import pytest
from flask import Flask, g, request, session

import botanu
from botanu_core.errors import ConfigError
from botanu_flask import BotanuFlask, BotanuMiddleware
from tests.adapters.harness import RUN, RUN_HEADER, Call, baggage_of, own_span
from tests.adapters.test_flask_application import application, where
from tests.adapters.wsgi import WsgiHarness
from tests.support import script


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


class TestFunctionsOfTheRequest:
    def test_what_the_route_knows_is_on_the_spans_of_the_view(self, exported):
        """Flask finds the route before it calls anything: the event that the view makes is this one."""
        app = application()
        BotanuFlask(app, event_id=lambda request: request.view_args["ticket"])
        app.add_url_rule("/tickets/<ticket>", view_func=lambda ticket: botanu.get_current_run().event_id or "none")
        answer = WsgiHarness(exported, app).send(Call(path="/tickets/T-1"))
        assert answer.body == "T-1"

    def test_it_is_the_applications_own_kind_of_request(self, send):
        """First without a context, then with route and parameters; the body is never in it."""

        class Mine(Flask.request_class):
            tenant = "acme"

        seen = []

        def tenant(request):
            seen.append((type(request), request.endpoint, request.get_data()))
            return request.tenant if request.endpoint else None

        app = application()
        app.request_class = Mine
        app.add_url_rule("/upload", view_func=lambda: request.get_data(), methods=["POST"], endpoint="upload")
        BotanuFlask(app, tenant_id=tenant)
        answer = send(app, "/upload", method="POST", body=b"contents")
        assert answer.body == "contents"
        assert own_span(answer.spans).attributes["botanu.tenant_id"] == "acme"
        assert seen == [(Mine, None, b""), (Mine, "upload", b"")]

    def test_session_and_g_are_there(self, send):
        """They are asked for again when the view has answered; looking at the session writes no cookie."""
        app = application()
        BotanuFlask(app, customer_id=lambda _: g.customer, tenant_id=lambda _: session.get("tenant"))

        @app.before_request
        def log_in():
            g.customer = "acme"

        answer = send(app)
        assert own_span(answer.spans).attributes["botanu.customer_id"] == "acme"
        assert {"set-cookie", "vary"}.isdisjoint(dict(answer.headers))


class TestInstalling:
    def test_the_factory_pattern(self, send):
        """One extension, many applications, each with its own configuration; before their routes or after them."""
        extension = BotanuFlask(customer_id=lambda request: request.headers.get("x-customer"))

        def create_app(workflow):
            app = Flask(workflow)
            app.config["BOTANU_WORKFLOW"] = workflow
            extension.init_app(app)
            app.add_url_rule("/", view_func=where)
            return app

        for app in (create_app("Shop"), create_app("Desk")):
            attributes = own_span(send(app, headers=[("x-customer", b"acme")]).spans).attributes
            assert (attributes["botanu.workflow"], attributes["botanu.customer_id"]) == (app.name, "acme")

    def test_installing_twice_is_installing_once(self, app, send):
        """The same one, another one, and ours around all of it."""
        BotanuFlask(app)
        BotanuFlask().init_app(app)
        assert not isinstance(app.wsgi_app.app, BotanuMiddleware)
        answer = send(BotanuMiddleware(app))
        assert [value for name, value in answer.headers if name == RUN_HEADER] == [answer.body]
        assert own_span(answer.spans).name == "GET /"

    def test_installing_with_other_options_is_a_mistake(self, app):
        """Which of them shall count?"""
        with pytest.raises(ConfigError, match="application has BotanuFlask already"):
            BotanuFlask(app, workflow="Shop")

    def test_what_is_given_goes_before_what_is_configured(self, send):
        """Code beats configuration."""
        app = application(BOTANU_WORKFLOW="Configured", BOTANU_RESPONSE_HEADER="x-configured")
        BotanuFlask(app, workflow="Given")
        answer = send(app)
        assert own_span(answer.spans).attributes["botanu.workflow"] == "Given"
        assert "x-configured" in dict(answer.headers)

    @pytest.mark.parametrize(("key", "mend"), [("BOTANU_WORFLOW", "workflow"), ("BOTANU_EXCLUDE", r"\['/health'\]")])
    def test_a_mistake_in_the_configuration_names_its_key(self, key, mend):
        """When the extension is installed."""
        with pytest.raises(ConfigError, match=f"{key} in app.config.*{mend}"):
            BotanuFlask(application(**{key: "/health"}))

    def test_a_mistake_in_the_call_is_found_before_there_is_an_application(self):
        """Where it is made."""
        with pytest.raises(ConfigError, match="workflow"):
            BotanuFlask(workflow="")

    def test_the_environment_in_the_configuration_is_no_mistake(self, monkeypatch, send):
        """Some load all of it; what `enable` reads there is none of ours."""
        monkeypatch.setenv("BOTANU_SERVICE_NAME", "desk")
        app = application(BOTANU_SERVICE_NAME="desk")
        BotanuFlask(app)
        assert send(app).status == 200

    def test_two_applications_of_a_process_keep_apart(self, send):
        """Options, routes and exceptions of one are not the other's."""
        one, other = application(), application()
        BotanuFlask(one, workflow="One", response_header="x-one")
        BotanuFlask(other, workflow="Other")
        assert own_span(send(one, "/boom").spans).attributes["botanu.workflow"] == "One"
        answer = send(other)
        assert own_span(answer.spans).attributes["botanu.workflow"] == "Other"
        assert "x-one" not in dict(answer.headers)

    def test_a_run_from_a_neighbour_goes_on(self, app, send):
        """As everywhere."""
        answer = send(app, headers=[baggage_of(run_id=RUN)])
        assert answer.body == answer.run_id == RUN


WITHOUT = """
import sys
sys.modules["flask"] = sys.modules["werkzeug"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in ("flask", "werkzeug") else find(name, *more)
import botanu
from botanu_core.errors import MissingExtra
from botanu_flask import BotanuMiddleware

def app(environ, start_response):
    start_response("200 OK", [])
    return [botanu.get_run_id().encode()]

try:
    BotanuMiddleware(app, event_id=lambda request: "1")
except MissingExtra as error:
    print(error)
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
print(len(b"".join(BotanuMiddleware(app)(environ, lambda *_: None))))
"""


def test_an_application_needs_no_flask():
    """Any WSGI application can do without it and Werkzeug, as long as nobody wants their request."""
    done = script.run(WITHOUT)
    assert done.code == 0, done.err
    assert 'pip install "botanu[flask]"' in done.out.splitlines()[0]
    assert done.out.splitlines()[1] == "36"
