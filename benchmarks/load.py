"""A load tool: keeps so many connections busy with one request, and keeps every latency."""

import asyncio
import gc
import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

__all__ = ["Loaded", "load"]

_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of it.

    Attributes:
        rate: Requests answered a second.
        latencies: Of each request answered, in seconds.
    """

    rate: float
    latencies: Sequence[float]


def load(port: int, path: str, *, connections: int, seconds: float = 0.0, count: int = 0) -> Loaded:
    """Load the server on `port` of this host for so long, or with so many requests.

    Raises:
        ConnectionError: It answered with anything but 200, or closed a connection.
    """
    return asyncio.run(_loaded(port, path, connections, seconds, count))


async def _loaded(port: int, path: str, connections: int, seconds: float, count: int) -> Loaded:
    loop = asyncio.get_running_loop()
    run = _Run(path, seconds, count, loop.create_future())
    gc.collect()
    gc.disable()
    transports = []
    try:
        for _ in range(connections):
            transport, _ = await loop.create_connection(lambda: _Client(run), "127.0.0.1", port)
            transports.append(transport)
        await run.over
    finally:
        gc.enable()
        for transport in transports:
            transport.abort()
    took = run.ended - run.began
    return Loaded(len(run.latencies) / took, run.latencies)


class _Run:
    """What all connections share."""

    def __init__(self, path: str, seconds: float, count: int, over: asyncio.Future[None]) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\r\n".encode()
        self.count = count
        self.over = over
        self.latencies: list[float] = []
        self.began = perf_counter()
        self.until = self.began + seconds if seconds else float("inf")
        self.ended = 0.0

    def answered(self, sent: float, now: float) -> bool:
        """Note a latency; whether there is more to ask."""
        self.latencies.append(now - sent)
        if now < self.until and (not self.count or len(self.latencies) < self.count):
            return True
        self.finish(None)
        return False

    def finish(self, error: Exception | None) -> None:
        """It is over, well or not."""
        self.ended = perf_counter()
        if self.over.done():
            return
        if error is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(error)


class _Client(asyncio.Protocol):
    """One connection: the next request when the answer is whole."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._got = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._sent = perf_counter()
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if end else None
        if length is None or len(body) < int(length[1]):
            return
        self._got = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self._run.finish(ConnectionError(head.splitlines()[0].decode("latin-1")))
        elif self._run.answered(self._sent, perf_counter()):
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.finish(error or ConnectionError("the server closed a connection"))
