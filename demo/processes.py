"""The demonstration's child processes: started, waited for, and ended whatever happens."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Self

__all__ = ["Child", "ChildFailed", "Children"]

_READY_WITHIN_S = 30.0
_END_WITHIN_S = 15.0
_TAIL_LINES = 20


class ChildFailed(Exception):
    """A child process did not come up or did not hold; the message holds the end of what it wrote to standard error."""


class Child:
    """One module run as ``python -m``, which announces itself with one line of JSON.

    In a session of its own, so that Ctrl-C reaches the demonstration alone, which then ends its children in order.
    """

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str]) -> None:
        self.module = module
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "--with-parent", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
        self._reader = threading.Thread(target=self._read, name=f"read-{module}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)
        self._said.put("")

    def ready(self) -> dict[str, Any]:
        """What the child announced, such as its port; raises `ChildFailed` when it ends or is silent for too long."""
        try:
            line = self._said.get(timeout=_READY_WITHIN_S)
            while line and not line.startswith("{"):
                line = self._said.get(timeout=_READY_WITHIN_S)
        except queue.Empty:
            line = ""
        if not line:
            raise ChildFailed(f"{self.module} did not start.\n{self.stderr_tail()}")
        announced: dict[str, Any] = json.loads(line)
        return announced

    def stderr_tail(self) -> str:
        """The last lines that it wrote to standard error, under a heading."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join([f"The end of what {self.module} wrote to standard error:", *(lines or ["(nothing)"])])

    def end(self) -> None:
        """Ask it to stop, which flushes its telemetry, and wait; kill it when it does not."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()


class Children:
    """All child processes; leaving the ``with`` block ends those that are left, the last one first."""

    def __init__(self) -> None:
        self._running: list[Child] = []

    def start(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Child:
        """Start one; ask `Child.ready` before it is used."""
        child = Child(module, *arguments, environment=environment or {})
        self._running.append(child)
        return child

    def stderr_tails(self) -> str:
        """The last lines that those who still run wrote to standard error."""
        return "\n".join(child.stderr_tail() for child in self._running)

    def end(self, *children: Child) -> None:
        """End these, in this order."""
        for child in children:
            self._running.remove(child)
            child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(*reversed(self._running))
