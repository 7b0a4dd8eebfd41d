"""One Django request through RunMiddleware, beside OpenTelemetry's instrumentor and what else its users install."""

from benchmarks import django_project as project
from benchmarks import ours
from benchmarks.bench import CONFIG_TITLES, Bench
from benchmarks.harness import HTTP_SPAN, Contender, Samples, difference, ratio
from benchmarks.providers import CONFIGS, Config, bare_span, tracer_provider
from benchmarks.report import Table, Target, cell
from benchmarks.wsgi import spanned

ORDER = 22
STANDS_ALONE = True  # ratios, taken within a process
SLOWNESS = 4
DISTRIBUTIONS = (
    *ours.DISTRIBUTIONS,
    "django",
    "opentelemetry-instrumentation-django",
    "django-guid",
    "django-structlog",
    "sentry-sdk",
)

BARE = "Django"
OURS = "RunMiddleware"
JOINED = "RunMiddleware, joining a run"
CONTRIB = "OTel instrumentor"
GUID = "django-guid"
STRUCTLOG = "django-structlog"
SENTRY = "sentry-sdk, tracing"

_RUN_HEADERS = {
    "HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "HTTP_BAGGAGE": "botanu.run_id=0190f8a4-5d9e-7c3b-8f21-9a4b6c2d1e0f,botanu.workflow=w,botanu.event_id=e,"
    "botanu.customer_id=c,botanu.environment=production",
}


def contenders(config: Config) -> list[Contender]:
    """The same view behind WSGI, bare and under each kind of telemetry."""
    ours.enable(config)
    project.set_up()
    own = project.handler(["botanu_django.RunMiddleware"])
    # They get a provider of their own, so that nothing of ours weighs on their spans.
    others = tracer_provider(config)
    found = [
        bare_span(),
        Contender(BARE, project.wsgi_call(project.handler())),
        Contender(HTTP_SPAN, project.wsgi_call(spanned(project.handler(), others))),
        Contender(OURS, project.wsgi_call(own)),
        Contender(JOINED, project.wsgi_call(own, _RUN_HEADERS)),
        Contender(CONTRIB, project.wsgi_call(project.with_otel(others))),
        Contender(GUID, project.wsgi_call(project.handler(["django_guid.middleware.guid_middleware"]))),
        Contender(STRUCTLOG, project.wsgi_call(project.handler(["django_structlog.middlewares.RequestMiddleware"]))),
    ]
    # Last: it patches classes of Django.
    sentry, on = project.sentry()
    return [*found, Contender(SENTRY, project.wsgi_call(sentry), on)]


def table(bench: Bench) -> Table:
    """What a request costs, whole and beyond the bare project."""
    samples = bench.both(__name__)
    names = (BARE, HTTP_SPAN, OURS, JOINED, CONTRIB, SENTRY, GUID, STRUCTLOG)
    header = (f"{what}, {CONFIG_TITLES[config]}" for config in CONFIGS for what in ("whole", "beyond bare"))
    return Table(
        title="A Django request",
        text=(
            "Django's WSGI handler is called without a server, with no middleware but the one named; its view answers "
            "with a few bytes. Read it as the table above. django-guid and django-structlog make no spans, and "
            "sentry-sdk makes its own; all of them write to nowhere."
        ),
        header=("", *header),
        rows=[(name, *(text for config in CONFIGS for text in _cells(samples[config], name))) for name in names],
        targets=_targets(samples),
    )


def _cells(samples: Samples, name: str) -> tuple[str, str]:
    return cell(ratio(samples, name)), cell(None if name == BARE else difference(samples, name, BARE))


def _targets(samples: dict[Config, Samples]) -> list[Target]:
    beyond = difference(samples["spans"], OURS, HTTP_SPAN)
    what = "RunMiddleware on Django, beyond the application with an HTTP server span around it"
    targets = [Target(what, beyond.value, 3.0)]
    for config in CONFIGS:
        what = f"whole request on Django, against the {CONTRIB}, {CONFIG_TITLES[config]}"
        whole, limit = (ratio(samples[config], name).value for name in (OURS, CONTRIB))
        targets.append(Target(what, whole, limit))
    return targets
