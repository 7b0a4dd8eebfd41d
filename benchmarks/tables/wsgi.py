"""What a request through BotanuFlask costs, beside OpenTelemetry's instrumentors, sentry-sdk and a correlation id."""

from typing import Any

from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from request_id import RequestIdMiddleware

from benchmarks import ours, peers_on_wsgi
from benchmarks.bench import CONFIG_TITLES, Bench
from benchmarks.harness import HTTP_SPAN, Contender, Samples, difference, ratio
from benchmarks.providers import CONFIGS, Config, bare_span, tracer_provider
from benchmarks.report import Table, Target, cell
from benchmarks.wsgi import Application, request, spanned

ORDER = 21
STANDS_ALONE = True  # ratios, taken within a process
SLOWNESS = 4
DISTRIBUTIONS = (
    *ours.DISTRIBUTIONS, "flask", "werkzeug", "opentelemetry-instrumentation-flask", "request-id", "sentry-sdk",
)  # fmt: skip

FLASK = "Flask"
WSGI = "WSGI"
BARE = "bare"
EXTENSION = "BotanuFlask"
MIDDLEWARE = "BotanuMiddleware"
JOINED = "BotanuFlask, joining a run"
ASKING = "BotanuFlask, an id from the route"
FLASK_CONTRIB = "OTel Flask instrumentor"
WSGI_CONTRIB = "OTel WSGI middleware"
CORRELATION = "request-id"
SENTRY = "sentry-sdk, every request traced"

_PATH = "/tickets/7"
_RUN_HEADERS = {
    "HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "HTTP_BAGGAGE": (
        "botanu.run_id=0190f8a4-5d9e-7c3b-8f21-9a4b6c2d1e0f,botanu.workflow=w,botanu.event_id=e,"
        "botanu.customer_id=c,botanu.environment=production"
    ),
}


def contenders(config: Config) -> list[Contender]:
    """The same endpoint with and without Flask, bare and under each kind of telemetry."""
    ours.enable(config)
    # The others get a provider of their own, so that nothing of ours weighs on their spans.
    others = tracer_provider(config)
    return [bare_span(), *_on_flask(others), *_on_wsgi(others)]


def _contender(framework: str, kind: str, application: Application, headers: Any = None) -> Contender:
    return Contender(_name(framework, kind), request(application, _PATH, headers))


def _name(framework: str, kind: str = BARE) -> str:
    return f"{framework}: {kind}"


def _flask() -> Flask:
    application = Flask("bench")

    @application.get("/tickets/<int:ticket>")
    def endpoint(ticket: int) -> str:
        return str(ticket)

    return application


def _on_flask(others: TracerProvider) -> list[Contender]:
    from botanu_flask import BotanuFlask

    own, asking, contrib, traced = _flask(), _flask(), _flask(), _flask()
    BotanuFlask(own)
    BotanuFlask(asking, event_id=lambda request: request.view_args["ticket"])
    FlaskInstrumentor().instrument_app(contrib, tracer_provider=others)
    return [
        _contender(FLASK, BARE, _flask()),
        _contender(FLASK, HTTP_SPAN, spanned(_flask(), others)),
        _contender(FLASK, EXTENSION, own),
        _contender(FLASK, JOINED, own, _RUN_HEADERS),
        _contender(FLASK, ASKING, asking),
        _contender(FLASK, FLASK_CONTRIB, contrib),
        _contender(FLASK, WSGI_CONTRIB, OpenTelemetryMiddleware(_flask(), tracer_provider=others)),
        _contender(FLASK, CORRELATION, RequestIdMiddleware(_flask())),
        _contender(FLASK, SENTRY, peers_on_wsgi.sentry(traced)),
    ]


def _wsgi(environ: Any, start_response: Any) -> list[bytes]:
    ticket = environ["PATH_INFO"].rpartition("/")[2]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(ticket)))])
    return [ticket.encode()]


def _on_wsgi(others: TracerProvider) -> list[Contender]:
    from botanu_flask import BotanuMiddleware

    return [
        _contender(WSGI, BARE, _wsgi),
        _contender(WSGI, HTTP_SPAN, spanned(_wsgi, others)),
        _contender(WSGI, MIDDLEWARE, BotanuMiddleware(_wsgi)),
        _contender(WSGI, WSGI_CONTRIB, OpenTelemetryMiddleware(_wsgi, tracer_provider=others)),
    ]


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
        title="A request to Flask",
        text="As above: without a server, in units of a bare span; *WSGI* is an application without a framework.",
        header=("", *header),
        rows=rows,
        targets=_targets(samples),
    )


def _cells(samples: Samples, name: str) -> tuple[str, str]:
    framework = name.split(": ")[0]
    beyond = None if name == _name(framework) else difference(samples, name, _name(framework))
    return cell(ratio(samples, name)), cell(beyond)


def _targets(samples: dict[Config, Samples]) -> list[Target]:
    spans = samples["spans"]
    targets = [
        Target(
            f"{kind} on {framework}, beyond the application with an HTTP server span around it",
            difference(spans, _name(framework, kind), _name(framework, HTTP_SPAN)).value,
            2.5,
        )
        for framework, kind in ((FLASK, EXTENSION), (WSGI, MIDDLEWARE))
    ]
    rivals = ((FLASK, EXTENSION, FLASK_CONTRIB), (FLASK, EXTENSION, WSGI_CONTRIB), (WSGI, MIDDLEWARE, WSGI_CONTRIB))
    return targets + [
        Target(
            f"whole request on {framework}, everything on, against the {rival}",
            ratio(samples["everything"], _name(framework, kind)).value,
            ratio(samples["everything"], _name(framework, rival)).value,
        )
        for framework, kind, rival in rivals
    ]
