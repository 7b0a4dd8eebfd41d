"""A small HTTP/1.1 server for this machine only, whose end leaves no thread and no socket behind.

`ThreadingHTTPServer` answers one connection a thread and forgets them; here they are kept, so that `stop` can cut
those that a client keeps alive, and wait for their threads.
"""

import argparse
import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Handler", "LoopbackServer", "announce", "child_arguments", "stop_requested"]

_HOST = "127.0.0.1"
_POLL_S = 0.05


class LoopbackServer(ThreadingHTTPServer):
    """Listens on the loopback address from `start` to `stop`; may be started again on the same port by a new object."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, handler: type["Handler"], *, port: int = 0) -> None:
        super().__init__((_HOST, port), handler)
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self._acceptor = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": _POLL_S}, name=f"demo-{handler.__name__}", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that was picked, or asked for."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Scheme, address and port, without a trailing slash."""
        return f"http://{_HOST}:{self.port}"

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        self._acceptor.start()

    def stop(self) -> None:
        """Stop listening, cut every connection and wait until all handlers have ended."""
        self.shutdown()
        self._acceptor.join()
        with self._connections_lock:
            open_now = list(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the demonstration; anything else is a bug and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Keep-alive, no access log, and one packet an answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: what happened is in the invoice and in the spans."""

    def read_body(self) -> bytes:
        """The whole request body; clients here always send its length."""
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status: int, body: bytes, *, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response."""
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def answer_json(self, status: int, value: object, *, headers: Mapping[str, str] | None = None) -> None:
        """Send `value` as JSON."""
        self.answer(status, json.dumps(value).encode(), content_type="application/json", headers=headers)

    def client_left(self, within_s: float) -> bool:
        """Wait until the client closes its connection, at most `within_s` seconds; True if it did."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            if not selector.select(within_s):
                return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


def child_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line of a process that the demonstration starts, with the options they all have."""
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one (default)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    wanted = parser.parse_args()
    if wanted.with_parent:
        threading.Thread(target=_end_with_parent, name="demo-parent", daemon=True).start()
    return wanted


def _end_with_parent() -> None:
    """The parent holds the other end of standard input, and lets go of it even when it is killed."""
    # Not sys.stdin: its lock, held by a daemon thread, would abort the interpreter at exit.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def announce(**facts: object) -> None:
    """Tell the parent process where we listen: one line of JSON on standard output."""
    print(json.dumps(facts), flush=True)


def stop_requested() -> threading.Event:
    """An event that SIGTERM and SIGINT set; call it in the main thread."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    return asked
