"""Scrubbers, one file each: ours in this environment, the others in environments of their own.

A file says what to install (`REQUIREMENTS`), which distributions matter (`DISTRIBUTIONS`), what it is called (`TITLE`),
what was measured (`NOTE`), and makes a function from text to text (`scrubber()`). Everything stays offline, without
models. Those that find places put a label there.
"""

from collections.abc import Iterable

__all__ = ["without"]


def without(text: str, places: Iterable[tuple[int, int]]) -> str:
    """`text` with a label in each place."""
    pieces, position = [], 0
    for start, end in sorted(places):
        if end > position:
            pieces += [text[position : max(start, position)], "[FOUND]"]
            position = end
    return "".join([*pieces, text[position:]])
