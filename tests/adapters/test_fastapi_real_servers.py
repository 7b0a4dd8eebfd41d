"""uvicorn, gunicorn and hypercorn, each in processes of its own, over real sockets."""

import asyncio
import contextlib
import socket

import httpx
import pytest
from websockets.sync.client import connect

from tests.adapters.harness import RUN, RUN_HEADER
from tests.adapters.served import PATIENCE_S, STATUS, check_crowd_on_server, served

UVICORN = ("uvicorn", "--fd", "{fd}", "--no-access-log", "--timeout-graceful-shutdown", "5")
SERVERS = {
    "uvicorn": (*UVICORN, "tests.adapters.asgi_service:app"),
    "uvicorn, a factory, reloading": (*UVICORN, "--factory", "--reload", "--reload-dir", "docs",
                                      "tests.adapters.asgi_service:create_app"),
    "uvicorn, two workers": (*UVICORN, "--workers", "2", "tests.adapters.asgi_service:app"),
    "gunicorn": ("gunicorn", "--bind", "fd://{fd}", "--workers", "2", "-k", "uvicorn_worker.UvicornWorker",
                 "--graceful-timeout", "5", "tests.adapters.asgi_service:app"),
    "gunicorn, preloaded": ("gunicorn", "--bind", "fd://{fd}", "--workers", "2", "-k", "uvicorn_worker.UvicornWorker",
                            "--graceful-timeout", "5", "--preload", "tests.adapters.asgi_service:app"),
    "hypercorn": ("hypercorn", "--bind", "fd://{fd}", "--graceful-timeout", "1", "tests.adapters.asgi_service:app"),
}  # fmt: skip
some = pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)


@some
def test_a_hundred_mixed_requests_at_once(command, receiver):
    """They keep apart, who leaves has cancelled a run, and what they leave arrives when the server is told to stop."""
    check_crowd_on_server(command, receiver)


@pytest.mark.parametrize(
    ("command", "goodbye"),
    # hypercorn tells its application that every end was abnormal, a goodbye too.
    [
        pytest.param(SERVERS["uvicorn"], "success", id="uvicorn"),
        pytest.param(SERVERS["hypercorn"], "canceled", id="hypercorn"),
    ],
)
def test_websockets(command, goodbye, receiver):
    """A run each, one of them a neighbour's; one says goodbye, one is cut, and one is open when the server stops."""
    with served(command, receiver) as service, contextlib.ExitStack() as stack:
        talks = [
            stack.enter_context(
                connect(f"ws://127.0.0.1:{service.port}/talk", additional_headers=headers, open_timeout=PATIENCE_S)
            )
            for headers in ({}, {"baggage": f"botanu.run_id={RUN}"}, {})
        ]
        run_ids = [talk.response.headers[RUN_HEADER] for talk in talks]
        for talk, run_id in zip(talks, run_ids, strict=True):
            talk.send("hello")
            assert talk.recv() == run_id
        talks[0].close()
        talks[1].socket.shutdown(socket.SHUT_RDWR)
        arrived = receiver.wait_for(lambda seen: len(ends(seen)) == 2, PATIENCE_S)
        said = service.stop()
    assert arrived, said
    found = ends(receiver)
    assert run_ids[1] == RUN
    assert (found[run_ids[0]], found[RUN]) == (goodbye, "canceled")
    assert set(found) == set(run_ids)


def ends(receiver):
    """How runs ended, by their id."""
    return {
        span.attributes["botanu.run_id"]: span.attributes.get(STATUS)
        for span in receiver.spans()
        if span.kind == "SERVER"
    }


def test_streams_of_one_http_2_connection(receiver):
    """Thirty requests at once on one connection, each a run of its own."""

    async def together(port):
        async with httpx.AsyncClient(
            http1=False, http2=True, base_url=f"http://127.0.0.1:{port}", timeout=20
        ) as client:
            return await asyncio.gather(*(client.get(f"/echo-stream/t{number}") for number in range(30)))

    with served(SERVERS["hypercorn"], receiver) as service:
        answers = asyncio.run(together(service.port))
        service.stop()
    assert {answer.http_version for answer in answers} == {"HTTP/2"}
    run_ids = [answer.headers[RUN_HEADER] for answer in answers]
    assert len(set(run_ids)) == 30
    assert [set(answer.text.split()) for answer in answers] == [{run_id} for run_id in run_ids]
    assert set(ends(receiver)) == set(run_ids)
