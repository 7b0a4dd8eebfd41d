"""The demonstration as a stranger runs it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m demo`` at the top of the repository, and wait."""
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def shown() -> str:
    """What twenty tickets show: they hold each twist at least once."""
    done = demo("--tickets", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_spans_and_invoice_agree(shown):
    """The tokens on the spans are those that the provider billed, and there are some."""
    said = r"^Tokens: ([\d,]+) on spans, ([\d,]+) on the provider's invoice, difference 0$"
    (line,) = re.findall(said, shown, re.MULTILINE)
    on_spans, on_invoice = (int(figure.replace(",", "")) for figure in line)
    assert on_spans == on_invoice > 10_000


@pytest.mark.parametrize("outcome", ["success", "failed", "canceled", "timeout"])
def test_each_ending_is_in_the_table(shown, outcome):
    """The table has a row for each way to end."""
    assert re.search(rf"(Customer Support|Refund Review|Weekly Report|^)\s+{outcome}\s+\d+", shown, re.MULTILINE)


@pytest.mark.parametrize("part", ["front-desk POST /tickets", "research POST /research", "execute_tool", "attempt 2"])
def test_the_drawn_run_has_it_all(shown, part):
    """Two services, a tool and a fallback are in the picture."""
    assert part in shown


def test_every_span_carries_its_run(shown):
    """Nothing is reported as wrong, and the lines fit an ordinary terminal."""
    assert re.search(r"Each of the [\d,]+ spans carries the one id of its run", shown)
    assert "Wrong:" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_under_a_sampler():
    """With a head sampler the metrics still count every call."""
    done = demo("--tickets", "20", "--sample", "0.2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"on metrics, .* difference 0$", done.stdout, re.MULTILINE)


def test_interrupted():
    """Ctrl-C ends the demonstration and its processes, without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "demo"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        shown, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (130, "")
    assert shown.endswith("Stopped; all processes of the demonstration have ended.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tickets", "0"], "at least 1, got 0"),
        (["--tickets", "x"], "at least 1, got x"),
        (["--sample", "2"], "a ratio from 0.0 to 1.0, got 2"),
        (["--sample", "y"], "a ratio from 0.0 to 1.0, got y"),
    ],
)
def test_wrong_arguments(arguments, said):
    """A mistake on the command line is explained, and starts nothing."""
    done = demo(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
