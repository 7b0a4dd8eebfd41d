"""Among other middleware, and beside OpenTelemetry's instrumentations of Flask and WSGI."""

import pytest
from a2wsgi import WSGIMiddleware
from flask import Flask, Response, stream_with_context
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind
from werkzeug.debug import DebuggedApplication
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

import botanu
from botanu_fastapi import BotanuMiddleware as AsgiMiddleware
from botanu_flask import BotanuFlask, BotanuMiddleware
from tests.adapters.asgi import AsgiHarness
from tests.adapters.harness import RUN, RUN_HEADER, Call, baggage_of, own_span
from tests.adapters.wsgi import WsgiHarness, environ_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())
STATUS = "botanu.outcome.status"


def application():
    app = Flask("stack")
    app.logger.disabled = True
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/page/<int:number>")
    def page(number):
        trace.get_tracer("library").start_span("page").end()
        botanu.emit_outcome(value_type="pages", value_amount=1)
        return botanu.get_run_id()

    @app.get("/stream")
    def stream():
        def chunks():
            for _ in range(3):
                trace.get_tracer("library").start_span("page").end()
                yield f"{botanu.get_run_id()} "

        return Response(stream_with_context(chunks()))

    @app.get("/fail")
    def fail():
        raise LookupError("nothing there")

    return app


def ours_then_contrib():
    app = application()
    BotanuFlask(app)
    FlaskInstrumentor().instrument_app(app)
    return app


def contrib_then_ours():
    app = application()
    FlaskInstrumentor().instrument_app(app)
    BotanuFlask(app)
    return app


def contrib_around():
    app = application()
    BotanuFlask(app)
    return OpenTelemetryMiddleware(app)


ORDERS = {
    "the Flask instrumentor, switched on after": ours_then_contrib,
    "the Flask instrumentor, switched on before": contrib_then_ours,
    "the WSGI middleware around": contrib_around,
    "the WSGI middleware inside": lambda: BotanuMiddleware(OpenTelemetryMiddleware(application())),
}
some_orders = pytest.mark.parametrize("make", ORDERS.values(), ids=ORDERS)


class TestOtherTelemetry:
    @some_orders
    @pytest.mark.parametrize("path", ["/page/7", "/stream"])
    @pytest.mark.parametrize("headers", [[], [TRACEPARENT, baggage_of(run_id=RUN)]], ids=["opened", "joined"])
    def test_one_run_and_one_server_span_wherever_we_stand(self, exported, make, path, headers, caplog):
        """Page, response header and every span, theirs included, carry the same run; nobody complains."""
        answer = WsgiHarness(exported, make()).send(Call(path=path, headers=headers))
        assert {(span.attributes or {}).get("botanu.run_id") for span in answer.spans} == {answer.run_id}
        assert set(answer.body.split()) == {answer.run_id}
        assert answer.run_id == RUN or not headers
        assert own_span(answer.spans).attributes[STATUS] == "success"
        if headers:
            assert {f"{span.context.trace_id:032x}" for span in answer.spans} == {TRACE}
        assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []

    @some_orders
    def test_failures(self, exported, make):
        """What Flask answers for is a failure of the run, on whichever server span there is."""
        answer = WsgiHarness(exported, make()).send(Call(path="/fail"))
        span = own_span(answer.spans)
        assert (answer.status, span.attributes[STATUS]) == (500, "failed")
        assert span.attributes["botanu.outcome.error_type"] == "LookupError"

    def test_what_their_sampler_drops_stays_dropped(self, sdk, monkeypatch):
        """Ours makes no span beside a server span that is not sampled; the run is there all the same."""
        for signal in ("METRICS", "LOGS"):
            monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
        exporter = sdk(ParentBased(ALWAYS_OFF))
        botanu.enable(instrument="none")
        answer = WsgiHarness(exporter, contrib_around()).send(Call(path="/page/7"))
        assert answer.spans == ()
        assert answer.body == answer.run_id

    @pytest.mark.parametrize("path", ["/page/7", "/stream"])
    def test_what_is_current_outside_stays_so(self, exported, path):
        """A span and baggage of middleware further out are seen inside, and are as they were afterwards."""
        app = application()
        BotanuFlask(app)
        token = context.attach(baggage.set_baggage("tier", "gold"))
        try:
            with trace.get_tracer("gateway").start_as_current_span("gateway") as outside:
                body = app(environ_of(Call(path=path)), lambda *_: None)
                assert trace.get_current_span() is outside
                assert len(list(body)) >= 1
                assert trace.get_current_span() is outside
                assert baggage.get_all() == {"tier": "gold"}
        finally:
            context.detach(token)
        (own,) = [span for span in exported.get_finished_spans() if span.kind is SpanKind.SERVER]
        assert own.parent.span_id == outside.get_span_context().span_id


