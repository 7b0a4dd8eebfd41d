"""Real servers under load: requests a second, the slowest of a hundred, and memory."""

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench, clean_environment
from benchmarks.harness import HTTP_SPAN, Figure
from benchmarks.load import Loaded, load
from benchmarks.report import Table, Target, cell

ORDER = 30
STANDS_ALONE = True  # `--only load` writes it
CONNECTIONS = 16
TURNS, TURN_S = 30, 1.0
"""Each kind is loaded for 30 s in all, in short turns: a machine whose speed drifts does so for all of them."""
WARM_UP, REQUESTS, NOTHING = 20_000, 200_000, "/nothing"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Server:
    """A server and its application.

    Attributes:
        name: In the table.
        command: After ``python -m``; ``{port}`` is where to listen, on 127.0.0.1. The application reads ``BENCH_KIND``.
        path: What is asked for.
        kinds: ``bare`` first, ``ours`` second, and others beside them, by what the table calls them.
        is_weighed: Whether its memory is measured.
    """

    name: str
    command: tuple[str, ...]
    path: str
    kinds: dict[str, str]
    is_weighed: bool = True


_UVICORN = (
    "uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "warning", "benchmarks.apps.fastapi_app:app",
)  # fmt: skip
_GUNICORN = (
    "gunicorn", "--bind", "127.0.0.1:{port}", "-k", "gthread", "--threads", str(CONNECTIONS), "--log-level", "warning",
    "benchmarks.apps.flask_app:app",
)  # fmt: skip
SERVERS = (
    Server(
        "FastAPI on uvicorn",
        _UVICORN,
        "/tickets/7",
        {
            "bare": "bare",
            "ours": "BotanuMiddleware",
            "ours-frozen": "BotanuMiddleware, `gc.freeze()` at the start",
            "span": HTTP_SPAN,
            "otel": "OTel instrumentor, server span only",
        },
    ),
    Server(
        "FastAPI on uvicorn, asking a model",
        _UVICORN,
        "/tickets/7/answer",
        {
            "bare": "bare",
            "ours": "BotanuMiddleware",
            "ours-calls": "BotanuMiddleware and OpenAIInstrumentor",
            "otel": "OTel instrumentor, server span only",
            "otel-calls": "OTel instrumentors of both",
        },
        is_weighed=False,  # in the row before
    ),
    Server(
        "Flask on gunicorn gthread",
        _GUNICORN,
        "/tickets/7",
        {"bare": "bare", "ours": "BotanuFlask", "span": HTTP_SPAN, "otel": "OTel Flask instrumentor"},
    ),
    Server(
        "Flask on gunicorn gthread, asking a model",
        _GUNICORN,
        "/tickets/7/answer",
        {
            "bare": "bare",
            "ours": "BotanuFlask",
            "ours-calls": "BotanuFlask and OpenAIInstrumentor",
            "otel": "OTel Flask instrumentor",
        },
        is_weighed=False,  # in the row before
    ),
)


def table(bench: Bench) -> Table:
    """Every server in turn."""
    rows: list[tuple[str, ...]] = []
    targets: list[Target] = []
    for server in SERVERS:
        found = _measured(bench, server)
        rows += [_row(server, found, kind, title) for kind, title in server.kinds.items()]
        least = found.rate("ours")
        targets += [
            Target(f"{server.name}, requests a second of bare over ours", 1 / least.value, 1 / 0.85),
            Target(f"{server.name}, p99 of ours over bare", found.p99_ms("ours") / found.p99_ms("bare"), 1.25),
        ]
        if found.memory_mb is not None:
            before, after = found.memory_mb
            grown = f"{server.name}, memory grown over {REQUESTS:,} requests"
            targets.append(Target(grown, after - before, 0.05 * before, "MB"))
    return Table(
        title="Under load",
        text=(
            f"Real servers, a process each, everything on, {CONNECTIONS} connections that are always busy: {TURNS} "
            f"turns of {TURN_S:g} s for each kind, by turns. Shares of requests are taken within a turn; p99 is that "
            "of all turns. The endpoint reads a hundred rows from a database in memory and answers with 14 kB of JSON; "
            "*asking a model*, it sends ten of them to one over HTTP with OpenAI's client, and answers "
            "what that says, at once. "
            "*An HTTP server span around* is the least that any tracing on OpenTelemetry's SDK takes. "
            f"*CPU* is the server's own, all its threads, for a request. Memory is the server's after {WARM_UP:,} "
            f"requests for nothing, and again after {REQUESTS:,} more."
        ),
        header=("", "requests/s", "of bare", "p99, ms", "of bare", "CPU, µs"),
        rows=rows,
        targets=targets,
    )


