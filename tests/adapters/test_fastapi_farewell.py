"""The end of a server: uvicorn, told to stop by a signal, dies of it before Python's own exit handlers."""

import signal
import socket
import subprocess
import sys
import textwrap

import httpx
import pytest

import botanu
from tests.support.script import environment

SERVICE = textwrap.dedent(
    """
    import sys
    import botanu, uvicorn
    from botanu_fastapi import BotanuMiddleware
    from fastapi import FastAPI

    botanu.enable(service_name="desk", instrument="none", otlp_endpoint=sys.argv[2], export_interval_s=60)
    app = FastAPI()
    app.add_middleware(BotanuMiddleware)

    @app.get("/")
    def page():
        with botanu.event(workflow="Page", event_id="1"):
            return {}

    print("up", flush=True)
    uvicorn.run(app, host="127.0.0.1", fd=int(sys.argv[1]), log_level="error")
    """
)


def test_what_is_waiting_is_sent_when_sigterm_stops_uvicorn(receiver):
    """An orchestrator stops a pod: the last minute of spans and events arrives all the same."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        service = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(listening.fileno()), receiver.endpoint],
            env=environment(),
            pass_fds=[listening.fileno()],
            stdout=subprocess.PIPE,
        )
        try:
            assert service.stdout is not None
            assert service.stdout.readline() == b"up\n"
            run_id = httpx.get(f"http://127.0.0.1:{port}/", timeout=20).headers["x-botanu-run-id"]
            assert receiver.spans() == []
            service.send_signal(signal.SIGTERM)
            service.wait(20)
        finally:
            service.kill()
            service.wait()
            service.stdout.close()
    assert {span.name for span in receiver.spans()} >= {"GET /", "botanu.run/Page"}
    assert [event.attributes["botanu.run_id"] for event in receiver.events()] == [run_id]


def test_flush_sends_what_is_waiting_and_the_process_goes_on(receiver):
    """For what is frozen between two calls, as serverless functions are."""
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, export_interval_s=60)
    for event_id in ("1", "2"):
        with botanu.event(workflow="W", event_id=event_id):
            pass
        assert botanu.flush()
        assert [span.attributes["botanu.event_id"] for span in receiver.spans()][-1] == event_id
        assert [event.attributes["botanu.event_id"] for event in receiver.events()][-1] == event_id


@pytest.mark.parametrize("timeout_s", [0.05])
def test_flush_waits_no_longer_than_it_may(receiver, timeout_s):
    """The collector stalls: the call comes back, and says so."""
    botanu.enable(instrument="none", otlp_endpoint=receiver.endpoint, export_interval_s=60, shutdown_timeout_s=0.2)
    receiver.stall(30)
    with botanu.event(workflow="W"):
        pass
    assert not botanu.flush(timeout_s)


def test_flush_without_enable_has_nothing_to_do():
    """It may stand at the end of any handler."""
    assert botanu.flush()
