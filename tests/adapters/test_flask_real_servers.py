"""gunicorn's workers, waitress and Werkzeug's development server, each in processes of its own, over real sockets."""

import contextlib
import http.client
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.adapters.served import (
    PATIENCE_S,
    STATUS,
    check_crowd_on_server,
    served,
)

GUNICORN = ("gunicorn", "--bind", "fd://{fd}", "--graceful-timeout", "5", "tests.adapters.wsgi_service:app")
ITSELF = "tests.adapters.wsgi_service"
SERVERS = {
    "gunicorn sync": (*GUNICORN, "--workers", "2"),
    "gunicorn sync, preloaded": (*GUNICORN, "--workers", "2", "--preload"),
    "gunicorn gthread": (*GUNICORN, "-k", "gthread", "--threads", "8"),
    "gunicorn gevent": (*GUNICORN, "-k", "gevent"),
    "waitress": (ITSELF, "waitress", "{fd}"),
    "werkzeug": (ITSELF, "werkzeug", "{fd}"),
}


def some(*names):
    return pytest.mark.parametrize("command", [SERVERS[name] for name in names or SERVERS], ids=names or SERVERS)


@some()
def test_a_hundred_mixed_requests_at_once(command, receiver):
    """They keep apart, who leaves has cancelled a run, and what they leave arrives when the server is told to stop."""
    check_crowd_on_server(command, receiver)


@some("gunicorn gevent", "waitress")
def test_files(command, receiver):
    """Sent by the server itself where it does so; the run ends with them."""
    with served(command, receiver) as service:
        status, run_id, body = service.get("/file")
        arrived = receiver.wait_for(lambda seen: [span for span in seen.spans() if span.kind == "SERVER"], PATIENCE_S)
        said = service.stop()
    assert arrived, said
    assert (status, '"""`PAGES` on Flask' in body) == (200, True)
    (span,) = [span for span in receiver.spans() if span.kind == "SERVER"]
    assert (span.attributes["botanu.run_id"], span.attributes[STATUS]) == (run_id, "success")


def test_a_worker_that_is_aborted(receiver):
    """gunicorn's way to end one that takes too long: the run has failed and arrives, and the next worker serves."""
    with served(SERVERS["gunicorn sync, preloaded"], receiver) as service:
        with contextlib.suppress(http.client.HTTPException):  # as gunicorn's releases have it: 500, or nothing
            assert service.get("/abort")[0] == 500
        assert service.get("/plain")[0] == 200
        arrived = receiver.wait_for(lambda seen: len(seen.spans()) >= 2, PATIENCE_S)
        said = service.stop()
    assert arrived, said
    told = {span.attributes["url.path"]: span.attributes for span in receiver.spans() if span.kind == "SERVER"}
    assert (told["/abort"][STATUS], told["/abort"]["error.type"]) == ("failed", "SystemExit")


def test_greenlets_carry_the_run(receiver):
    """Those that a view starts, while others of the same thread are in runs of their own."""
    with served(SERVERS["gunicorn gevent"], receiver) as service:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: service.get("/green"), range(20)))
        service.stop()
    assert {status for status, _, _ in answers} == {200}
    assert all(body == run_id for _, run_id, body in answers)
    assert len({run_id for _, run_id, _ in answers}) == 20
