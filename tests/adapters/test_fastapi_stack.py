"""Among other middleware, and beside the other kinds of OpenTelemetry telemetry that an ASGI application may have."""

import gzip
import json

import pytest
from fastapi import FastAPI
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware as ContribMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware as StarletteMiddleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route

import botanu
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import AsgiHarness
from tests.adapters.asgi_apps import NO_NATIVE_TELEMETRY
from tests.adapters.harness import RUN, RUN_HEADER, Call, baggage_of, own_span
from tests.adapters.hostile import MARK

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())
STATUS = "botanu.outcome.status"


async def page(request=None):
    """Says which run it is in, how it ended, and makes a span."""
    trace.get_tracer("library").start_span("page").end()
    botanu.emit_outcome(value_type="pages", value_amount=1)
    return JSONResponse({"run": botanu.get_run_id()})


async def stream(request=None):
    """The same in chunks."""

    async def chunks():
        for _ in range(3):
            trace.get_tracer("library").start_span("page").end()
            yield f"{botanu.get_run_id()} ".encode() * 20

    return StreamingResponse(chunks(), media_type="text/plain")


async def fail(request=None):
    """Fails."""
    raise LookupError("nothing there")


ROUTES = {"/page/{number}": page, "/stream": stream, "/fail": fail}


def starlette_app(*middleware):
    return Starlette(
        routes=[Route(path, endpoint) for path, endpoint in ROUTES.items()],
        middleware=[Middleware(each) for each in middleware],
    )


def fastapi_app(telemetry=NO_NATIVE_TELEMETRY):
    app = FastAPI(telemetry=telemetry)
    for path, endpoint in ROUTES.items():
        app.add_api_route(path, endpoint)
    return app


def contrib_then_ours():
    app = fastapi_app()
    FastAPIInstrumentor.instrument_app(app)
    app.add_middleware(BotanuMiddleware)
    return app


def ours_then_contrib():
    app = fastapi_app()
    app.add_middleware(BotanuMiddleware)
    FastAPIInstrumentor.instrument_app(app)
    return app


def native_fastapi():
    app = fastapi_app(telemetry=None)
    app.add_middleware(BotanuMiddleware)
    return app


OUTSIDE = {
    "the FastAPI instrumentor, switched on before": contrib_then_ours,
    "the FastAPI instrumentor, switched on after": ours_then_contrib,
    "the ASGI instrumentor around": lambda: ContribMiddleware(starlette_app(BotanuMiddleware)),
    "the ASGI instrumentor around us around": lambda: ContribMiddleware(BotanuMiddleware(starlette_app())),
    "FastAPI's own": native_fastapi,
    "Starlette's own, before us": lambda: starlette_app(StarletteMiddleware, BotanuMiddleware),
    "Starlette's own around": lambda: StarletteMiddleware(starlette_app(BotanuMiddleware)),
}
INSIDE = {
    "the ASGI instrumentor inside": lambda: BotanuMiddleware(ContribMiddleware(starlette_app())),
    "the FastAPI instrumentor inside": lambda: BotanuMiddleware(contrib_then_ours()),
}
# These two start from an empty context: they make a server span of their own, in the same run.
INSIDE_APART = {
    "FastAPI's own inside": lambda: BotanuMiddleware(fastapi_app(telemetry=None)),
    "Starlette's own inside": lambda: starlette_app(BotanuMiddleware, StarletteMiddleware),
}


def some(stacks):
    return pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in stacks.items()])


def runs_of(spans):
    return {(span.attributes or {}).get("botanu.run_id") for span in spans}


