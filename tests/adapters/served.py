"""A web application on a real server, in processes of its own, and what must hold of it over real sockets.

Its pages are `PAGES`. It switches Botanu on, reading the receiver's address from the environment.
"""

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from botanu_core.model.run import new_run_id
from demo.receiver import Receiver
from tests.adapters.harness import RUN_HEADER
from tests.support.script import environment

__all__ = ["Service", "check_crowd_on_server", "served"]

STATUS = "botanu.outcome.status"
PATIENCE_S = 30.0
_KINDS = ("/echo/{}", "/echo-stream/{}", "/named", "/status/404", "/boom")


class Service:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
    """

    def __init__(self, process: subprocess.Popen[str], port: int, said: IO[str]) -> None:
        self.port = port
        self._process, self._said = process, said

    def get(self, path: str, **headers: str) -> tuple[int, str | None, str]:
        """Status, run id and body of a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers[RUN_HEADER], answer.read().decode()

    def leave(self, path: str, *, after: bytes, reset: bool = False) -> None:
        """Send a request, take the response up to and with `after`, and close the socket, perhaps without a goodbye."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n".encode())
            got = b""
            while after not in got:
                more = client.recv(65536)
                assert more, f"the server closed after {got!r}"
                got = got[-1000:] + more
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def stop(self) -> str:
        """Ask it to stop as an orchestrator does; what it has written to standard error."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE_S)
        self._said.seek(0)
        return self._said.read()


@contextlib.contextmanager
def served(command: Sequence[str], receiver: Receiver, **variables: str) -> Iterator[Service]:
    """Run ``python -m command``, ``{fd}`` in it being a listening socket's, until the block ends."""
    # A file: servers log a traceback for each failure, and a pipe that nobody reads would stop them.
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(fd=listener.fileno()) for part in command)],
            env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **variables),
            pass_fds=[listener.fileno()],
            stderr=said,
            text=True,
        )
        try:
            yield Service(process, listener.getsockname()[1], said)
        finally:
            process.kill()
            process.wait()


def check_crowd_on_server(
    command: Sequence[str], receiver: Receiver, *, runs_exit_handlers: bool = True, **variables: str
) -> None:
    """Clients that leave, then a hundred mixed requests at once: all of it has arrived when the server has stopped.

    Who closes the socket in the middle of a stream, politely or not, has cancelled a run. Of the hundred, page, header
    and spans agree. Where the server ends without Python's exit handlers, it is stopped when all has arrived.
    """
    given = {number: new_run_id() for number in range(0, 100, 2)}

    def ask(number: int) -> tuple[int, str | None, str]:
        headers = {"baggage": f"botanu.run_id={given[number]}"} if number in given else {}
        return service.get(_KINDS[number % len(_KINDS)].format(f"t{number}"), **headers)

    with served(command, receiver, **variables) as service:
        for reset in (False, True, False):
            service.leave("/endless", after=b"\n", reset=reset)
        assert service.get("/plain")[0] == 200
        assert receiver.wait_for(lambda seen: len(_own(seen)) >= 4, PATIENCE_S)
        leavers = _own(receiver)
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(ask, range(100)))
        arrived = runs_exit_handlers or receiver.wait_for(lambda seen: len(_own(seen)) == 104, PATIENCE_S)
        said = service.stop()
    assert arrived, said
    assert sorted(str(each.get(STATUS)) for each in leavers.values()) == ["canceled"] * 3 + ["success"]
    own = {run_id: attributes for run_id, attributes in _own(receiver).items() if run_id not in leavers}
    assert len(own) == 100, said
    assert set(given.values()) <= set(own)
    statuses = [(200, 200, 200, 404, 500)[number % 5] for number in range(100)]
    assert [status for status, _, _ in answers] == statuses
    for number, (status, run_id, body) in enumerate(answers):
        if status == 500:
            continue
        assert set(body.split()) == {run_id}
        assert run_id == given.get(number, run_id)
        assert own[str(run_id)].get(STATUS) == (None if status == 404 else "success")
        if number % 5 < 2:
            runs = {span.attributes["botanu.run_id"] for span in receiver.spans() if span.name == f"t{number}"}
            assert runs == {run_id}
    assert sum(attributes.get(STATUS) == "failed" for attributes in own.values()) == 20
    assert "Failed to detach" not in said


def _own(receiver: Receiver) -> dict[str, Mapping[str, object]]:
    """What stands on the server span of each run."""
    return {
        str(span.attributes["botanu.run_id"]): span.attributes for span in receiver.spans() if span.kind == "SERVER"
    }
