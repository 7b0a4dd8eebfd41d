"""What deciding about runs costs: the outbound filter on a call, the inbound check on a request."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from opentelemetry import propagate, trace

from benchmarks import ours
from benchmarks.bench import CONFIG_TITLES, Bench
from benchmarks.harness import Contender, Figure, Samples, difference, ratio
from benchmarks.providers import CONFIGS, Config, bare_span
from benchmarks.report import Table, Target, cell

ORDER = 15
STANDS_ALONE = True  # ratios, taken within a process
DISTRIBUTIONS = ours.DISTRIBUTIONS

_KEY = b"a key that only benchmarks know, and all of them"
_STOCK = "the application's propagator"
_STOCK_IN_A_RUN = "the application's propagator in a run"
_NO_RUN = "outside a run"
_OUTSIDE = "to a host outside"
_INSIDE = "to a host inside"
_SIGNED = "to a host inside, signed"
_READ = "reading a run"
_CHECK = "inbound check"
_CHECK_SIGNED = "inbound check, signed"
_STRANGER = "inbound check of a stranger"
_WRITE = "writing a run"
_WRITE_SIGNED = "writing and signing a run"
_DESK = "http://desk:8000/"
_REQUEST = {"host": "desk", "accept": "*/*", "accept-encoding": "gzip", "connection": "keep-alive", "user-agent": "x"}
_RUNS = 1024
"""More than are kept in memory: every one is read, and written, as if for the first time."""

_LIMITS = {
    "outbound filter, outside a run": 0.3,
    "outbound filter, to a host outside": 0.3,
    "outbound filter, to a host inside": 0.3,
    "outbound filter, to a host inside, signed": 0.6,
    "inbound check": 0.3,
    "inbound check, signed": 0.6,
}


def contenders(config: Config) -> list[Contender]:
    """Injecting under a client span of a run, and judging the header that came of it."""
    ours.enable(config)
    from botanu_core import settings
    from botanu_core.model.run import Run
    from botanu_core.wire.baggage import decode
    from botanu_core.wire.carrier import Inbound
    from botanu_core.wire.signature import written
    from botanu_core.wire.trust import admit

    plain = settings.current()
    signed = replace(plain, baggage_keys=(_KEY,))
    names = {"workflow": "Customer Support", "event_id": "T-1", "customer_id": "acme"}
    members = [Run.new(environment="production", **names).members() for _ in range(_RUNS)]

    def checked(chosen: Any, peer: str) -> Callable[[], Any]:
        lines = [written(each, chosen.baggage_keys) for each in members]
        messages = itertools.cycle([Inbound((line,), peer) for line in lines])
        return lambda: admit(next(messages), chosen)

    headers = itertools.cycle([written(each) for each in members])

    def read() -> None:
        Run.from_members(decode((next(headers),)), environment="production")

    def wrote(keys: tuple[bytes, ...]) -> Callable[[], Any]:
        runs = itertools.cycle(members)
        return lambda: written(next(runs), keys)

    propagator: Any = propagate.get_global_textmap()
    inside, outside = _calling(plain, _DESK), _calling(plain, "https://api.example.com/v1/chat")
    unbothered = _calling(plain, _DESK, in_a_run=False)

    def inject(through: Any) -> Callable[[], None]:
        return lambda: through.inject(dict(_REQUEST))

    return [
        bare_span(),
        Contender(_STOCK, inject(propagator.inner), around=unbothered),
        Contender(_STOCK_IN_A_RUN, inject(propagator.inner), around=inside),
        Contender(_NO_RUN, inject(propagator), around=unbothered),
        Contender(_OUTSIDE, inject(propagator), around=outside),
        Contender(_INSIDE, inject(propagator), around=inside),
        Contender(_SIGNED, inject(propagator), around=_calling(signed, _DESK)),
        Contender(_READ, read),
        Contender(_CHECK, checked(plain, "10.0.0.7")),
        Contender(_STRANGER, checked(plain, "203.0.113.9")),
        Contender(_CHECK_SIGNED, checked(signed, "203.0.113.9")),
        Contender(_WRITE, wrote(())),
        Contender(_WRITE_SIGNED, wrote((_KEY,))),
    ]


def _calling(chosen: Any, url: str, in_a_run: bool = True) -> Callable[[], Any]:
    @contextmanager
    def around() -> Iterator[None]:
        import botanu
        from botanu_core import settings

        before = settings.current()
        settings.activate(chosen)
        run = botanu.event(workflow="Customer Support", event_id="T-1", customer_id="acme")
        with run if in_a_run else nullcontext():
            call = trace.get_tracer("bench").start_span(
                "GET", kind=trace.SpanKind.CLIENT, attributes={"http.method": "GET", "http.url": url}
            )
            with trace.use_span(call, end_on_exit=True):
                yield
        settings.activate(before)

    return around


def _figures(samples: Samples) -> dict[str, Figure]:
    return {
        "outbound filter, outside a run": difference(samples, _NO_RUN, _STOCK),
        "outbound filter, to a host outside": difference(samples, _OUTSIDE, _STOCK_IN_A_RUN),
        "outbound filter, to a host inside": difference(samples, _INSIDE, _STOCK_IN_A_RUN),
        "outbound filter, to a host inside, signed": difference(samples, _SIGNED, _STOCK_IN_A_RUN),
        "inbound check": difference(samples, _CHECK, _READ),
        "inbound check, signed": difference(samples, _CHECK_SIGNED, _READ),
        "a call to a host outside, beyond one outside a run": difference(samples, _OUTSIDE, _STOCK),
        "a call to a host inside, beyond one outside a run": difference(samples, _INSIDE, _STOCK),
        "reading a run": ratio(samples, _READ),
        "reading and checking a run": ratio(samples, _CHECK),
        "reading and checking a signed run": ratio(samples, _CHECK_SIGNED),
        "reading and refusing a stranger's": ratio(samples, _STRANGER),
        "writing a run for the first time": ratio(samples, _WRITE),
        "writing and signing it for the first time": ratio(samples, _WRITE_SIGNED),
    }


def table(bench: Bench) -> Table:
    """What trust costs, in bare spans."""
    figures = {config: _figures(samples) for config, samples in bench.both(__name__).items()}
    rows = [(label, *(cell(figures[config][label]) for config in CONFIGS)) for label in figures["spans"]]
    targets = [Target(what, figures["spans"][what].value, limit) for what, limit in _LIMITS.items()]
    return Table(
        title="Trust",
        text=(
            "The outbound filter is what injecting costs beyond the application's own propagator in the same context, "
            "which would hand the run to everybody. The inbound check is what is done beyond reading the run: sender, "
            "forwarding headers, signature. No header is read twice; a run is written, and signed, once for all its "
            "calls of a second. In units of a bare span."
        ),
        header=("", *(CONFIG_TITLES[config] for config in CONFIGS)),
        rows=rows,
        targets=targets,
    )
