"""Processes that fork, exit, are switched off or killed: no entry is lost that could be sent, and none comes twice."""

import os
from decimal import Decimal

import pytest

from tests.core.ledger.arrived import responses_at
from tests.support import script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

HEAD = """
    import multiprocessing, os, sys, time
    import botanu
    from botanu.tracking.llm import llm_instrumented, track_llm_call
    from tests.core.ledger.prices import CONTRACT

    def on():
        botanu.enable(instrument="none", export_interval_s=600, metric_interval_s=600, price_contracts=[CONTRACT])

    def bill(name):
        with track_llm_call("openai", "priced") as call:
            call.set_tokens(1000, 1000).set_request_id(name)
"""


def ran(receiver, source, *, code=0, **variables):
    """Runs a script; the entries that arrived, by response id."""
    source = "\n".join(line.removeprefix("    ") for line in (HEAD + source).splitlines())
    ended = script.run(source, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **variables)
    said = [line for line in ended.err.splitlines() if not line.startswith("a call's usage is not known")]
    assert (ended.code, said) == (code, [])
    return responses_at(receiver)


def cost(receiver) -> Decimal:
    found = [event.attributes.get("botanu.cost.usd_exact") for event in receiver.events()]
    return sum((Decimal(usd) for usd in found if usd), Decimal(0))


def test_a_fork_inside_a_call_leaves_the_call_to_the_parent(receiver):
    """The child's own calls are the child's, and its sums begin at zero."""
    assert ran(
        receiver,
        """
    on()
    with botanu.event(workflow="W") as run:
        bill("before")
        with track_llm_call("openai", "priced") as call:
            child = os.fork()
            if child == 0:
                bill("child")
                assert botanu.explain(run).totals.llm_calls == 1
                botanu.disable()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            call.set_tokens(1000, 1000).set_request_id("parent")
        assert botanu.explain(run).totals.llm_calls == 2
    """,
    ) == {"before": 1, "child": 1, "parent": 1}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_report_their_own(receiver, method, tmp_path):
    source = (
        HEAD
        + f"""
    def work(number):
        if {method!r} == "spawn":
            on()
        bill(f"worker-{{number}}")

    if __name__ == "__main__":
        on()
        bill("main")
        context = multiprocessing.get_context({method!r})
        workers = [context.Process(target=work, args=(number,)) for number in range(3)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
            assert each.exitcode == 0
    """
    )
    path = tmp_path / "workers.py"
    path.write_text("\n".join(line.removeprefix("    ") for line in source.splitlines()))
    ended = script.run(
        f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
        if method == "fork"
        else f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, {str(path)!r}]).returncode)",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )
    assert (ended.code, ended.err) == (0, "")
    assert responses_at(receiver) == {"main": 1, "worker-0": 1, "worker-1": 1, "worker-2": 1}


def test_what_is_open_when_the_interpreter_exits_is_sent(receiver):
    """A stream that a global holds, a call in a thread, one that waits for its twin, and one told of on a span."""
    assert ran(
        receiver,
        """
    import threading
    on()

    @llm_instrumented(provider="openai")
    def create(model, stream):
        return iter([{"id": "stream", "usage": {"prompt_tokens": 1000, "completion_tokens": 1000}}, {}])

    stream = create("priced", stream=True)
    next(stream)

    def hang():
        with track_llm_call("openai", "priced") as call:
            call.set_request_id("thread")
            asked.set()
            threading.Event().wait()

    asked = threading.Event()
    threading.Thread(target=hang, daemon=True).start()
    asked.wait()
    run = botanu.event(workflow="never ends")
    run.__enter__()
    with track_llm_call("openai", "priced") as call:
        call.set_request_id("waiting")
    from botanu.tracking.llm import set_llm_attributes
    set_llm_attributes("openai", "priced", input_tokens=1000, output_tokens=1000, provider_request_id="told")
    """,
    ) == {"stream": 1, "thread": 1, "waiting": 1, "told": 1}
    assert cost(receiver) == Decimal("0.006")


def test_disable_with_calls_waiting_and_enable_again(receiver):
    """Each is sent by the `enable()` that it was made under."""
    assert ran(
        receiver,
        """
    for number in range(3):
        on()
        with botanu.event(workflow="W"):
            with track_llm_call("openai", "priced") as call:
                call.set_request_id(f"waiting-{number}")
            bill(f"known-{number}")
            assert botanu.disable()
            bill("nobody hears of it")
    """,
    ) == {f"{what}-{number}": 1 for what in ("waiting", "known") for number in range(3)}


def test_a_killed_process_loses_at_most_what_was_not_sent(receiver):
    """What was flushed is there; what came after is lost, for nothing can be done at kill -9."""
    assert ran(
        receiver,
        """
    import signal
    on()
    for number in range(100):
        bill(f"sent-{number}")
    assert botanu.flush()
    bill("lost")
    os.kill(os.getpid(), signal.SIGKILL)
    """,
        code=-9,
    ) == {f"sent-{number}": 1 for number in range(100)}


def test_runs_that_are_dropped_and_never_end_have_their_entries(receiver):
    """Garbage is no end: what waited in such a run is sent at the latest when the process ends."""
    assert ran(
        receiver,
        """
    import gc
    on()
    for number in range(5):
        run = botanu.RunContext.create("W")
        with run.active(), track_llm_call("openai", "priced") as call:
            call.set_request_id(f"waiting-{number}")
        del run
        gc.collect()
    """,
    ) == {f"waiting-{number}": 1 for number in range(5)}
