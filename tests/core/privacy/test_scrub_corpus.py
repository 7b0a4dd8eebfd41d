"""How much is found, and how much is found wrongly, in a corpus of sentences, JSON, logs and code.

The corpus is made from public formats and check-digit rules. So that no scanner of secrets takes it for a leak, keys
are written as `{{a36}}`: 36 letters and digits, always the same ones for the same number. Likewise u (capitals and
digits), h (hexadecimal), b (base64 of URLs), c (base64), d (digits); `{{}}` is nothing.
"""

import json
import random
import re
import string
from collections import Counter
from pathlib import Path

import pytest

from botanu_core.privacy import Scrubber

ALNUM = string.ascii_letters + string.digits
ALPHABETS = {
    "a": ALNUM,
    "u": string.ascii_uppercase + string.digits,
    "h": "0123456789abcdef",
    "b": ALNUM + "-_",
    "c": ALNUM + "+/",
    "d": string.digits,
}


def expanded(text: str) -> str:
    """`text` with keys in place of what stands for them."""

    def key(match: re.Match[str]) -> str:
        return "".join(random.Random(match[0]).choices(ALPHABETS[match[1]], k=int(match[2]))) if match[1] else ""

    return re.sub(r"\{\{(?:([auhbcd])(\d+))?\}\}", key, text)


@pytest.fixture(scope="module")
def corpus() -> list[dict[str, object]]:
    """Rows of kind, text and, where there are any, secrets."""
    lines = (Path(__file__).parent / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(expanded(line)) for line in lines]


def test_the_corpus_is_large_enough(corpus):
    """And its rows hold the secrets that they name."""
    positives = [row for row in corpus if "secrets" in row]
    assert len(positives) >= 300
    assert len(corpus) - len(positives) >= 300
    for row in positives:
        assert all(secret in row["text"] for secret in row["secrets"])


def test_nearly_all_secrets_are_found(corpus):
    """At least 98 of 100."""
    scrubber = Scrubber()
    positives = [row for row in corpus if "secrets" in row]
    missed = [row for row in positives if any(secret in scrubber.scrub(row["text"]) for secret in row["secrets"])]
    assert len(missed) <= 0.02 * len(positives), Counter(row["kind"] for row in missed)


def test_hardly_anything_is_found_wrongly(corpus):
    """At most 1 of 100 texts without a secret is changed."""
    scrubber = Scrubber()
    negatives = [row for row in corpus if "secrets" not in row]
    changed = [row["text"] for row in negatives if scrubber.scrub(row["text"]) != row["text"]]
    assert len(changed) <= 0.01 * len(negatives), changed
