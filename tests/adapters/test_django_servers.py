"""Django on gunicorn, uvicorn and its own development server, in processes of their own, over real sockets."""

import contextlib
import re
import subprocess
import sys

import pytest

from tests.adapters.served import PATIENCE_S, Service, check_crowd_on_server
from tests.support.script import environment

SERVICE = "tests.adapters.django_service"
GUNICORN = ("gunicorn", "--bind", "fd://{fd}", "--graceful-timeout", "5")
UVICORN = ("uvicorn", "--fd", "{fd}", "--no-access-log", "--timeout-graceful-shutdown", "5", "--lifespan", "off")
SERVERS = {
    "gunicorn, sync": (*GUNICORN, "--workers", "2", f"{SERVICE}:application"),
    "gunicorn, gthread": (*GUNICORN, "-k", "gthread", "--threads", "8", f"{SERVICE}:application"),
    "gunicorn, preloaded": (*GUNICORN, "--workers", "2", "--preload", f"{SERVICE}:application"),
    "uvicorn": (*UVICORN, f"{SERVICE}:asgi"),
}
some = pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
VARIABLES = {"DJANGO_SETTINGS_MODULE": SERVICE, "PYTHONWARNINGS": "ignore"}


def variables_of(command):
    """Async views on an ASGI server, sync ones on the others."""
    return VARIABLES | ({"SHOP_VIEWS": "async"} if command[0] == "uvicorn" else {})


@some
def test_a_hundred_mixed_requests_at_once(command, receiver):
    """They keep apart, who leaves has cancelled a run, and what they leave arrives."""
    check_crowd_on_server(command, receiver, runs_exit_handlers="--lifespan" not in command, **variables_of(command))


@contextlib.contextmanager
def runserver(receiver):
    """``manage.py runserver`` on a port that it chooses itself."""
    command = [sys.executable, "-u", "-m", "django", "runserver", "--noreload", "127.0.0.1:0"]
    environ = environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **VARIABLES)
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                yield Service(process, int(found[1]), None)
                return
        raise AssertionError("runserver did not start")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class TestRunserver:
    def test_requests_and_streams(self, receiver):
        """Page, header and span agree, however often it is asked; a socket that closes in the middle has cancelled."""
        with runserver(receiver) as service:
            for reset in (False, True):
                service.leave("/endless", after=b"\n", reset=reset)
            answers = [service.get(path) for path in ("/plain", "/stream", "/status/404", "/boom", "/plain")]
            assert receiver.wait_for(lambda seen: len(ends(seen)) == 7, PATIENCE_S)
        found = ends(receiver)
        assert [status for status, _, _ in answers] == [200, 200, 404, 500, 200]
        assert [found.pop(run_id) for _, run_id, _ in answers] == ["success", "success", None, "failed", "success"]
        assert list(found.values()) == ["canceled", "canceled"]


def ends(receiver):
    """How runs ended, by their id."""
    return {
        span.attributes["botanu.run_id"]: span.attributes.get("botanu.outcome.status")
        for span in receiver.spans()
        if span.kind == "SERVER"
    }
