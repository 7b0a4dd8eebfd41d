"""The corpus of what is to be scrubbed, and of what is to be left: tests/corpus, for the tests and for the tables.

Made from public formats and check-digit rules; nothing in it is anybody's. So that no scanner of secrets takes it for a
leak, keys are written as `{{a36}}`: 36 letters and digits, always the same ones for the same number. Likewise u
(capitals and digits), h (hexadecimal), b (base64 of URLs), c (base64), d (digits); `{{}}` is nothing.

A worker imports this in environments without anything of ours, so that it stands on the standard library alone.
"""

import json
import random
import re
import string
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "expanded", "negatives", "positives"]

_HERE = Path(__file__).resolve().parents[1] / "tests" / "corpus"
_ALNUM = string.ascii_letters + string.digits
_ALPHABETS = {
    "a": _ALNUM,
    "u": string.ascii_uppercase + string.digits,
    "h": "0123456789abcdef",
    "b": _ALNUM + "-_",
    "c": _ALNUM + "+/",
    "d": string.digits,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One text.

    Attributes:
        kind: What it holds, or what it looks like.
        text: The text.
        secrets: What must be gone from it; nothing must where there are none.
    """

    kind: str
    text: str
    secrets: tuple[str, ...] = ()

    def is_found(self, scrubbed: str) -> bool:
        """Whether no secret is left whole."""
        return not any(secret in scrubbed for secret in self.secrets)


def positives() -> list[Row]:
    """Texts with secrets."""
    return _read("positives.jsonl")


def negatives() -> list[Row]:
    """Texts that look like it and hold none."""
    return _read("negatives.jsonl")


def expanded(text: str) -> str:
    """`text` with keys in place of what stands for them."""

    def key(match: re.Match[str]) -> str:
        return "".join(random.Random(match[0]).choices(_ALPHABETS[match[1]], k=int(match[2]))) if match[1] else ""

    return re.sub(r"\{\{(?:([auhbcd])(\d+))?\}\}", key, text)


def _read(name: str) -> list[Row]:
    lines = (_HERE / name).read_text(encoding="utf-8").splitlines()
    found = [json.loads(expanded(line)) for line in lines]
    return [Row(row["kind"], row["text"], tuple(row.get("secrets", ()))) for row in found]
