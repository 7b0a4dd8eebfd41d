"""`docs/models.md` says what is so: its code runs, its options and defaults are those of the code."""

import inspect
import re
from pathlib import Path

import pytest

import botanu
from botanu_core.ledger.scopes import billable_operation
from botanu_core.sdk import instrument
from botanu_genai import BedrockInstrumentor, OpenAIInstrumentor

GUIDE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
def test_every_block_runs(block, off_at_the_end, receiver, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    exec(block.replace("https://ingress.eu2.coralogix.com", receiver.endpoint).replace("cxtp_…", "cxtp"), {})
    assert botanu.disable()


def test_every_option_stands_in_the_table_with_its_default():
    options = inspect.signature(OpenAIInstrumentor.instrument).parameters
    named = {name for name, option in options.items() if option.kind is option.KEYWORD_ONLY}
    table = GUIDE.partition("## Options")[2].partition("## ")[0]
    assert named == set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[1:])))
    assert f"| `user_and_tools` | `{options['user_and_tools'].default}` |" in table


def test_what_enable_is_said_to_switch_on_is_what_it_offers():
    table = GUIDE.partition("## Which instrumentor")[2].partition("## ")[0]
    named = set(re.findall(r"`opentelemetry-instrumentation-([a-z-]+)`", table))
    known = instrument._PUBLISHED | set(instrument._PUBLISHED_AS.values())
    assert named
    assert named <= known


@pytest.mark.parametrize("operation", re.findall(r'operation="(\w+)"', GUIDE))
def test_the_trackers_operations_are_known(operation):
    assert billable_operation(operation) == operation


def test_both_instrumentors_take_the_same_options():
    assert inspect.signature(OpenAIInstrumentor.instrument) == inspect.signature(BedrockInstrumentor.instrument)
