"""A Python script in a process of its own, as a user would start it; warnings are errors."""

import os
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "environment", "run"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended: exit code, what it wrote, and when, on the clock of `time.monotonic` that processes share."""

    code: int
    out: str
    err: str
    at: float


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without any OpenTelemetry or Botanu variable, and with `variables`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("OTEL_", "BOTANU_", "DD_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")])), **variables}


def run(source: str, *options: str, within_s: float = 120, **variables: str) -> Ended:
    """Run `source`, with interpreter options besides ``-W error`` and with environment variables."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", textwrap.dedent(source)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=within_s,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic())
