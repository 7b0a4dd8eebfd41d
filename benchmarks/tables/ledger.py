"""What the ledger costs: a call on the caller's thread, spans that nobody samples, and entries a second."""

import atexit
import json
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

from benchmarks import ours
from benchmarks.bench import Bench, fresh
from benchmarks.harness import Contender, Samples, ratio
from benchmarks.providers import Config, bare_span
from benchmarks.report import Table, Target, cell
from demo.otlp import decode_logs
from demo.processes import Children
from demo.receiver import Receiver

ORDER = 15
STANDS_ALONE = True  # ratios, taken within a process
DISTRIBUTIONS = ours.DISTRIBUTIONS

_CALL = "track_llm_call, set_tokens, priced, entered and measured"
_PRICE = "pricing a call with a warm PriceBook"
_UNSAMPLED = {
    "an unsampled plain span": ("work", SpanKind.INTERNAL, {}),
    "an unsampled client span": ("GET", SpanKind.CLIENT, {}),
    "an unsampled model call of others": ("chat gpt-4o", SpanKind.CLIENT, {"gen_ai.operation.name": "chat"}),
}
_LIMITS = {_PRICE: 0.3, _CALL: 6.5}
_ENTRIES_A_SECOND = 20_000
_THREADS = 8
_ENTRIES = 200_000

_MANY = """
import json, resource, sys, threading, time
import botanu
from botanu_core.model.usage import Usage
from botanu_core.ledger.sighting import Sighting
from botanu_core.runtime import billing
from botanu_core.runtime.context import current_run
from opentelemetry.trace import SpanContext

threads, entries = {threads}, {entries}
botanu.enable(service_name="bench", instrument="none", shutdown_timeout_s=60)
usage = Usage(input_tokens=150, output_tokens=200)

def work(run, first, count):
    for number in range(first, first + count):
        seen = Sighting("tracker", "chat", "openai", "gpt-4o", None, f"r{{number}}", usage)
        span = SpanContext(1, number + 1, False)
        call = billing.open_call(run, number + 1, 0)
        billing.end_call(call, seen, name="chat gpt-4o", span_context=span, duration_s=0.1)

def round(first, count):
    with botanu.event(workflow="w", event_id="e", customer_id="c") as run:
        each = count // threads
        workers = [threading.Thread(target=work, args=(run, first + n * each, each)) for n in range(threads)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert botanu.flush(60)
        return time.perf_counter() - started

round(0, entries // 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
took = round(entries // 2, entries // 2)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dropped = botanu.doctor(sys.stderr).counts.get("dropped logs", 0)
print(json.dumps([took, after - before, dropped]))
"""


def contenders(_config: Config) -> list[Contender]:
    """A call, and spans of others inside a run that is not sampled; all leaves by exporters of our own."""
    receivers = Children()
    atexit.register(receivers.__exit__, None, None, None)
    port = receivers.start("demo.receiver").ready()["port"]
    import botanu
    from botanu.pricing import PriceBook
    from botanu.tracking.llm import track_llm_call
    from botanu_core.model.usage import Usage

    botanu.enable(service_name="bench", instrument="none", otlp_endpoint=f"http://127.0.0.1:{port}")

    def llm() -> None:
        with track_llm_call(provider="openai", model="gpt-4o") as tracker:
            tracker.set_tokens(input_tokens=150, output_tokens=200)

    def opened() -> Any:
        return botanu.event(workflow="w", event_id="e", customer_id="c")

    book, usage = PriceBook().warm(), Usage(input_tokens=1200, output_tokens=300, cache_read_tokens=1000)

    def price() -> None:
        book.price(usage, "openai", ("gpt-5-2025-08-07", "gpt-5"))

    found = [bare_span(), Contender(_PRICE, price), Contender(_CALL, llm, around=opened)]
    tracer = trace.get_tracer("bench.others")
    sampled = tracer.sampler  # type: ignore[attr-defined]  # the SDK's
    found.append(Contender("an ordinary span", _started(tracer, "work", SpanKind.INTERNAL, {}), around=opened))
    unsampled = trace.get_tracer("bench.unsampled")
    unsampled.sampler = type(sampled)(ALWAYS_OFF)  # type: ignore[attr-defined]
    found += [Contender(name, _started(unsampled, *how), around=opened) for name, how in _UNSAMPLED.items()]
    return found


def _started(tracer: trace.Tracer, name: str, kind: SpanKind, attributes: dict[str, str]) -> Any:
    def call() -> None:
        with tracer.start_as_current_span(name, kind=kind, attributes=attributes):
            pass

    return call


class _Keeper(Receiver):
    """Reads what it is sent afterwards: its own decoding is no part of the measurement."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def take(self, signal: str, raw: bytes) -> int:
        if signal == "logs":
            self.bodies.append(raw)
        return 200


def _throughput() -> tuple[float, float, int, int]:
    """Entries a second through to a receiver, growth in MiB of the second half, entries dropped, entries doubled."""
    with _Keeper() as receiver:
        code = _MANY.format(threads=_THREADS, entries=_ENTRIES)
        took, grown, dropped = json.loads(fresh(code, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint))
    ids = [event.attributes.get("botanu.entry_id") for raw in receiver.bodies for event in decode_logs(raw)]
    arrived = [each for each in ids if each is not None]
    missing = _ENTRIES - len(set(arrived))
    return _ENTRIES / 2 / took, grown / 1024, max(missing, dropped), len(arrived) - len(set(arrived))


def table(bench: Bench) -> Table:
    """The ledger, in bare spans and in entries a second."""
    samples: Samples = bench.samples(__name__, "everything")
    figures = {name: ratio(samples, name) for name in (*_LIMITS, "an ordinary span", *_UNSAMPLED)}
    rows = [(name, cell(figure)) for name, figure in figures.items()]
    rate, grown, lost, doubled = _throughput()
    rows += [
        ("entries a second from 8 threads, through to a receiver", f"**{rate:,.0f}**"),
        (f"of {_ENTRIES:,} entries lost / doubled", f"**{lost}** / **{doubled}**"),
        ("memory grown over the second half, MiB", f"**{grown:.1f}**"),
    ]
    return Table(
        title="The ledger",
        text=(
            "In units of a bare span; inside a run, everything on, sent by our own exporters to a receiver in a "
            "process of its own. That of the many entries is a thread that keeps what it gets and reads it afterwards."
        ),
        header=("", "measured"),
        rows=rows,
        targets=[
            *(Target(name, figures[name].value, limit) for name, limit in _LIMITS.items()),
            Target("50 µs an entry from 8 threads, through to a receiver", _ENTRIES_A_SECOND / rate, 1.0),
            Target("entries lost or doubled", float(lost + doubled), 0.0, ""),
        ],
    )
