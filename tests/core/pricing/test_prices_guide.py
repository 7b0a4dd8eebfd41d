"""docs/prices.md works: its YAML loads, its Python runs."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "prices.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("source", [text for language, text in BLOCKS if language == "python"])
def test_a_block_runs_beside_the_file_that_stands_above_it(source, tmp_path, monkeypatch):
    (contract,) = [text for language, text in BLOCKS if language == "yaml"]
    (tmp_path / "prices.yaml").write_text(contract, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(compile(source, "docs/prices.md", "exec"), {})


def test_the_service_of_the_guide_costs_what_it_says(tmp_path, monkeypatch, capsys):
    """A model call, a tool and a query, by a file and by objects."""
    (source,) = [text for language, text in BLOCKS if "price_contracts=[" in text]
    test_a_block_runs_beside_the_file_that_stands_above_it(source, tmp_path, monkeypatch)
    costs = re.findall(r"^  \$([\d.]+)  ", capsys.readouterr().out, re.MULTILINE)
    assert [f"${cost} for" in source for cost in costs] == [True] * 3
