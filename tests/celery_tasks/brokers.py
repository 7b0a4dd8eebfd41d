"""Real brokers and real workers, as children of the tests on free loopback ports."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.script import ROOT, environment

__all__ = ["RabbitMQ", "Redis", "Worker", "free_port", "rabbitmq", "redis", "until_it_listens", "worker"]

_PATIENCE_S = 30.0
# A recycled child waits 30 s for its last result to be counted, which a worker that is stopping may no longer do.
_STOPPING_S = 120.0
_CELERY = ("-X", "faulthandler", "-m", "celery")


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _server(name: str) -> str:
    """Where a server is; without it the test is skipped, but not where everything is meant to be there."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        missing = f"{name} is not installed: apt-get install {name}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def until_it_listens(port: int, process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the broker ended with {process.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise TimeoutError("the broker did not start")


def _until_nobody_listens(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return
        except OSError:
            continue
    raise TimeoutError("the broker did not end")


@dataclass
class Redis:
    """A redis-server; what it holds survives a `crash`."""

    port: int
    directory: str
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Listen."""
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self.process = subprocess.Popen(
            [_server("redis-server"), "--port", str(self.port), "--dir", self.directory, *options],
            stdout=subprocess.DEVNULL,
        )
        until_it_listens(self.port, self.process)

    def stop(self) -> None:
        """Stop listening."""
        self.process.terminate()
        self.process.wait(_PATIENCE_S)

    def crash(self) -> None:
        """Be killed, with all connections, and listen again; what it has acknowledged is on the disk."""
        self.process.kill()
        self.process.wait()
        self.start()


@contextmanager
def redis() -> Iterator[Redis]:
    """A redis-server while the block lasts."""
    _server("redis-server")
    with tempfile.TemporaryDirectory() as directory:
        running = Redis(free_port(), directory)
        running.start()
        try:
            yield running
        finally:
            running.stop()


@dataclass
class RabbitMQ:
    """A RabbitMQ node; what it holds survives a `crash`."""

    directory: str
    port: int = field(default_factory=free_port)
    mapper: int = field(default_factory=free_port)
    distribution: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        """Of its first virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Listen."""
        # Debian's command in the path changes the user by `su`; the program itself runs as whoever starts it.
        listed = subprocess.run(["dpkg", "-L", "rabbitmq-server"], capture_output=True, text=True, check=True).stdout
        program = next(line for line in listed.splitlines() if line.endswith("lib/rabbitmq/bin/rabbitmq-server"))
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(self.directory, "rabbitmq", "rabbitmq")
            as_user = {"user": "rabbitmq", "group": "rabbitmq", "extra_groups": []}
        self.process = subprocess.Popen(
            [program],
            env=self._variables(),
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            **as_user,
        )
        until_it_listens(self.port, self.process)

    def stop(self) -> None:
        """Stop listening."""
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(_PATIENCE_S)
        subprocess.run(["epmd", "-port", str(self.mapper), "-kill"], stdout=subprocess.DEVNULL, check=False)

    def crash(self) -> None:
        """Be killed, with all connections, and listen again; what it has acknowledged is on the disk."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _until_nobody_listens(self.port)  # the shell that was waited for is not who listens
        self.start()

    def _variables(self) -> dict[str, str]:
        home = Path(self.directory)
        return {
            "RABBITMQ_NODENAME": f"t{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "ERL_EPMD_PORT": str(self.mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "cfg"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(home / "ff"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +A 8",
            "HOME": self.directory,
            "PATH": os.environ["PATH"],
        }


@contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """A RabbitMQ node while the block lasts."""
    _server("rabbitmq-server")
    running = RabbitMQ(tempfile.mkdtemp(prefix="rabbit-"))
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(running.directory, ignore_errors=True)


@dataclass
class Worker:
    """A ``celery worker`` process.

    Attributes:
        process: Of its main process.
        log: What it has written.
    """

    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def said(self) -> str:
        """All that it has written so far."""
        return Path(self.log.name).read_text(errors="replace")

    def stop(self) -> int:
        """Let it finish what it has begun; returns its exit code. One that does not stop says where it stands."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(_STOPPING_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGABRT)  # all its processes write their stacks
            self.process.wait()
            raise AssertionError(f"the worker did not stop:\n{self.said()}") from None


@contextmanager
def worker(broker: str, *options: str, app: str = "tests.celery_tasks.tasks", **variables: str) -> Iterator[Worker]:
    """A worker while the block lasts, stopped as deployments do at its end.

    Args:
        broker: URL.
        options: Of ``celery worker``.
        app: The module of the application.
        variables: Of its environment.
    """
    with tempfile.NamedTemporaryFile(prefix="worker-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, *_CELERY, "-A", app, "worker", "--without-mingle", "--without-gossip", *options],
            env=environment(**{**variables, "SHOP_BROKER": broker}),
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running = Worker(process, log)
        try:
            yield running
        finally:
            running.stop()