def _row(server: Server, found: "_Measured", kind: str, title: str) -> tuple[str, ...]:
    p99_ms = found.p99_ms(kind)
    return (
        f"{server.name}: {title}",
        f"{statistics.median([each.rate for each in found.loads[kind]]):,.0f}",
        cell(found.rate(kind) if kind != "bare" else None),
        f"{p99_ms:.1f}",
        f"{p99_ms / found.p99_ms('bare'):.2f}" if kind != "bare" else "–",
        f"{statistics.median(found.cpu_us[kind]):.0f}",
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    loads: dict[str, list[Loaded]]
    cpu_us: dict[str, list[float]]
    memory_mb: tuple[float, float] | None

    def rate(self, kind: str) -> Figure:
        """Requests a second as a share of those of `bare`, turn by turn."""
        return Figure.of([own.rate / bare.rate for own, bare in zip(self.loads[kind], self.loads["bare"], strict=True)])

    def p99_ms(self, kind: str) -> float:
        """The latency that one in a hundred exceeded, of the requests of all turns."""
        together = [latency for turn in self.loads[kind] for latency in turn.latencies]
        return statistics.quantiles(together, n=100)[98] * 1000


def _measured(bench: Bench, server: Server) -> _Measured:
    turns, turn_s, requests = (3, 1.0, 20_000) if bench.quick else (TURNS, TURN_S, REQUESTS)
    task = bench.progress.add_task(f"load, {server.name}", total=turns * len(server.kinds) + 1)
    with contextlib.ExitStack() as stack:
        _, model = stack.enter_context(_started("benchmarks.apps.model", "{port}"))
        running = {
            kind: stack.enter_context(_started(*server.command, BENCH_KIND=kind, BENCH_MODEL=str(model)))
            for kind in server.kinds
        }
        for _, port in running.values():
            load(port, server.path, connections=CONNECTIONS, count=2_000)
        loads: dict[str, list[Loaded]] = {kind: [] for kind in running}
        cpu_us: dict[str, list[float]] = {kind: [] for kind in running}
        for number in range(turns):
            for kind in _rotated(list(running), number):
                process, port = running[kind]
                before = _cpu_s(process.pid)
                loads[kind].append(load(port, server.path, connections=CONNECTIONS, seconds=turn_s))
                cpu_us[kind].append((_cpu_s(process.pid) - before) * 1e6 / len(loads[kind][-1].latencies))
                bench.progress.advance(task)
        memory_mb = _weighed(*running["ours"], requests) if server.is_weighed else None
        bench.progress.advance(task)
        return _Measured(loads, cpu_us, memory_mb)


def _weighed(process: subprocess.Popen[bytes], port: int, requests: int) -> tuple[float, float]:
    """Memory after requests for nothing, and again after so many more, in MB."""
    load(port, NOTHING, connections=CONNECTIONS, count=min(WARM_UP, requests))
    before_mb = _memory_mb(process.pid)
    load(port, NOTHING, connections=CONNECTIONS, count=requests)
    return before_mb, _memory_mb(process.pid)


def _rotated(kinds: list[str], by: int) -> list[str]:
    first = by % len(kinds)
    return kinds[first:] + kinds[:first]


@contextlib.contextmanager
def _started(*command: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """``python -m`` so and so, once it listens, and where; ``{port}`` in the command is where it is to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        env=clean_environment() | {"PYTHONPATH": str(_ROOT)} | environment,
    )
    try:
        _wait_for(process, port)
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _memory_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB."""
    return sum(int(_told(each, "statm")[1]) for each in _family(pid)) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu_s(pid: int) -> float:
    """Processor time of a process and its children, in seconds."""
    ticks = sum(int(_told(each, "stat")[place]) for each in _family(pid) for place in (11, 12))
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def _told(pid: int, what: str) -> list[str]:
    # The name of a process stands in brackets and may hold spaces.
    return Path(f"/proc/{pid}/{what}").read_text().rpartition(")")[2].split()
