"""What telemetry adds to publishing a Celery task and to executing one; and tasks a second on a real Redis."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from celery import Celery
from celery.app.task import Task
from celery.app.trace import build_tracer
from kombu import Connection
from opentelemetry import propagate

from benchmarks import ours
from benchmarks.bench import CONFIG_TITLES, Bench
from benchmarks.celery_load import KINDS, rates
from benchmarks.celery_spans import spans_alone
from benchmarks.harness import Contender, Figure, Samples, difference
from benchmarks.providers import CONFIGS, Config, bare_span, tracer_provider
from benchmarks.report import Table, Target, cell

ORDER = 23
STANDS_ALONE = True  # ratios, taken within a process
SLOWNESS = 2
DISTRIBUTIONS = (*ours.DISTRIBUTIONS, "celery", "opentelemetry-instrumentation-celery", "sentry-sdk")

BARE, SPAN, OURS = "Celery", "a messaging span alone", "botanu_celery"
CONTRIB, SENTRY = "OTel instrumentor", "sentry-sdk, tracing"
SIDES = ("publish", "execute")
_LIMITS = {"publish": 1.2, "execute": 1.5}

_Around = Callable[[], AbstractContextManager[Any]]


def contenders(config: Config) -> list[Contender]:
    """Celery's own code on either side of a broker that is not there, bare and under each kind of telemetry."""
    propagator = propagate.get_global_textmap()
    ours.enable(config)
    app = Celery("bench", broker="memory://", set_as_current=False)
    app.conf.update(task_ignore_result=True)

    @app.task(name="bench.answer")  # type: ignore[untyped-decorator]  # Celery has no types
    def answer(ticket: int) -> int:
        return ticket

    app.finalize()
    # The others get a provider of their own, so that nothing of ours weighs on their spans.
    provider = tracer_provider(config)
    others: dict[str, _Around] = {
        BARE: nullcontext,
        SPAN: lambda: spans_alone(provider, propagator),
        OURS: lambda: _ours(app),
        CONTRIB: _contrib(provider),
    }
    found = [bare_span()]
    for who, around in others.items():
        found += _both_sides(app, answer, who, around)
    # Last: it patches classes of Celery.
    return [*found, *_both_sides(app, answer, SENTRY, _sentry())]


def _both_sides(app: Celery, task: Any, who: str, around: _Around) -> list[Contender]:
    sent: list[dict[str, Any]] = []
    with around():
        task.apply_async((7,), producer=_producer(lambda *_, headers, **__: sent.append(headers)))
        from celery.app import trace  # sentry-sdk patches it there

        # The task itself, as a worker has it, and not the proxy that the decorator leaves in the module.
        execute = (trace.build_tracer if who == SENTRY else build_tracer)(task.name, app.tasks[task.name], app=app)
    (headers,) = sent
    request = {
        **{name: str(value) if isinstance(value, str) else value for name, value in headers.items()},
        "is_eager": False,
        "delivery_info": {"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": False},
        "hostname": "bench@localhost",
        "args": (7,),
        "kwargs": {},
    }
    producer = _producer(lambda *_, **__: None)
    return [
        Contender(f"publish {who}", lambda: task.apply_async((7,), producer=producer), around),
        Contender(f"execute {who}", lambda: execute("t-1", (7,), {}, request.copy()), _as_worker(who, around)),
    ]


def _producer(publish: Callable[..., None]) -> Any:
    """Where a message goes instead of to a broker."""
    return SimpleNamespace(connection=Connection("memory://"), publish=publish)


@contextmanager
def _ours(app: Celery) -> Iterator[None]:
    import botanu
    import botanu_celery

    botanu_celery.install(app)
    with botanu.event(workflow="Bench", event_id="e-1", customer_id="c-1"):
        yield
    botanu_celery.uninstall()


def _as_worker(who: str, around: _Around) -> _Around:
    """Likewise, but with nothing current: the run comes with the message."""
    if who != OURS:
        return around

    @contextmanager
    def alone() -> Iterator[None]:
        import botanu_celery

        botanu_celery.install()
        yield
        botanu_celery.uninstall()

    return alone


def _contrib(provider: Any) -> _Around:
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    tracer = provider.get_tracer("bench")

    @contextmanager
    def on() -> Iterator[None]:
        CeleryInstrumentor().instrument(tracer_provider=provider)
        with tracer.start_as_current_span("request"):
            yield
        CeleryInstrumentor().uninstrument()

    return on


def _sentry() -> _Around:
    """All traces sampled and sent nowhere, inside a transaction; its patches are there for its own rounds only."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            pass

    places = ((Task, "apply_async"), (Celery, "send_task"))
    bare = [getattr(owner, name) for owner, name in places]
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Nowhere, traces_sample_rate=1.0)
    client, patched = sentry_sdk.get_client(), [getattr(owner, name) for owner, name in places]

    def put(functions: list[Any], scope_client: Any) -> None:
        for (owner, name), function in zip(places, functions, strict=True):
            setattr(owner, name, function)
        sentry_sdk.get_global_scope().set_client(scope_client)

    @contextmanager
    def on() -> Iterator[None]:
        put(patched, client)
        with sentry_sdk.start_transaction(name="request"):
            yield
        put(bare, None)

    put(bare, None)
    return on


def table(bench: Bench) -> Table:
    """What each kind of telemetry adds to either side, and what is left of a worker's speed."""
    samples = bench.both(__name__)
    speeds = rates(bench)
    rows = [(who, *(_added(samples[config], side, who) for config in CONFIGS for side in SIDES)) for who in
            (SPAN, OURS, CONTRIB, SENTRY)]  # fmt: skip
    shares = {kind: Figure.of([own / bare for own, bare in zip(speeds[kind], speeds["bare"], strict=True)])
              for kind in KINDS}  # fmt: skip
    return Table(
        title="A Celery task",
        text=(
            "Celery's own code for publishing and for executing a task, without a broker: what telemetry adds to it, "
            "its span included, in units of a bare span. The run and the trace come from the publisher, one run for "
            "all tasks. *A messaging span alone* is the least that Celery's signals allow: a PRODUCER and a CONSUMER "
            "span with destination and task id, queue time and attempt, the trace written on the message and read "
            "from it. *Of bare, on Redis* is tasks a second of a prefork worker with one child, everything on, as a "
            "share of the same worker's without telemetry, by turns, from a queue that was filled before."
        ),
        header=("", *(f"{side}, {CONFIG_TITLES[config]}" for config in CONFIGS for side in SIDES), "of bare, on Redis"),
        rows=[(*row, cell(shares.get(_KIND[row[0]]))) for row in rows],
        targets=_targets(samples, 1 / shares["ours"].value),
    )


_KIND = {SPAN: "", OURS: "ours", CONTRIB: "otel", SENTRY: ""}


def _added(samples: Samples, side: str, who: str) -> str:
    return cell(difference(samples, f"{side} {who}", f"{side} {BARE}"))


def _targets(samples: dict[Config, Samples], bare_over_ours: float) -> list[Target]:
    targets = []
    for side in SIDES:
        own, contrib = (
            difference(samples["spans"], f"{side} {who}", f"{side} {BARE}").value for who in (OURS, CONTRIB)
        )
        beyond = difference(samples["spans"], f"{side} {OURS}", f"{side} {SPAN}").value
        targets += [
            Target(f"Celery, {side}, beyond a messaging span alone", beyond, _LIMITS[side]),
            Target(f"Celery, {side}, against the {CONTRIB}", own, contrib),
        ]
    return [*targets, Target("Celery on Redis, tasks a second of bare over ours", bare_over_ours, 1 / 0.9)]
