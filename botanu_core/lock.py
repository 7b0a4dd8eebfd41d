"""`BargingLock`: for what many threads do many times a second, and for a few microseconds each."""

import threading
import time

__all__ = ["BargingLock"]


class BargingLock:
    """A reentrant lock that whoever runs takes first, and not whoever has waited longest.

    An interpreter's own lock goes to a waiting thread when it is released, and that thread then waits for the
    interpreter while it holds it: once two threads have met there, every further step of every thread waits for
    another (a *convoy*: https://bugs.python.org/issue7946). Here a thread that finds it taken lets the others run, and
    asks again.

    Reentrant, because garbage may be collected while it is held, and what is collected may be a stream or a span whose
    end comes by here. To be renewed in a forked child. Not for what waits for anything.
    """

    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner = threading.RLock()

    def __enter__(self) -> None:
        acquire = self._inner.acquire
        while not acquire(False):
            time.sleep(0)

    def __exit__(self, *_: object) -> None:
        self._inner.release()
