"""docs/configuration.md says what the code does."""

import json
import re
from pathlib import Path

import pytest

from botanu_core.sdk.config import BotanuConfig

from . import DEFAULTS, SECRET, refusal
from .test_sources import VARIABLES

MANUAL = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", BotanuConfig.model_fields)
def test_the_manual_has_each_field_with_its_default(field):
    """A field's row in docs/configuration.md gives the default that the code gives."""
    (row,) = [line for line in MANUAL.splitlines() if line.startswith(f"| `{field}` |")]
    default = row.split("|")[3].strip().strip("`")
    value = DEFAULTS[field]
    if isinstance(value, list):
        value = ", ".join(value)
    assert default == (value if isinstance(value, str) else "" if value in (None, {}, "") else json.dumps(value))


def test_the_manual_has_each_variable():
    """Every variable that is read is in the manual, and every one of ours that is there is read."""
    ours = {"BOTANU_API_KEY", "BOTANU_CONFIG_FILE"}
    read = ours | {variable for variable, *_ in VARIABLES}
    assert set(re.findall(r"\bBOTANU_[A-Z_]+\b", MANUAL)) == {name for name in read if name.startswith("BOTANU_")}
    assert all(name in MANUAL for name in read)


def test_the_example_in_the_manual_runs(write, monkeypatch):
    """The YAML block loads as it stands, once its variable is set."""
    (example,) = re.findall(r"```yaml\n(.*?)```", MANUAL, re.DOTALL)
    assert "needs the variable OTEL_TOKEN" in refusal(file=write(example))
    monkeypatch.setenv("OTEL_TOKEN", SECRET)
    config = BotanuConfig.load(file=write(example))
    assert config.notes == ()
    assert config.service_name == "checkout"
    assert config.headers_for("https://otel.example.com")["x-token"] == SECRET
