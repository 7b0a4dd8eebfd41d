"""The end of telemetry: all ways out at once, within one limit, and a count of what was left.

The SDK's own ends come one after the other, and wait for a collector as long as it likes. These use private names of
its batching and its metric reader; where one is missing, the SDK's own end is taken.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from botanu_core.log import warn_once
from botanu_core.runtime import guard

__all__ = ["readers_of", "shut_all", "shut_within", "within"]

_HOPELESS_S: Final = 1.5
"""How long the end waits for a collector that refuses or is not there: one more try is made in it."""
_LOOK_S: Final = 0.05


class _Outlet(Protocol):
    is_ending: bool
    is_away: bool
    closed: bool

    def abandon(self, count: int) -> None: ...
    def close(self) -> None: ...


def within(work: Callable[[], object], timeout_s: float) -> bool:
    """Do `work` in a thread, and wait for it no longer than `timeout_s`; whether it was done, and well, by then."""
    done = threading.Event()
    went_well: list[bool] = []

    def run() -> None:
        try:
            went_well.append(work() is not False)
        except Exception as error:
            warn_once("flush", "flushing failed", error=error)
        done.set()

    try:
        threading.Thread(target=run, name="botanu-flush", daemon=True).start()
    except RuntimeError:  # the interpreter is on its way out, and our own end is near
        return False
    return done.wait(timeout_s) and went_well == [True]


def shut_within(processor: Any, timeout_s: float) -> None:
    """Shut a batching processor down within a time of our choosing; its own `shutdown` takes 30 seconds."""
    shut_all([processor], None, timeout_s)


def shut_all(processors: Iterable[Any], meter_provider: MeterProvider | None, timeout_s: float) -> None:
    """Send what is left by all ways at once, so that one that stalls costs the others nothing, and close them.

    Args:
        processors: Batching processors of spans and events.
        meter_provider: Ours.
        timeout_s: For all together. A collector that refuses, or is not there, is given a second of it.
    """
    deadline = time.monotonic() + timeout_s
    ends: list[_BatchEnd | _MeterEnd] = [_BatchEnd(each) for each in processors]
    if meter_provider is not None:
        ends.append(_MeterEnd(meter_provider, deadline))
    for end in ends:
        _try(end.begin)
    for end in ends:
        _try(end.wait, deadline)
    for end in ends:
        _try(end.close)


def _try(step: Callable[..., None], *args: float) -> None:
    try:
        step(*args)
    except Exception as error:
        guard.failed("shutdown", error)


class _End:
    outlet: _Outlet | None = None
    thread: threading.Thread | None = None

    def begin(self) -> None:
        """Have its thread send what is left."""
        if self.outlet is not None:
            self.outlet.is_ending = True
        self.began = time.monotonic()

    def wait(self, deadline: float) -> None:
        """Wait for its thread, while there is hope."""
        while self.thread is not None and self.thread.is_alive():
            now = time.monotonic()
            is_hopeless = self.outlet is not None and self.outlet.is_away and now - self.began > _HOPELESS_S
            if now >= deadline or is_hopeless:
                return
            self.thread.join(min(_LOOK_S, deadline - now))


class _BatchEnd(_End):
    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._batch = getattr(processor, "_batch_processor", None)
        self.thread = getattr(self._batch, "_worker_thread", None)
        self.outlet = getattr(getattr(self._batch, "_exporter", None), "outlet", None)

    def begin(self) -> None:
        super().begin()
        if self.thread is not None and self._batch is not None:
            self._batch._shutdown = True
            self._batch._worker_awaken.set()

    def close(self) -> None:
        """Give up what is still there."""
        if self.outlet is None or self._batch is None:
            theirs = BatchSpanProcessor if isinstance(self._processor, BatchSpanProcessor) else type(self._processor)
            theirs.shutdown(self._processor)
        elif not self.outlet.closed:
            self._batch._shutdown_timeout_exceeded = True
            self.outlet.abandon(len(self._batch._queue))
            self.outlet.close()


class _MeterEnd(_End):
    def __init__(self, provider: MeterProvider, deadline: float) -> None:
        self._provider, self._deadline = provider, deadline
        self._readers = readers_of(provider)
        for reader in self._readers:
            self.thread = getattr(reader, "_daemon_thread", None)
            self.outlet = getattr(getattr(reader, "_exporter", None), "outlet", None)

    def begin(self) -> None:
        super().begin()
        for reader in self._readers:
            reader._shutdown_event.set()

    def close(self) -> None:
        left_s = _LOOK_S if self.thread is not None else max(_LOOK_S, self._deadline - time.monotonic())
        self._provider.shutdown(timeout_millis=left_s * 1000)


def readers_of(provider: MeterProvider) -> tuple[Any, ...]:
    """The metric readers of `provider`; none where this SDK keeps them elsewhere."""
    for holder in (provider, getattr(provider, "_sdk_config", None)):
        for name in ("_metric_readers", "metric_readers"):
            readers = getattr(holder, name, None)
            if readers is not None:
                return tuple(readers)
    return ()
