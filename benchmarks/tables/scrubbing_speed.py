"""How fast text is scrubbed, ours beside others: prose as it is, and a megabyte of what is hard."""

from benchmarks.bench import Bench
from benchmarks.report import Table, Target
from benchmarks.tables.scrubbing import columns

ORDER = 51

_LIMIT_MB_S = 60
_FULL = 1_000_000


def table(bench: Bench) -> Table:
    """Megabytes a second."""
    found, _ = columns(bench)
    ours = found[0][1]["speed"]
    rows = [(name, *(_cell(*said["speed"][name]) for _, said in found)) for name in ours]
    return Table(
        title="Scrubbing: how fast",
        text=(
            "Megabytes a second on one core, by the processor's clock: the first two rows 4 KB, the others 1 MB. Where "
            "a smaller text already took too long, its size stands beside the figure."
        ),
        header=("", *(title for title, _ in found)),
        rows=rows,
        targets=[
            Target(f"scrubbing {name}, ms per MB", 1000 / speed, 1000 / _LIMIT_MB_S, "ms")
            for name, (speed, _) in ours.items()
        ],
    )


def _cell(speed: float, size: int) -> str:
    figure = f"{speed:.0f}" if speed >= 10 else f"{speed:.2g}"
    return figure if size == _FULL or size < 10_000 else f"{figure} ({size // 1000} KB)"
