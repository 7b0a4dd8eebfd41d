"""One request through BotanuMiddleware, beside OpenTelemetry's instrumentors and the frameworks' own telemetry."""

import importlib.util
import inspect
from typing import Any

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks import ours, peers_on_asgi
from benchmarks.asgi import Application, request, spanned
from benchmarks.bench import CONFIG_TITLES, Bench
from benchmarks.harness import HTTP_SPAN, Contender, Samples, difference, ratio
from benchmarks.providers import CONFIGS, Config, bare_span, tracer_provider
from benchmarks.report import Table, Target, cell

ORDER = 20
STANDS_ALONE = True  # ratios, taken within a process
SLOWNESS = 4
PEERS = ("opentelemetry-instrumentation-asgi", "asgi-correlation-id", "sentry-sdk")
DISTRIBUTIONS = (*ours.DISTRIBUTIONS, "starlette", "fastapi", *PEERS)

STARLETTE = "Starlette"
FASTAPI = "FastAPI"
OURS = "BotanuMiddleware"
OURS_OVER_NATIVE = "BotanuMiddleware on native telemetry, server span only"
JOINED = "BotanuMiddleware, joining a run"
CONTRIB = "OTel instrumentor"
CONTRIB_LEAN = "OTel instrumentor, server span only"
CORRELATION = "asgi-correlation-id"
SENTRY = "sentry-sdk, every request traced"
NATIVE = "native telemetry"
NATIVE_LEAN = "native telemetry, server span only"

_PATH = "/tickets/7"
_RUN_HEADERS = (
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    (
        b"baggage",
        b"botanu.run_id=0190f8a4-5d9e-7c3b-8f21-9a4b6c2d1e0f,botanu.workflow=w,botanu.event_id=e,"
        b"botanu.customer_id=c,botanu.environment=production",
    ),
)
_LEAN: dict[str, Any] = {"exclude_spans": ["receive", "send"]}


def contenders(config: Config) -> list[Contender]:
    """The same endpoint on both frameworks, bare and under each kind of telemetry."""
    ours.enable(config)
    # The others get a provider of their own, so that nothing of ours weighs on their spans.
    others = tracer_provider(config)
    return [bare_span(), *_on_starlette(others), *_on_fastapi(others)]


def _contender(framework: str, kind: str, application: Application, headers: Any = ()) -> Contender:
    return Contender(_name(framework, kind), request(application, _PATH, headers))


def _name(framework: str, kind: str = "bare") -> str:
    return f"{framework}: {kind}"


async def _endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["ticket"])


def _starlette() -> Starlette:
    return Starlette(routes=[Route("/tickets/{ticket}", _endpoint)])


def _on_starlette(others: TracerProvider) -> list[Contender]:
    from botanu_fastapi import BotanuMiddleware

    own, contrib, lean = _starlette(), _starlette(), _starlette()
    own.add_middleware(BotanuMiddleware)
    contrib.add_middleware(OpenTelemetryMiddleware, tracer_provider=others)
    lean.add_middleware(OpenTelemetryMiddleware, tracer_provider=others, **_LEAN)
    correlated = _starlette()
    correlated.add_middleware(CorrelationIdMiddleware)
    found = [
        _contender(STARLETTE, "bare", _starlette()),
        _contender(STARLETTE, HTTP_SPAN, spanned(_starlette(), others)),
        _contender(STARLETTE, OURS, own),
        _contender(STARLETTE, JOINED, own, _RUN_HEADERS),
        _contender(STARLETTE, CONTRIB, contrib),
        _contender(STARLETTE, CONTRIB_LEAN, lean),
        _contender(STARLETTE, CORRELATION, correlated),
        _contender(STARLETTE, SENTRY, peers_on_asgi.sentry(_starlette())),
    ]
    if importlib.util.find_spec("starlette.middleware.opentelemetry"):  # Newer releases have it.
        from starlette.middleware import opentelemetry

        native = _starlette()
        native.add_middleware(opentelemetry.OpenTelemetryMiddleware, tracer_provider=others)
        found.append(_contender(STARLETTE, NATIVE_LEAN, native))
    return found


def _has_native_telemetry() -> bool:
    return "telemetry" in inspect.signature(FastAPI.__init__).parameters


def _fastapi(**telemetry: Any) -> FastAPI:
    # Native telemetry is on by itself as soon as a global provider is set; a bare application is one without.
    chosen = telemetry or {"tracing": False, "metrics": False, "logs": False}
    options: Any = {"telemetry": chosen} if _has_native_telemetry() else {}
    application = FastAPI(**options)

    @application.get("/tickets/{ticket}")
    async def endpoint(ticket: int) -> PlainTextResponse:
        return PlainTextResponse(str(ticket))

    return application


def _on_fastapi(others: TracerProvider) -> list[Contender]:
    from botanu_fastapi import BotanuMiddleware

    own, contrib, lean = _fastapi(), _fastapi(), _fastapi()
    own.add_middleware(BotanuMiddleware)
    FastAPIInstrumentor.instrument_app(contrib, tracer_provider=others)
    FastAPIInstrumentor.instrument_app(lean, tracer_provider=others, **_LEAN)
    found = [
        _contender(FASTAPI, "bare", _fastapi()),
        _contender(FASTAPI, OURS, own),
        _contender(FASTAPI, CONTRIB, contrib),
        _contender(FASTAPI, CONTRIB_LEAN, lean),
    ]
    if _has_native_telemetry():
        # What a FastAPI application has by itself, once a global provider is set: we use its server span.
        over = _fastapi(operation_spans=False)
        over.add_middleware(BotanuMiddleware)
        found.append(_contender(FASTAPI, OURS_OVER_NATIVE, over))
        server_only = _fastapi(tracer_provider=others, operation_spans=False)
        found.append(_contender(FASTAPI, NATIVE, _fastapi(tracer_provider=others)))
        found.append(_contender(FASTAPI, NATIVE_LEAN, server_only))
    return found


def table(bench: Bench) -> Table:
    """What a request costs, whole and beyond the bare application."""
    samples = bench.both(__name__)
    rows = [
        (name, *(text for config in CONFIGS for text in _cells(samples[config], name)))
        for name in samples["spans"]
        if ": " in name
    ]
    header = (f"{what}, {CONFIG_TITLES[config]}" for config in CONFIGS for what in ("whole", "beyond bare"))
    return Table(
        title="A request",
        text=(
            "The application is called without a server. *Whole* is the request with everything; *beyond bare* is what "
            "telemetry adds to the same application, its server span included. In units of a bare span."
        ),
        header=("", *header),
        rows=rows,
        targets=_targets(samples["spans"]),
    )


def _cells(samples: Samples, name: str) -> tuple[str, str]:
    framework = name.split(": ")[0]
    beyond = None if name == _name(framework) else difference(samples, name, _name(framework))
    return cell(ratio(samples, name)), cell(beyond)


def _targets(samples: Samples) -> list[Target]:
    own = _name(STARLETTE, OURS)
    beyond = difference(samples, own, _name(STARLETTE, HTTP_SPAN))
    what = "BotanuMiddleware on Starlette, beyond the application with an HTTP server span around it"
    targets = [Target(what, beyond.value, 2.0)]
    for framework, rival in ((STARLETTE, CONTRIB_LEAN), (FASTAPI, CONTRIB_LEAN), (FASTAPI, NATIVE_LEAN)):
        if _name(framework, rival) in samples:
            limit = ratio(samples, _name(framework, rival)).value
            whole = ratio(samples, _name(framework, OURS)).value
            targets.append(Target(f"whole request on {framework}, against the {rival}", whole, limit))
    return targets
