"""Run ids: UUIDv7, unique, also among the children of a fork."""

import os
import re
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

import botanu
from botanu_core.model.run import is_run_id, new_run_id

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_the_form_of_an_id():
    """A UUIDv7 of RFC 9562: version 7, variant 10, lower-case, 36 characters, the time in its first 48 bits."""
    before = time.time_ns() // 1_000_000
    run_id = new_run_id()
    after = time.time_ns() // 1_000_000
    assert UUID7.fullmatch(run_id)
    parsed = uuid.UUID(run_id)
    assert (str(parsed), parsed.version, parsed.variant) == (run_id, 7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= after
    assert is_run_id(run_id)


def test_ids_are_unique_and_cover_the_random_bits():
    """Ten thousand of them, from eight threads, are ten thousand; every random bit is used."""
    with ThreadPoolExecutor(8) as pool:
        ids = [each for batch in pool.map(lambda _: [new_run_id() for _ in range(1250)], range(8)) for each in batch]
    assert len(set(ids)) == 10_000
    ored, anded = 0, (1 << 128) - 1
    for each in ids:
        ored |= uuid.UUID(each).int
        anded &= uuid.UUID(each).int
    random_bits = (((1 << 12) - 1) << 64) | ((1 << 62) - 1)
    assert ored & random_bits == random_bits
    assert anded & random_bits == 0


def test_later_ids_sort_later():
    """Ids of different milliseconds sort by time."""
    first = new_run_id()
    started = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == started:
        pass
    assert first < new_run_id()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_children_of_a_fork_have_ids_of_their_own(spans):
    """Eight children forked from inside a run, all at once: every run they open has another id, and they still work."""
    children = 8
    with botanu.event("Parent") as parent:
        ids = run_in_children(children, opened_in_child)
    assert parent.run_id not in ids
    assert len(ids) == len(set(ids)) == children * 20


def opened_in_child():
    lines = []
    for number in range(20):
        with botanu.event("Child", event_id=f"{os.getpid()}-{number}") as run, botanu.step("s"):
            botanu.emit_outcome("partial")
            lines.append(run.run_id)
    return lines


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_while_other_threads_are_in_runs(spans):
    """A fork in the midst of other threads' work leaves no lock held in the child."""
    stop = threading.Event()
    busy = threading.Barrier(5)

    def work():
        busy.wait(timeout=30)
        while not stop.is_set():
            with botanu.event("Busy"):
                botanu.emit_outcome("nonsense")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    busy.wait(timeout=30)
    try:
        ids = run_in_children(4, opened_in_child)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(set(ids)) == 4 * 20


def run_in_children(count, work):
    """Forks `count` children that write the lines of `work` over a pipe; a child that hangs is killed by its alarm."""
    pipes, pids = [], []
    for _ in range(count):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.alarm(30)
                os.close(reading)
                os.write(writing, "\n".join(work()).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        pipes.append(reading)
        pids.append(pid)
    lines = []
    for pid, reading in zip(pids, pipes, strict=True):
        with os.fdopen(reading) as pipe:
            lines += pipe.read().split()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0190a000-0000-7000-8000-000000000001", True),
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", True),
        ("00000000-0000-0000-0000-000000000000", True),
        ("0190A000-0000-7000-8000-000000000001", False),
        ("0190a00000007000800000000000000001", False),
        ("{0190a000-0000-7000-8000-0000000001}", False),
        ("0190a000-0000-7000-8000-00000000000g", False),
        ("0190a000-0000-7000-8000-0000000000011", False),
        ("0190a000-0000-7000-8000-00000000000٣", False),
        ("0190a000-0000-7000-8000-00000000000\n", False),
        ("0190a0000-000-7000-8000-000000000001", False),
        ("-190a000-0000-7000-8000-000000000001", False),
        ("", False),
        ("-" * 36, False),
    ],
)
def test_what_is_a_run_id(text, expected):
    """A UUID of any version in its canonical lower-case form, and nothing else."""
    assert is_run_id(text) is expected
