"""Importing, and leaving with nobody to send to: both in fresh processes."""

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.bench import Bench, fresh
from benchmarks.harness import Figure
from benchmarks.report import Table, Target, cell

ORDER = 40

_SDK = "import opentelemetry.sdk.trace"
_BOTANU = "import botanu"
# Beside them the API alone, and the name that a first run needs: the facade may load it only when it is asked for.
_STATEMENTS = (_SDK, "import opentelemetry.trace", _BOTANU, "from botanu import event")

_IMPORT = "from time import perf_counter as now; start = now(); {}; print(now() - start)"
_SCRIPT = """
import time
import botanu
botanu.enable(service_name="bench", instrument="none")
with botanu.event(workflow="w", event_id="e", customer_id="c"):
    pass
print(time.time(), flush=True)
"""


def table(bench: Bench) -> Table:
    """Seconds in fresh processes."""
    imports = _imports(bench, 5 if bench.quick else 15)
    refused, silent = _exits(bench, 1 if bench.quick else 3)
    share = Figure.of([ours / sdk for ours, sdk in zip(imports[_BOTANU], imports[_SDK], strict=True)])
    milliseconds = {each: Figure.of([one * 1000 for one in seconds]) for each, seconds in imports.items()}
    rows = [(f"`{statement}`, ms", cell(figure)) for statement, figure in milliseconds.items()]
    rows += [
        ("`import botanu` as a share of `import opentelemetry.sdk.trace`", cell(share)),
        ("exit after one run, nobody listening, s", f"**{refused:.2f}**"),
        ("exit after one run, a collector that never answers, s", f"**{silent:.2f}**"),
    ]
    return Table(
        title="Start and end",
        text="Imports are timed inside fresh interpreters, in turns. The exit is timed from a script's last line.",
        header=("", "median"),
        rows=rows,
        targets=[
            Target("import botanu, as a share of importing the SDK's trace", share.value, 1 / 3),
            Target("exit with nobody listening", refused, 5.0, "s"),
            Target("exit with a collector that never answers", silent, 5.0, "s"),
        ],
    )


def _imports(bench: Bench, count: int) -> dict[str, list[float]]:
    task = bench.progress.add_task("imports", total=count)
    seconds: dict[str, list[float]] = {statement: [] for statement in _STATEMENTS}
    for number in range(count + 1):
        for statement in _STATEMENTS:
            took = float(fresh(_IMPORT.format(statement)))
            if number:  # The first turn writes the byte code.
                seconds[statement].append(took)
        bench.progress.update(task, completed=number)
    return seconds


def _exits(bench: Bench, count: int) -> tuple[float, float]:
    task = bench.progress.add_task("exits", total=2 * count)
    medians = []
    for listening in (False, True):
        seconds = []
        with _port(listening=listening) as port:
            for _ in range(count):
                seconds.append(_exit_seconds(f"http://127.0.0.1:{port}"))
                bench.progress.advance(task)
        medians.append(statistics.median(seconds))
    return medians[0], medians[1]


@contextmanager
def _port(*, listening: bool) -> Iterator[int]:
    """A loopback port that refuses connections, or takes them and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen(64)
        yield server.getsockname()[1]


def _exit_seconds(endpoint: str) -> float:
    last_line = float(fresh(_SCRIPT, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint))
    return time.time() - last_line
