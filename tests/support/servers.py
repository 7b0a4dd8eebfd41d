"""Real servers on free loopback ports: uvicorn in a thread of this process, and programs in processes of their own."""

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

__all__ = ["Mirror", "Seen", "Server", "child", "raw_request"]

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 60.0


class Server:
    """uvicorn, in a thread and an event loop of its own, for as long as the ``with`` block lasts."""

    def __init__(self, app: Any, **options: Any) -> None:
        settings = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 1, "lifespan": "off"}
        self._server = _Told(uvicorn.Config(app, **(settings | options)))
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="test-uvicorn")

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Scheme, address and port."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._server.ready.wait(_PATIENCE_S):
            raise TimeoutError("uvicorn did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE_S)
        self._socket.close()


class _Told(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived.

    Attributes:
        path: With its query.
        headers: Every line, names in lower case.
    """

    path: str
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for each, value in self.headers if each == name]


@dataclass
class Mirror:
    """An ASGI application that keeps what arrives; ``/to?<url>`` redirects there, ``/fail`` answers 503."""

    seen: list[Seen] = field(default_factory=list)

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        query = scope["query_string"].decode("latin-1")
        lines = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
        self.seen.append(Seen(f"{scope['path']}?{query}", lines))
        status = {"/to": 307, "/fail": 503}.get(scope["path"], 200)
        headers = [(b"content-length", b"0")]
        if status == 307:
            headers.append((b"location", query.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body"})


@contextmanager
def child(module: str, *arguments: str, **environment: str) -> Iterator[dict[str, Any]]:
    """Run ``python -m module`` until the block ends; yields the line of JSON that it says first.

    Args:
        module: One that announces itself by a line of JSON, and ends when its standard input does.
        arguments: Of its command line.
        environment: Beside this process's, without its OpenTelemetry and Botanu settings.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "BOTANU_"))}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", module, *arguments],
        cwd=ROOT,
        env=kept | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], _PATIENCE_S)[0]:
            process.kill()
            raise TimeoutError(f"{module} did not start")
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module} ended with {process.wait()} before it said anything")
        yield json.loads(line)
    finally:
        process.communicate(timeout=_PATIENCE_S)


def raw_request(path: str, *headers: bytes, method: str = "GET", version: str = "1.1") -> bytes:
    """A request as bytes, with header lines as they stand."""
    return b"\r\n".join([f"{method} {path} HTTP/{version}".encode(), b"host: shop", *headers, b"", b""])
