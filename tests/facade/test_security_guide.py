"""docs/security.md: each block of code runs as it stands, and each test that it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("source", BLOCKS)
def test_a_block_runs(source, sdk, monkeypatch, capsys):
    """In an application with an SDK of its own, as on its page."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    monkeypatch.setenv("BOTANU_INSTRUMENT", "none")
    sdk()
    exec(compile(source, "docs/security.md", "exec"), {})
    if "print(" in source:
        assert re.fullmatch(r"cust_[0-9a-f]{32}\nacme\n", capsys.readouterr().out)


def test_every_block_is_run():
    """None is of a language that nobody runs."""
    assert GUIDE.count("```") == 2 * len(BLOCKS)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(tests/[\w/.]+)`", GUIDE))))
def test_what_is_named_is_there(path):
    """A promise without its test is none."""
    assert (ROOT / path).exists()