class TestOtherTelemetry:
    @some(OUTSIDE | INSIDE | INSIDE_APART)
    @pytest.mark.parametrize("path", ["/page/7", "/stream"])
    @pytest.mark.parametrize("headers", [[], [TRACEPARENT, baggage_of(run_id=RUN)]], ids=["opened", "joined"])
    def test_one_run_wherever_we_stand(self, exported, make, path, headers):
        """Page, response header and every span, theirs included, carry the same run."""
        answer = AsgiHarness(exported, make()).send(Call(path=path, headers=headers))
        assert runs_of(answer.spans) == {answer.run_id}
        assert answer.run_id in answer.body
        assert answer.run_id == RUN or not headers

    @some(OUTSIDE | INSIDE)
    def test_one_server_span(self, exported, make):
        """Where somebody else's is current it is used, and where ours is theirs is none."""
        answer = AsgiHarness(exported, make()).send(Call(path="/page/7", headers=[TRACEPARENT]))
        span = own_span(answer.spans)
        assert f"{span.parent.trace_id:032x}" == TRACE
        assert {f"{each.context.trace_id:032x}" for each in answer.spans} == {TRACE}

    @some(OUTSIDE | INSIDE)
    @pytest.mark.parametrize("path", ["/page/7", "/stream"])
    def test_the_server_span_says_how_it_ended(self, exported, make, path):
        """Outcome, duration and route are on it though somebody else ends it, with the last byte or after."""
        attributes = own_span(AsgiHarness(exported, make()).send(Call(path=path)).spans).attributes
        assert attributes[STATUS] == "success"
        assert attributes["botanu.run.duration_ms"] > 0
        assert attributes["http.route"] == path.replace("7", "{number}")

    @some(OUTSIDE | INSIDE | INSIDE_APART)
    def test_an_exception_is_a_failure(self, exported, make):
        """Whoever else tells of it, and however its server span is named."""
        answer = AsgiHarness(exported, make()).send(Call(path="/fail"))
        assert type(answer.error) is LookupError
        ends = {span.attributes.get(STATUS) for span in answer.spans if span.kind is SpanKind.SERVER} - {None}
        assert ends == {"failed"}

    @some(OUTSIDE)
    @pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1"])
    def test_a_strangers_run_stays_out_of_their_span(self, exported, make, peer):
        """Their span is made before we see the request: a forged customer is not on it, a neighbour's is."""
        forged = baggage_of(run_id=RUN, workflow="w", customer_id=MARK, event_id=MARK)
        answer = AsgiHarness(exported, make()).send(Call(path="/page/7", headers=[forged], peer=peer))
        is_stranger = peer == "203.0.113.9"
        assert (answer.run_id != RUN) is is_stranger
        assert runs_of(answer.spans) == {answer.run_id}
        assert (MARK not in repr([dict(span.attributes) for span in answer.spans])) is is_stranger

    @some(OUTSIDE)
    def test_a_neighbour_is_not_warned_about(self, exported, make, caplog):
        """An instrumentation that does not know the sender of a request leaves the judgement to us."""
        AsgiHarness(exported, make()).send(Call(path="/page/7", headers=[baggage_of(run_id=RUN)]))
        assert [record.getMessage() for record in caplog.records if record.name == "botanu"] == []

    @some(OUTSIDE | INSIDE_APART)
    def test_with_always_what_the_page_says_reaches_the_run(self, sdk, make, monkeypatch):
        """Whoever has read the run off the headers, there is one run to talk to."""
        for signal in ("METRICS", "LOGS"):
            monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
        exporter = sdk()
        botanu.enable(instrument="none", trust_inbound="always")
        call = Call(path="/page/7", headers=[baggage_of(run_id=RUN)], peer="203.0.113.9")
        answer = AsgiHarness(exporter, make()).send(call)
        told = [span.attributes for span in answer.spans if "botanu.run.duration_ms" in span.attributes]
        assert [attributes["botanu.outcome.value_type"] for attributes in told] == ["pages"]

    @some(OUTSIDE)
    def test_what_their_sampler_drops_stays_dropped(self, sdk, make, monkeypatch):
        """No second server span beside one that was not sampled, in a trace that nobody else knows."""
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
        monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
        started = []

        class Roots(type(ALWAYS_OFF)):
            def should_sample(self, parent_context, trace_id, name, kind=None, *rest, **more):
                started.append((name, kind))
                return super().should_sample(parent_context, trace_id, name, kind, *rest, **more)

        exporter = sdk(ParentBased(Roots(ALWAYS_OFF.should_sample(None, 1, "").decision)))
        botanu.enable(instrument="none")
        answer = AsgiHarness(exporter, make()).send(Call(path="/page/7", headers=[("baggage", b"tier=gold")]))
        assert answer.run_id in answer.body
        assert answer.spans == ()
        assert len(started) == 1, "a second root was asked for"


