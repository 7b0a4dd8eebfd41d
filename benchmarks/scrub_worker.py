"""Runs one scrubber over the corpus and over texts whose speed is asked, in a process of its own; prints JSON.

    python benchmarks/scrub_worker.py benchmarks.scrubbers.ours quick

Nothing of the corpus may cost more than it says: the time of a text is taken at a size at which it ends within a
second or two, so that what is quadratic does not hold up the others.
"""

import importlib
import json
import random
import re
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from statistics import median

from worker import MARK, load_package

_FULL = 1_000_000
_SIZES = (16_000, 64_000, 256_000, _FULL)
_ENOUGH_S = 0.4
_WORDS = re.findall(
    r"\w+", "The agent answered a question about billing, and wrote that all was fine with our new release."
)
_HITS = ("jane.doe@example.com", "+1 415-555-0132", "4111 1111 1111 1111", "sk-" + "proj-aB3dE5gH7jK9mN1pQ3sT5vW7")


def main(module_name: str, pace: str) -> None:
    """Measure the module named."""
    load_package()
    from benchmarks import corpus

    module = importlib.import_module(module_name)
    scrub = module.scrubber()
    found = [(row.kind, row.is_found(scrub(row.text))) for row in corpus.positives()]
    changed = [(row.kind, scrub(row.text) != row.text) for row in corpus.negatives()]
    speed = {name: _speed(scrub, text, 3 if pace == "quick" else 9) for name, text in texts().items()}
    from importlib.metadata import version

    versions = {name: version(name) for name in module.DISTRIBUTIONS}
    said = {"found": _counted(found), "changed": _counted(changed), "speed": speed, "versions": versions}
    print(MARK + json.dumps(said), flush=True)


def _counted(results: list[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    """How many of how many, by kind."""
    hits = Counter(kind for kind, hit in results if hit)
    return {kind: (hits[kind], count) for kind, count in sorted(Counter(kind for kind, _ in results).items())}


def texts() -> dict[str, str]:
    """What is timed, by name: 4 KB of prose, and a megabyte of what is hard."""
    chance = random.Random(7)
    prose = _prose(chance, 4096)
    part = len(prose) // 5
    hits = "".join(f"{prose[part * number : part * (number + 1)]} {hit} " for number, hit in enumerate(_HITS))
    repeated = {"`a.a.a.…`": "a.", "`1-1-1-…`": "1-", "`a@a@a@…`": "a@", "`aaaa…`": "a", "`+1 +1 …`": "+1 "}
    return {
        "4 KB of prose": prose,
        "4 KB of prose, four hits": hits + prose[part * 4 :],
        **{name: (text * _FULL)[:_FULL] for name, text in repeated.items()},
        "base64": b64encode(chance.randbytes(_FULL))[:_FULL].decode(),
        "hexadecimal": chance.randbytes(_FULL // 2).hex(),
        "random digits": "".join(chance.choices("0123456789", k=_FULL)),
        "random digits with blanks": "".join(chance.choices("0123456789 ", k=_FULL)),
        "lines of a log": "\n".join(_log_line(chance) for _ in range(_FULL // 80))[:_FULL],
    }


def _prose(chance: random.Random, size: int) -> str:
    sentences: list[str] = []
    while sum(map(len, sentences)) < size:
        sentences.append(" ".join(chance.choices(_WORDS, k=chance.randint(6, 14))).capitalize() + ". ")
    return "".join(sentences)[:size]


def _log_line(chance: random.Random) -> str:
    clock = f"10:{chance.randrange(60):02}:{chance.randrange(60):02}.123Z"
    item, took = chance.randrange(10**7), chance.random() * 100
    return f"2024-01-15T{clock} INFO req={chance.getrandbits(64):016x} {item=} took {took:.3f} ms status=200"


def _speed(scrub: Callable[[str], str], text: str, rounds: int) -> tuple[float, int]:
    """Megabytes a second, and at which size that was: the largest that is not hopeless."""
    for size in [size for size in _SIZES if size < len(text)]:
        took = _seconds(scrub, text[:size], 1)
        if took > _ENOUGH_S:
            return size / took / 1e6, size
    return len(text) / _seconds(scrub, text, rounds) / 1e6, len(text)


def _seconds(scrub: Callable[[str], str], text: str, rounds: int) -> float:
    """Of this process, so that others on the machine do not count; the median of the rounds."""
    times = []
    for _ in range(rounds):
        count, start = 0, time.process_time()
        while (took := time.process_time() - start) < 0.02 or not count:
            scrub(text)
            count += 1
        times.append(took / count)
    return median(times)


if __name__ == "__main__":
    main(*sys.argv[1:])
