"""The run on log records."""

import asyncio
import io
import logging
import queue
import threading
from logging.handlers import QueueHandler, QueueListener

import pytest

import botanu

FORMAT = "{run_id:s}|{workflow:s}|{customer_id:s}|{message}"


@pytest.fixture
def log():
    """A logger of its own whose lines can be read, with the filter on its handler."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(FORMAT, style="{"))
    handler.addFilter(botanu.RunIdFilter())
    logger = logging.Logger("app")
    logger.addHandler(handler)
    logger.read = lambda: stream.getvalue().splitlines()
    return logger


def test_a_record_says_its_run(log):
    """Inside a run, its id, workflow and customer are on every record."""
    with botanu.event("W", customer_id="acme") as run:
        log.info("hello")
    assert log.read() == [f"{run.run_id}|W|acme|hello"]


def test_outside_a_run_there_is_a_default(log):
    """Outside a run, and for what the run does not know, the record says `-`; formats of texts hold."""
    log.info("before")
    with botanu.event("W"):
        log.info("no customer")
    log.info("after")
    assert [line.split("|", 1)[1] for line in log.read()] == ["-|-|before", "W|-|no customer", "-|-|after"]


def test_an_implicit_run_has_no_workflow_yet(log, implicit):
    """Before it is named, a run's workflow is the default."""
    with implicit.active():
        log.info("x")
    assert log.read() == [f"{implicit.run_id}|-|-|x"]


def test_a_default_of_ones_own():
    """Any text will do as the default."""
    record = logging.makeLogRecord({})
    assert botanu.RunIdFilter(default="none").filter(record) is True
    assert (record.run_id, record.workflow, record.customer_id) == ("none", "none", "none")


def test_extra_wins(log):
    """What the caller says with `extra=` stays."""
    with botanu.event("W"):
        log.info("x", extra={"run_id": "mine", "customer_id": "theirs"})
    assert log.read() == ["mine|W|theirs|x"]


@pytest.mark.parametrize(("style", "layout"), [("%", "%(run_id)s %(message)s"), ("$", "${run_id} ${message}")])
def test_every_style_of_format(style, layout):
    """Percent and dollar formats as well."""
    record = logging.makeLogRecord({"msg": "x"})
    botanu.RunIdFilter().filter(record)
    assert logging.Formatter(layout, style=style).format(record) == "- x"


def test_on_a_logger_as_well():
    """As a filter of a logger it serves all handlers."""
    stream = io.StringIO()
    logger = logging.Logger("app")
    logger.addFilter(botanu.RunIdFilter())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(FORMAT, style="{"))
    logger.addHandler(handler)
    with botanu.event("W") as run:
        logger.info("x")
    assert stream.getvalue().startswith(run.run_id)


def test_records_of_other_threads(log):
    """A record made in a thread says the run of that thread: the one it was bound to, or none."""
    with botanu.event("W") as run:
        for target in (botanu.bind(log.info), log.info):
            thread = threading.Thread(target=target, args=("x",))
            thread.start()
            thread.join()
    assert [line.split("|")[0] for line in log.read()] == [run.run_id, "-"]


def test_a_record_that_waits_in_a_queue(log):
    """With the filter on the queue's handler too, a record written later by a listener says where it was made."""
    waiting = queue.SimpleQueue()
    first = QueueHandler(waiting)
    first.addFilter(botanu.RunIdFilter())
    logger = logging.Logger("queued")
    logger.addHandler(first)
    with botanu.event("W") as run:
        logger.info("x")
    listener = QueueListener(waiting, log.handlers[0])
    listener.start()
    listener.stop()
    assert log.read()[0].startswith(f"{run.run_id}|W|-|x")


def test_a_hundred_tasks_log_their_own_run(log):
    """Records of tasks that take turns name the run of each."""

    @botanu.event("W", event_id=lambda number: number)
    async def work(number):
        for _ in range(3):
            log.info("%s", number)
            await asyncio.sleep(0)
        return botanu.get_run_id()

    async def main():
        return await asyncio.gather(*(work(number) for number in range(100)))

    ids = asyncio.run(main())
    lines = [line.split("|") for line in log.read()]
    assert len(lines) == 300
    assert all(line[0] == ids[int(line[3])] for line in lines)


def test_after_the_run_the_record_still_says_it(log):
    """A task that outlives its run logs the run's id."""
    with botanu.event("W") as run:
        later = botanu.bind(log.info)
    later("x")
    assert log.read()[0].startswith(run.run_id)
