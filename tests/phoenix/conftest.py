"""Arize Phoenix as a child process: a backend that prices spans by a table of its own (LiteLLM's)."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

_STARTS_WITHIN_S = 180.0  # it takes twelve on an idle machine
_WHERE = "BOTANU_TEST_PHOENIX"


class Phoenix:
    """What is asked of the running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str) -> dict[str, Any]:
        """A GraphQL query's data."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query}, timeout=30).raise_for_status().json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data


@pytest.fixture(scope="session")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    """The server, on free ports; the command to start it stands in a variable that nox sets."""
    command = os.environ.get(_WHERE) or shutil.which("phoenix")
    if not command:
        pytest.skip(f"{_WHERE} names no phoenix command: python3 -m nox -s phoenix installs one and runs this")
    files = tmp_path_factory.mktemp("phoenix")
    http, grpc = _free_ports(2)
    settings = {
        "PHOENIX_WORKING_DIR": str(files),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PHOENIX_", "PYTHON"))}
    with Path(files / "log").open("wb") as log:
        child = subprocess.Popen([command, "serve"], env=kept | settings, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{http}"
            _wait(lambda: httpx.get(f"{url}/healthz", timeout=5).is_success, child, files / "log")
            yield Phoenix(url)
        finally:
            child.terminate()
            child.wait(30)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait(is_up: Callable[[], bool], child: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < until:
        try:
            if is_up():
                return
        except httpx.HTTPError:
            pass
        try:
            child.wait(0.5)
            break
        except subprocess.TimeoutExpired:
            pass
    pytest.fail(f"phoenix did not start:\n{log.read_text(errors='replace')[-3000:]}")
