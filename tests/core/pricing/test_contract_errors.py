"""A mistake in a contract is an error at set-up that names the file, the line and the mend; nothing is half-loaded."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from botanu_core.errors import ConfigError
from botanu_core.pricing import Alias, Contract, Rule, UnitPrice, load_contract

RULE = "name: Acme\nrules:\n  - provider: openai\n    "
UNIT = "name: Acme\nunits:\n  - kind: tool\n    prices: "


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        # Keys.
        ("nam: Acme\n", 1, "a contract has no 'nam': did you mean 'name'?"),
        ("name: Acme\ncurency: USD\n", 2, "did you mean 'currency'?"),
        (RULE + "modell: gpt-4o\n    discount: 1%\n", 4, "a rule has no 'modell': did you mean 'model'?"),
        (RULE + "xyzzy: 1\n", 4, "write one of provider, model, customer"),
        (RULE + "per_million: {inputs: 1}\n", 4, "per_million knows no 'inputs': did you mean 'input'?"),
        (RULE + "per_million:\n      cached_read: 1\n", 5, "did you mean 'cache_read'?"),
        (RULE + "per_unit: {web_search: 1}\n", 4, "did you mean 'web_searches'?"),
        ("name: Acme\naliases:\n  - provider: azure\n    as: openai/x\n", 4, "an alias has no 'as'"),
        ("name: Acme\nunits:\n  - kind: tools\n    prices: {calls: 1}\n", 3, "did you mean 'tool'?"),
        (UNIT + "{byte_scanned: 1}\n", 4, "did you mean 'bytes_scanned'?"),
        (RULE + "discount: 1%\n    discount: 2%\n", 5, "'discount' stands twice"),
        # What is missing.
        ("currency: USD\n", 1, "a contract needs 'name': add it"),
        ("name: Acme\naliases:\n  - provider: azure\n", 3, "an alias needs 'is': add it"),
        ("name: Acme\nunits:\n  - kind: tool\n", 3, "a unit needs 'prices': add it"),
        (RULE + "model: gpt-4o\n", 3, "a rule needs a price: per_million, per_unit, discount or markup"),
        (RULE + "discount:\n", 4, "'discount' is empty: give it a value or take it out"),
        (RULE + "discount: null\n", 4, "'discount' is empty"),
        (RULE + "per_million: {}\n", 4, "per_million must be a table of names and prices"),
        ("name: ''\n", 1, "'name' is empty"),
        # Prices.
        (RULE + "per_million: {input: -1}\n", 4, "input_tokens must be a price in dollars, 0 or more"),
        (RULE + "per_million:\n      output: 1\n      input: 1,50\n", 6, "got '1,50'"),
        (RULE + "per_million: {input: $2.50}\n", 4, "got '$2.50'"),
        (RULE + "per_million: {input: .nan}\n", 4, "got '.nan'"),
        (RULE + "per_million: {input: NaN}\n", 4, "got 'NaN'"),
        (RULE + "per_million: {input: .inf}\n", 4, "got '.inf'"),
        (RULE + "per_million: {input: Infinity}\n", 4, "got 'Infinity'"),
        (RULE + "per_million: {input: 1e30}\n", 4, "got '1e30'"),
        (RULE + "per_million: {input: 1e-400}\n", 4, "got '1e-400'"),
        (RULE + f"per_million: {{input: 0.{'1' * 300}}}\n", 4, "input_tokens must be a price"),
        (RULE + "per_million: {input: yes}\n", 4, "got 'yes'"),
        (RULE + "per_million: {input: 0x10}\n", 4, "got '0x10'"),
        (RULE + "per_million: {input: [1]}\n", 4, "input_tokens must be a price"),
        (RULE + "per_million: 2.50\n", 4, "per_million must be a table"),
        (RULE + "per_million: {input: {usd: 1}}\n", 4, "{usd: 1.25, above: {200000: 2.50}}"),
        (RULE + "per_million: {input: {usd: 1, over: {1: 2}}}\n", 4, "a usd and an above, not 'over'"),
        (RULE + "per_million: {input: {usd: 1, above: {200k: 2}}}\n", 4, "a number of input tokens, got '200k'"),
        (RULE + "per_unit: {requests: 1 per 0}\n", 4, "cannot be per '0'"),
        (RULE + "per_unit: {requests: 1 per 7}\n", 4, "must have a price with a last digit"),
        # Percentages.
        (RULE + "discount: 15\n", 4, "discount must be a percentage such as 15%, got '15'"),
        (RULE + "discount: 0.15\n", 4, "discount must be a percentage"),
        (RULE + "discount: -5%\n", 4, "got '-5%'"),
        (RULE + "discount: 101%\n", 4, "discount must lie in 0%-100%"),
        (RULE + "markup: nan%\n", 4, "markup must be a percentage"),
        # Dates.
        (RULE + "discount: 1%\n    from: 2026-02-01\n    until: 2026-01-31\n", 6, "swap them"),
        ("name: Acme\nfrom: 2026-02-01\nuntil: 2026-01-31\n", 3, "lies before from (2026-02-01)"),
        (RULE + "discount: 1%\n    from: 2026-02-30\n", 5, "must be a day such as 2026-01-31, got '2026-02-30'"),
        (RULE + "discount: 1%\n    from: 01.02.2026\n", 5, "must be a day"),
        (RULE + "discount: 1%\n    until: 2026-02-01T10:00:00\n", 5, "must be a day"),
        ("until: 2026-01-31\n" + RULE + "discount: 1%\n    from: 2026-02-01\n", 4, "lies outside the dates"),
        # Currency.
        ("name: Acme\ncurrency: EUR\n", 2, "currency must be USD, got 'EUR': convert the prices"),
        ("name: Acme\ncurrency: dollars\n", 2, "currency must be USD"),
        # Units.
        (UNIT + "{calls: 1 per GB}\n", 4, "calls cannot be per 'GB': write a number, or thousand, million"),
        (UNIT + "{bytes_read: 1 per hour}\n", 4, "or KB, MB, GB, TB, PB, KiB"),
        (UNIT + "{seconds: 1 per day}\n", 4, "or minute, hour"),
        (UNIT + "{calls: free}\n", 4, "calls must be a price in dollars"),
        (UNIT + "{}\n", 4, "prices must be a table"),
        # Shapes.
        ("name: Acme\nrules: {provider: openai}\n", 2, "rules must be a list"),
        ("name: Acme\nrules: all\n", 2, "rules must be a list"),
        ("name: Acme\nrules:\n  - openai\n", 3, "a rule must be a table"),
        ("name: [Acme]\n", 1, "name must be a text"),
        ("- name: Acme\n", 1, "must be a table that begins with 'name: …'"),
        (RULE + "discount: 1%\n    when: batch\n", 5, "when must be a table of texts"),
        (RULE + "discount: 1%\n    when: {processing: [batch]}\n", 5, "when must be a table of texts"),
        (RULE + "discount: 1%\n    customer: {a: b}\n", 5, "customer must be a text"),
        ("name: Acme\naliases:\n  - provider: azure\n    is: gpt-4o\n", 4, "must be provider/model, got 'gpt-4o'"),
        # Rows that overlap.
        (RULE + "discount: 1%\n  - provider: openai\n    discount: 2%\n", 5, "neither is more exact"),
        (
            "name: Acme\nunits:\n  - {kind: tool, prices: {calls: 1}}\n  - {kind: tool, prices: {calls: 2}}\n",
            4,
            "acme.yaml:3 holds for too",
        ),
        # What is no YAML.
        ("name: Acme\nrules: [\n", 3, "not YAML in UTF-8: check the indentation"),
        ("name: Acme\n  rules: []\n", 2, "not YAML in UTF-8"),
        ("name: a\n---\nname: b\n", 2, "not YAML in UTF-8"),
        ("name: " + "[" * 40 + "]" * 40 + "\n", 1, "nested too deep"),
        ("? [a]\n: b\n", 1, "or is no name"),
    ],
)
def test_a_mistake_names_its_line_and_the_mend(text: str, line: int, says: str, tmp_path: Path):
    path = tmp_path / "acme.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_contract(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert says in message


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read (No such file or directory)"), (b"", "is empty"), (b"name: \xff\xfe", "not YAML in UTF-8")],
)
def test_a_file_that_is_not_there_or_holds_nothing_is_named(content: bytes | None, says: str, tmp_path: Path):
    path = tmp_path / "acme.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_contract(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rule(provider="openai"),
        lambda: Rule(per_million={"input": -1}),
        lambda: Rule(per_million={"input": float("nan")}),
        lambda: Rule(per_million={"input": Decimal("Infinity")}),
        lambda: Rule(per_million={"input": True}),
        lambda: Rule(per_million={"inputs": 1}),
        lambda: Rule(discount=0.15),
        lambda: Rule(discount="15"),
        lambda: Rule(discount="1%", starts=date(2026, 2, 1), until=date(2026, 1, 1)),
        lambda: Rule(discount="1%", starts=datetime(2026, 2, 1)),
        lambda: Rule(discount="1%", provider=""),
        lambda: Rule(discount="1%", model="m" * 300),
        lambda: Rule(discount="1%", when={"processing": 1}),
        lambda: Alias(provider="azure", target="gpt-4o"),
        lambda: UnitPrice(kind="tools", prices={"calls": 1}),
        lambda: UnitPrice(kind="tool", prices={}),
        lambda: UnitPrice(kind="tool", prices={"calls": "1 per day"}),
        lambda: Contract(name=""),
        lambda: Contract(name="Acme", rules=[{"discount": "1%"}]),
        lambda: Contract(name="Acme", currency="EUR"),
        lambda: Contract(name="Acme", starts=date(2026, 2, 1), until=date(2026, 1, 1)),
    ],
)
def test_objects_in_code_are_checked_alike(make):
    with pytest.raises(ConfigError):
        make()


def test_a_float_in_code_is_read_from_its_digits():
    assert Rule(per_million={"input": 0.1}).rates[0].usd == Decimal("0.1")
