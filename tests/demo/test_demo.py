"""The demonstration as a stranger runs it."""

import re
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m demo`` at the top of the repository, and wait."""
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=180
    )


@pytest.fixture(scope="module")
def shown() -> str:
    """What a stranger sees, who says nothing further."""
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_quotes_what_is_printed(shown):
    """Each line of its two tables."""
    quoted = re.findall(
        r"^```text\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [line for block in quoted for line in block.splitlines() if line.strip()]
    assert len(lines) > 12
    assert [line for line in lines if line not in map(str.rstrip, shown.splitlines())] == []


def test_ledger_and_invoice_agree_to_the_last_digit(shown):
    """The dollars of the ledger, with what nobody was told, are those that are due; there are some."""
    rows = r"invoice, due +\$([\d.]+) *\n[\s\S]+?ledger, model calls +\$([\d.]+) *\n.*unpriced there +\$([\d.]+) *\n"
    (figures,) = re.findall(rows, shown)
    due, ledger, untold = map(Decimal, figures)
    assert ledger + untold == due > Decimal("0.5")
    assert re.search(r"^ difference +\$0 *$", shown, re.MULTILINE)


def test_the_invoice_knows_what_was_agreed(shown):
    """The provider takes off what it promised one account; the contract file says the same."""
    rows = r"price list +\$([\d.]+) *\n less .*corvid 15%\) +-\$([\d.]+) *\n invoice, due +\$([\d.]+)"
    (figures,) = re.findall(rows, shown)
    listed, off, due = map(Decimal, figures)
    assert listed - off == due < listed


@pytest.mark.parametrize("customer", ["acme", "birch-labs", "corvid", "dunmore", "elm-street"])
def test_each_customer_has_a_cost_per_success(shown, customer):
    """Runs, successes, tokens, dollars, and dollars a success."""
    row = rf"^ {customer} +(\d+) +(\d+) +[\d,]+ +\$([\d.]+) +\$([\d.]+)"
    (figures,) = re.findall(row, shown, re.MULTILINE)
    runs, successes, cost, per_success = map(Decimal, figures)
    assert runs >= successes > 0
    assert abs(cost / successes - per_success) < Decimal("0.0001")


@pytest.mark.parametrize("name", ["Weekly Report", "Customer Support", "Refund Review"])
def test_each_workflow_is_in_a_table(shown, name):
    assert re.search(rf"^ {name} +\d+ +\d+ .*\$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["gpt-5-mini", "claude-sonnet-5", "claude-sonnet-4-5", "text-embedding-3-small", "lookup_order"]
)
def test_each_model_is_in_a_table(shown, name):
    assert re.search(rf"^ {name} +\d+ .*\$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    "said",
    [
        r"Unpriced: 10 streams whose usage nobody asked for, 20 calls given up before an\s+answer",
        r"Seen twice, counted once: [1-9]\d* calls",
        r"The sampler kept the spans of \d+ of 200 runs \(it was set to 0\.1\)",
        r"20\s+canceled,\s+10\s+overloaded,\s+\d+\s+rate\s+limited",
    ],
)
def test_what_is_left_out_is_said(shown, said):
    """Unknown is never zero, twice is once, and the sampler is on."""
    assert re.search(said, shown)


@pytest.fixture(scope="module")
def whole() -> str:
    """Twenty tickets, which hold each twist, with all their spans: the run in the picture is no matter of chance."""
    done = demo("--tickets", "20", "--sample", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("part", ["front-desk POST /tickets", "research process research.read_up", "execute_tool"])
def test_the_drawn_run_has_it_all(whole, part):
    """Service, worker and tool are in the picture."""
    assert part in whole


@pytest.mark.parametrize(
    "said", ["your contract: Demo 2026", "left out:", r"reported  .*input_tokens", r"cache_read_tokens at \$"]
)
def test_the_drawn_run_is_explained(whole, said):
    """Which price, from which tokens, and what was left out."""
    assert re.search(said, whole.partition("print(botanu.explain(run))")[2])


def test_every_span_carries_its_run(whole):
    """Nothing is reported as wrong, and the lines fit an ordinary terminal."""
    assert re.search(r"Each of the [\d,]+ spans carries the one id of its run", whole)
    assert "Wrong:" not in whole
    assert max(map(len, whole.splitlines())) <= 80


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
