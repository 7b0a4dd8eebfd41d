"""`BargingLock`: one thread at a time, itself as often as it likes."""

import sys
import threading

from botanu_core.lock import BargingLock


def test_no_two_threads_are_inside_at_once():
    """Eight threads that count in two steps, switched as often as the interpreter can: none is lost."""
    lock, total = BargingLock(), 0

    def count():
        nonlocal total
        for _ in range(2000):
            with lock:
                seen = total
                for _ in range(5):
                    pass
                total = seen + 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert total == 8 * 2000


def test_who_is_inside_may_come_in_again_and_others_wait_until_all_of_it_is_left():
    """As the end of a stream does, that garbage collection ends while the lock is held."""
    lock, seen = BargingLock(), []

    def other():
        with lock:
            seen.append("other")

    thread = threading.Thread(target=other)
    with lock:
        with lock:
            thread.start()
            thread.join(0.05)
        thread.join(0.05)
        seen.append("first")
    thread.join()
    assert seen == ["first", "other"]


def test_an_exception_inside_leaves_it_open():
    """The application's own, which goes on."""
    lock = BargingLock()
    try:
        with lock:
            raise ValueError
    except ValueError:
        pass
    thread = threading.Thread(target=lock.__enter__)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
