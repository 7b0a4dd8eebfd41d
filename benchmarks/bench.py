"""What a table is given: samples from workers, environments for peers, and a progress bar."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from benchmarks.harness import BARE, Figure, Rounds, Samples
from benchmarks.providers import CONFIGS, Config
from benchmarks.worker import MARK

__all__ = ["CONFIG_TITLES", "Bench", "WorkerFailed", "clean_environment", "fresh"]

CONFIG_TITLES: dict[Config, str] = {"spans": "spans only", "everything": "everything on"}
_WORKER = Path(__file__).with_name("worker.py")


class WorkerFailed(Exception):
    """A worker, or the making of its environment, ended badly; the message is its last words."""


def clean_environment() -> dict[str, str]:
    """The environment for subprocesses: without settings of OpenTelemetry or ours, and without an import path."""
    foreign = ("OTEL_", "BOTANU_", "PYTHONPATH", "TRACELOOP_", "LANGFUSE_", "LOGFIRE_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "PYTHONWARNINGS": "ignore"}


def fresh(code: str, **environment: str) -> str:
    """Run `code` in a fresh interpreter, away from the tree, and give its standard output.

    Raises:
        WorkerFailed: It ended with an error.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=clean_environment() | environment,
            cwd=elsewhere,
            timeout=120,
            check=False,
        )
    if done.returncode:
        raise WorkerFailed(_last_line(done.stderr))
    return done.stdout


class Bench:
    """One run of the benchmarks.

    Attributes:
        rounds: How long every worker measures.
        quick: Whether this is a quick look whose figures are not kept.
        versions: Versions of the distributions that matter to a measuring module, by the name of the module.
        bare_us: What a bare span took in each of our own processes, in microseconds.
    """

    def __init__(self, rounds: Rounds, *, quick: bool, console: Console) -> None:
        self.rounds = rounds
        self.quick = quick
        self.console = console
        self.versions: dict[str, dict[str, str]] = {}
        self.bare_us: list[float] = []
        self._samples: dict[tuple[str, Config], Samples] = {}
        self._said: dict[tuple[str, str], dict[str, Any]] = {}
        self._pythons: dict[tuple[str, ...], str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        columns = (TextColumn("{task.description:<44}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self.progress = self._stack.enter_context(Progress(*columns, console=self.console, transient=True))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def both(self, module: str, python: str = sys.executable) -> dict[Config, Samples]:
        """Samples of `module` in both configurations."""
        return {config: self.samples(module, config, python) for config in CONFIGS}

    def samples(self, module: str, config: Config, python: str = sys.executable) -> Samples:
        """Samples of the module's contenders, measured once in a process of their own.

        Raises:
            WorkerFailed: It ended with an error.
        """
        if (module, config) not in self._samples:
            self._samples[module, config] = self._measure(module, config, python)
        return self._samples[module, config]

    def one_process(self, module: str) -> str:
        """A note on a table whose contenders, peers included, `module` has measured in one process: their versions."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions[module].items())
        return f"One process holds them all: {versions}."

    def _measure(self, module: str, config: Config, python: str) -> Samples:
        command = [python, str(_WORKER), module, config, str(self.rounds.count), str(self.rounds.iterations)]
        task = self.progress.add_task(f"{module.removeprefix('benchmarks.')}, {CONFIG_TITLES[config]}")
        found: Samples | None = None
        with tempfile.TemporaryFile("w+") as errors:
            options: Any = {"stdout": subprocess.PIPE, "stderr": errors, "text": True}
            with subprocess.Popen(command, env=clean_environment(), cwd=self._directory, **options) as process:
                for message in _messages(process.stdout or ()):
                    if "done" in message:
                        self.progress.update(task, completed=message["done"], total=message["total"])
                    else:
                        found = message["samples"]
                        self.versions[module] = message["versions"]
            errors.seek(0)
            if found is None or process.returncode:
                raise WorkerFailed(_last_line(errors.read()))
        if python == sys.executable:
            self.bare_us.append(Figure.of(found[BARE]).value / 1000)
        return found

    def said(self, script: str, module: str, python: str = sys.executable) -> dict[str, Any]:
        """What `script` of this package says of `module`, once a run.

        Raises:
            WorkerFailed: It ended with an error.
        """
        if (script, module) not in self._said:
            task = self.progress.add_task(module.removeprefix("benchmarks."), total=None)
            command = [python, str(_WORKER.with_name(script)), module, "quick" if self.quick else "full"]
            done = subprocess.run(
                command, capture_output=True, text=True, env=clean_environment(), cwd=self._directory, check=False
            )
            messages = list(_messages(done.stdout.splitlines()))
            if done.returncode or not messages:
                raise WorkerFailed(_last_line(done.stderr))
            self._said[script, module] = messages[-1]
            self.progress.update(task, completed=1, total=1)
        return self._said[script, module]

    def environment(self, requirements: Sequence[str]) -> str:
        """Path of a Python that has `requirements` installed and nothing of ours.

        Raises:
            WorkerFailed: They can not be installed.
        """
        key = tuple(requirements)
        if key not in self._pythons:
            task = self.progress.add_task(f"install {', '.join(requirements)}", total=None)
            self._pythons[key] = self._install(key)
            self.progress.update(task, completed=1, total=1)
        return self._pythons[key]

    def _install(self, requirements: tuple[str, ...]) -> str:
        home = self._directory / f"peer{len(self._pythons)}"
        python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
        if uv := shutil.which("uv"):
            make = [uv, "venv", "--quiet", "--python", sys.executable, str(home)]
            install = [uv, "pip", "install", "--quiet", "--python", python, *requirements]
        else:
            make = [sys.executable, "-m", "venv", str(home)]
            install = [python, "-m", "pip", "install", "--quiet", *requirements]
        for command in (make, install):
            done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
            if done.returncode:
                raise WorkerFailed(_last_line(done.stderr))
        return python


def _messages(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith(MARK):
            yield json.loads(line.removeprefix(MARK))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"