class TestOtherMiddleware:
    @pytest.mark.parametrize("place", ["outside", "inside", "both"])
    @pytest.mark.parametrize("path", ["/page/7", "/stream"])
    def test_base_http_middleware_around_us(self, exported, place, path):
        """It runs what is inside it in a task of its own: page and stream are in the run all the same."""

        class Passing(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                return await call_next(request)

        places = {"outside": [Passing, BotanuMiddleware], "inside": [BotanuMiddleware, Passing]}
        stack = places.get(place, [Passing, BotanuMiddleware, Passing])
        answer = AsgiHarness(exported, starlette_app(*stack)).send(Call(path=path))
        assert answer.run_id in answer.body
        assert runs_of(answer.spans) == {answer.run_id}
        assert own_span(answer.spans).attributes[STATUS] == "success"

    def test_a_middleware_inside_may_name_the_run(self, exported):
        """Tenancy is often settled there; the page's spans know it."""

        class Tenant(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                botanu.set_business_context(customer_id="acme")
                return await call_next(request)

        answer = AsgiHarness(exported, starlette_app(BotanuMiddleware, Tenant)).send(Call(path="/page/7"))
        assert {span.attributes["botanu.customer_id"] for span in answer.spans} == {"acme"}

    @pytest.mark.parametrize("order", [[GZipMiddleware, BotanuMiddleware], [BotanuMiddleware, GZipMiddleware]])
    @pytest.mark.parametrize("path", ["/stream"])
    def test_a_compressed_body(self, exported, order, path):
        """One header, a body that unpacks, and a run that ended with it."""
        web = AsgiHarness(exported, starlette_app(*order))
        answer = web.send(Call(path=path, headers=[("accept-encoding", b"gzip")]))
        assert ("content-encoding", "gzip") in answer.headers
        text = gzip.decompress(answer.body.encode("latin-1")).decode()
        assert set(text.split()) == {answer.run_id}
        assert own_span(answer.spans).attributes[STATUS] == "success"

    @pytest.mark.parametrize("order", [["cors", "ours"], ["ours", "cors"]])
    def test_cross_origin_requests(self, exported, order):
        """The run header stays beside those of CORS, for the answer and for what is asked before it."""
        app = starlette_app()
        for name in reversed(order):
            if name == "ours":
                app.add_middleware(BotanuMiddleware)
            else:
                app.add_middleware(CORSMiddleware, allow_origins=["*"], expose_headers=[RUN_HEADER])
        origin = ("origin", b"https://shop.example")
        answer = AsgiHarness(exported, app).send(Call(path="/page/7", headers=[origin]))
        assert ("access-control-expose-headers", RUN_HEADER) in answer.headers
        assert answer.run_id in answer.body
        preflight = [origin, ("access-control-request-method", b"GET")]
        assert AsgiHarness(exported, app).send(Call(path="/page/7", method="OPTIONS", headers=preflight)).status == 200

    def test_what_a_middleware_outside_has_put_into_baggage_stays(self, exported):
        """Beside what came with the request, inside and on the way to a neighbour."""

        class Tier:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                token = context.attach(baggage.set_baggage("tier", "gold"))
                try:
                    await self.app(scope, receive, send)
                finally:
                    context.detach(token)

        async def members(request):
            return JSONResponse(dict(baggage.get_all()))

        app = Starlette(routes=[Route("/", members)], middleware=[Middleware(Tier), Middleware(BotanuMiddleware)])
        headers = [TRACEPARENT, ("baggage", b"theirs=1")]
        told = json.loads(AsgiHarness(exported, app).send(Call(path="/", headers=headers)).body)
        assert (told["tier"], told["theirs"]) == ("gold", "1")

    @pytest.mark.parametrize("wrapped", [True, False], ids=["around everything", "added"])
    def test_the_header_of_an_unhandled_exception(self, exported, wrapped):
        """Starlette answers it outside of all added middleware: around everything, the 500 has the header too."""
        app = starlette_app() if wrapped else starlette_app(BotanuMiddleware)
        answer = AsgiHarness(exported, BotanuMiddleware(app) if wrapped else app).send(Call(path="/fail"))
        assert answer.status == 500
        assert (RUN_HEADER in dict(answer.headers)) is wrapped
        span = own_span(answer.spans)
        assert (span.attributes[STATUS], span.attributes["error.type"]) == ("failed", "LookupError")
        assert span.status.description == "LookupError: nothing there"

    def test_a_mounted_application_with_a_middleware_of_its_own(self, exported):
        """It joins the request it is part of: one run, one span, one header."""
        app = Starlette(
            routes=[Mount("/sub", app=starlette_app(BotanuMiddleware))], middleware=[Middleware(BotanuMiddleware)]
        )
        answer = AsgiHarness(exported, app).send(Call(path="/sub/page/7"))
        assert runs_of(answer.spans) == {answer.run_id}
        assert own_span(answer.spans).name == "GET /sub/page/{number}"

    def test_others_can_walk_through_us(self):
        """FastAPI looks for the instrumentor in the stack by `.app`, and so must find what is inside."""
        app = fastapi_app()
        assert BotanuMiddleware(app).app is app


class TestWithoutEnable:
    """In a plain OpenTelemetry set-up: the middleware works, and guards what the stock propagator would let through."""

    def test_a_run_is_joined_and_said(self, spans):
        """Header, page and the server span; other libraries' spans carry nothing without `enable`."""
        answer = AsgiHarness(spans, starlette_app(BotanuMiddleware)).send(
            Call(path="/page/7", headers=[baggage_of(run_id=RUN, event_id="T-1")])
        )
        assert (answer.run_id, json.loads(answer.body)) == (RUN, {"run": RUN})
        assert own_span(answer.spans).attributes["botanu.event_id"] == "T-1"

    @pytest.mark.parametrize("outer", [None, ContribMiddleware, StarletteMiddleware])
    @pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1"])
    def test_members_of_ours_are_not_passed_on(self, spans, outer, peer):
        """Stock baggage goes to every host, and to neighbours that trust us: what came under our prefix does not."""

        async def outgoing(request):
            headers = {}
            propagate.inject(headers)
            return JSONResponse(headers)

        app = Starlette(routes=[Route("/", outgoing)], middleware=[Middleware(BotanuMiddleware)])
        came = ("baggage", f"tier=gold,botanu.run_id={RUN},botanu.tenant_id={MARK}".encode())
        web = AsgiHarness(spans, outer(app) if outer is not None else app)
        answer = web.send(Call(path="/", headers=[came], peer=peer))
        assert MARK not in answer.body
        assert RUN not in answer.body

    def test_without_any_provider_there_is_a_run_all_the_same(self):
        """No SDK, no span: the id is there for logs and for the caller."""

        class NoSpans:
            def clear(self):
                pass

            def get_finished_spans(self):
                return ()

        answer = AsgiHarness(NoSpans(), starlette_app(BotanuMiddleware)).send(Call(path="/page/7"))
        assert answer.run_id in answer.body
