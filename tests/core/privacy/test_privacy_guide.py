"""docs/privacy.md works: its Python runs, and its table names every kind."""

import re
from pathlib import Path

import pytest

import botanu
from botanu_core.privacy import PATTERNS, default_scrubber

GUIDE = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_there_are_blocks():
    """An empty list would make the next test pass."""
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("source", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(source, monkeypatch, receiver):
    """As it is printed."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    exec(compile(source, "docs/privacy.md", "exec"), {})
    if "enable(" in source:
        scrubbed = default_scrubber().scrub("TCK-1234 from 10.0.0.1")
        assert scrubbed.startswith("[TICKET:")
        assert scrubbed.endswith("] from 10.0.0.1")
        botanu.disable()


def test_the_table_names_every_kind():
    """Those that can be switched off."""
    rows = re.findall(r"^\| (`[^|]+) \|", GUIDE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {pattern.name for pattern in PATTERNS}
