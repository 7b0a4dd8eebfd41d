"""Servers that recycle their workers or are told to stop in the middle of work: every call has its entry."""

import contextlib
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.core.ledger.arrived import responses_at
from tests.support.script import environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
PATIENCE_S = 30


@contextlib.contextmanager
def server(receiver, *command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """``python -m command`` on a listening socket of its own, ``{fd}`` in it; ended for good after the block."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(fd=listener.fileno()) for part in command)],
            env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint),
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process, listener.getsockname()[1]
        finally:
            process.kill()
            process.communicate()


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()


WORKERS = {
    "sync": ("-k", "sync", "tests.core.ledger.serving:wsgi"),
    "gthread, preloaded": ("-k", "gthread", "--preload", "tests.core.ledger.serving:wsgi"),
    "uvicorn, preloaded": ("-k", "uvicorn_worker.UvicornWorker", "--preload", "tests.core.ledger.serving:asgi"),
}


@pytest.mark.skipif(importlib.util.find_spec("gunicorn") is None, reason="gunicorn is not installed")
@pytest.mark.parametrize("worker", WORKERS.values(), ids=WORKERS)
def test_workers_that_gunicorn_recycles_leave_no_entry_behind(receiver, worker):
    """Each worker ends after a few requests, and a new one takes its place, while there is always another at work."""
    options = ("--workers", "2", "--max-requests", "5", "--graceful-timeout", "10", "--bind", "fd://{fd}")
    with server(receiver, "gunicorn", *options, *worker) as (process, port):
        served: dict[str, str | None] = {}
        while len(set(served.values()) - {None}) < 5:
            assert len(served) < 5000, "no worker is recycled"
            name = f"call-{len(served)}"
            served[name] = None
            with contextlib.suppress(ConnectionError):  # uvicorn resets what it has accepted in its last moment
                served[name] = get(port, f"/ask?name={name}")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert "dropped" not in said
    answered = {name for name, worker in served.items() if worker is not None}
    assert answered <= set(responses_at(receiver)) <= set(served), said


UVICORN = ("uvicorn", "--fd", "{fd}", "--no-access-log", "--timeout-graceful-shutdown")


def told_to_stop(receiver, path: str, *, grace_s: str, hang_up: bool) -> str:
    """Stops uvicorn while a page is held; what it said.

    Args:
        receiver: Where entries go.
        path: The page's.
        grace_s: How long it waits for what is under way.
        hang_up: Whether the page is let go once the server has taken notice, or held until that is gone.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as holder,
        server(receiver, *UVICORN, grace_s, "tests.core.ledger.serving:asgi") as (process, port),
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client,
    ):
        client.sendall(f"GET {path}?port={holder.getsockname()[1]} HTTP/1.1\r\nhost: shop\r\n\r\n".encode())
        holder.settimeout(PATIENCE_S)
        held, _ = holder.accept()
        with held:
            process.send_signal(signal.SIGTERM)
            said = ""
            while "Shutting down" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            if hang_up:
                held.close()
            return said + process.communicate(timeout=PATIENCE_S)[1]


def test_a_request_that_is_under_way_when_sigterm_comes_has_all_its_entries(receiver):
    """uvicorn lets it end, and dies of the signal then, past Python's own exit handlers."""
    said = told_to_stop(receiver, "/between", grace_s="20", hang_up=True)
    assert responses_at(receiver) == {"before": 1, "open": 1, "after": 1}, said


def test_a_request_that_sigterm_cuts_off_has_its_entries_so_far(receiver):
    """uvicorn's patience is at its end: the task is cancelled in the middle of a call, which has its usage."""
    said = told_to_stop(receiver, "/between", grace_s="1", hang_up=False)
    assert "timeout graceful shutdown exceeded" in said
    assert responses_at(receiver) == {"before": 1, "open": 1}, said


def test_what_waits_for_its_twin_in_a_thread_that_never_ends_is_sent(receiver):
    """A thread of the pool cannot be cancelled; its request can, and the run ends with it."""
    said = told_to_stop(receiver, "/threaded", grace_s="1", hang_up=False)
    assert responses_at(receiver)["waiting"] == 1, said