class TestOtherMiddleware:
    def test_applications_side_by_side(self, exported):
        """Each behind ours: one run a request, named by the route of whoever has served it."""
        one, two = application(), application()
        BotanuFlask(one, workflow="One")
        BotanuFlask(two, workflow="Two")
        app = DispatcherMiddleware(one, {"/two": two})
        for path, workflow in (("/page/7", "One"), ("/two/page/7", "Two")):
            answer = WsgiHarness(exported, app).send(Call(path=path))
            span = own_span(answer.spans)
            assert (span.name, span.attributes["botanu.workflow"]) == ("GET /page/<int:number>", workflow)
            assert span.attributes["url.path"] == path
            assert answer.body == answer.run_id

    @pytest.mark.parametrize("path", ["/page/7", "/two/page/7"])
    def test_ours_around_applications_side_by_side(self, exported, path):
        """One run, whether those inside have ours too or not."""
        two = application()
        BotanuFlask(two, workflow="Two")
        answer = WsgiHarness(exported, BotanuMiddleware(DispatcherMiddleware(application(), {"/two": two}))).send(
            Call(path=path)
        )
        assert own_span(answer.spans).name == "GET /page/<int:number>"
        assert [value for name, value in answer.headers if name == RUN_HEADER] == [answer.body]

    def test_an_application_that_hands_on_to_another(self, exported):
        """A view that calls a second application with its own environ is one request."""
        outer, inner = application(), application()
        BotanuFlask(outer)
        BotanuFlask(inner)

        @outer.get("/hand/<path:rest>")
        def hand(rest):
            from flask import request

            return Response.from_app(inner.wsgi_app, request.environ | {"PATH_INFO": f"/{rest}"})

        answer = WsgiHarness(exported, outer).send(Call(path="/hand/page/7"))
        assert own_span(answer.spans).attributes[STATUS] == "success"
        assert answer.body == answer.run_id

    @pytest.mark.parametrize("path", ["/page/7", "/stream"])
    def test_inside_of_an_asgi_application(self, exported, path):
        """With ours around both: the outer one leads, the inner one steps aside, and there is one run."""
        inner = application()
        BotanuFlask(inner)
        answer = AsgiHarness(exported, AsgiMiddleware(WSGIMiddleware(inner))).send(
            Call(path=path, headers=[baggage_of(run_id=RUN)])
        )
        span = own_span(answer.spans)
        assert (answer.run_id, span.attributes["botanu.run_id"], span.attributes[STATUS]) == (RUN, RUN, "success")
        assert set(answer.body.split()) == {RUN}

    def test_under_werkzeugs_debugger(self, exported):
        """It keeps Flask's context for its console: the run is over all the same, and does not end a second time."""
        app = application()
        app.config["PROPAGATE_EXCEPTIONS"] = True
        BotanuFlask(app)
        debugged = DebuggedApplication(app, evalex=True, pin_security=False)
        client = Client(debugged)
        assert client.get("/fail", base_url="http://127.0.0.1").status_code == 500
        span = own_span(exported.get_finished_spans())
        assert (span.attributes[STATUS], [event.name for event in span.events]) == ("failed", ["exception"])
        query = {"__debugger__": "yes", "cmd": "1 + 1", "frm": str(max(debugged.frames)), "s": debugged.secret}
        assert "2" in client.get("/fail", base_url="http://127.0.0.1", query_string=query).text
        assert [own_span(exported.get_finished_spans())] == [span]
        assert botanu.get_run_id() is None

    def test_behind_a_proxy(self, exported):
        """`ProxyFix` inside tells Flask of the client; whose run is taken was decided by the connection before it."""
        app = application()
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
        BotanuFlask(app)
        joined = baggage_of(run_id=RUN)
        assert WsgiHarness(exported, app).send(Call(path="/page/7", headers=[joined])).run_id == RUN
        public = [joined, ("x-forwarded-for", b"203.0.113.9")]
        assert WsgiHarness(exported, app).send(Call(path="/page/7", headers=public)).run_id != RUN

    def test_what_excludes_sees_the_path_of_the_application(self, exported):
        """Without what it is mounted below."""
        app = application()
        BotanuFlask(app, exclude=["/health"])
        app.add_url_rule("/health", view_func=lambda: botanu.get_run_id() or "none")
        mounted = DispatcherMiddleware(Flask("root"), {"/shop": app})
        answer = WsgiHarness(exported, mounted).send(Call(path="/shop/health"))
        assert (answer.body, answer.spans) == ("none", ())
        assert RUN_HEADER not in dict(answer.headers)

    @pytest.mark.parametrize("path", ["/page/7", "/stream", "/fail", "/nowhere"])
    def test_the_wsgi_specification_is_kept(self, exported, path):
        """A middleware that checks both sides finds nothing: ours is a server to the application, and the reverse."""
        app = application()
        app.wsgi_app = LintMiddleware(app.wsgi_app)
        BotanuFlask(app)
        status = []
        body = LintMiddleware(app)(
            environ_of(Call(path=path)), lambda given, headers, exc_info=None: status.append(given) or (lambda _: 0)
        )
        assert b"".join(body) is not None
        body.close()
        assert status[0][:3] in ("200", "404", "500")
