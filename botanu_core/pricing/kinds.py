"""What can have a price, and which of it is part of what.

The kinds are those of the `genai-prices` table (its `data_units`), written out as the rule behind their names, so that
a contract can be read without loading it; tests hold the two together. A kind is a set of marks, and is part of each
kind whose marks it has all of: a cached audio token is cached, is audio, and is input.
"""

from collections.abc import Mapping
from itertools import product
from typing import Final, NamedTuple

__all__ = ["BY_TABLE_KEY", "KINDS", "OUR_NAME", "Kind", "join", "parts_of"]


class Kind(NamedTuple):
    """One thing that is counted.

    Attributes:
        name: A field of `Usage`, or a key of its `units`.
        table_key: What the table calls its price.
        per: How many the table's price is for.
        marks: What it is.
    """

    name: str
    table_key: str
    per: int
    marks: frozenset[str]

    @property
    def side(self) -> str:
        """``input_tokens`` or ``output_tokens``; nothing for what is no token."""
        return f"{'input' if 'input' in self.marks else 'output'}_tokens" if "tokens" in self.marks else ""


_MODALITIES: Final = ("", "text", "audio", "image", "video")
# What a token is besides -> its name, and its marks. `{}` is the modality.
_INPUT: Final = {
    "input{}_tokens": "",
    "cache{}_read_tokens": "cache_read",
    "cache{}_write_tokens": "cache_write",
    "cache{}_write_5m_tokens": "cache_write 5m",
    "cache{}_write_1h_tokens": "cache_write 1h",
    "input{}_tool_tokens": "tool",
}
_OUTPUT: Final = {
    "output{}_tokens": "",
    "output{}_reasoning_tokens": "reasoning",
    "output{}_citation_tokens": "citation",
}
# What is no token: its name, what the table calls its price, how many that is for, what it is.
_OTHER: Final = """
input_characters                input_mchars                    1000000     characters input
input_text_messages             input_text_messages_kcount      1000        messages input text
audio_seconds                   audio_hours                     3600        durations audio
input_audio_seconds             input_audio_hours               3600        durations audio input
output_audio_seconds            output_audio_hours              3600        durations audio output
input_pixels                    input_gpixels                   1000000000  pixels input
input_document_pages            input_document_kpages           1000        pages input
input_annotated_document_pages  input_annotated_document_kpages 1000        pages input annotated
rerank_searches                 rerank_searches_kcount          1000        rerank
web_searches                    web_searches_kcount             1000        tool_call web
social_searches                 social_searches_kcount          1000        tool_call social
storage_searches                storage_searches_kcount         1000        tool_call storage
code_executions                 code_executions_kcount          1000        tool_call code
requests                        requests_kcount                 1000        request
"""
OUR_NAME: Final[Mapping[str, str]] = {"output_reasoning_tokens": "reasoning_tokens"}
"""The table's names that are not ours."""


def _kinds() -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for side, shapes in (("input", _INPUT), ("output", _OUTPUT)):
        for modality, (shape, more) in product(_MODALITIES, shapes.items()):
            theirs = shape.format(f"_{modality}" if modality else "")
            name = OUR_NAME.get(theirs, theirs)
            marks = frozenset(f"tokens {side} {modality} {more}".split())
            found[name] = Kind(name, f"{theirs.removesuffix('_tokens')}_mtok", 1_000_000, marks)
    for line in _OTHER.split("\n")[1:-1]:
        name, key, per, *words = line.split()
        found[name] = Kind(name, key, int(per), frozenset(words))
    return found


KINDS: Final[Mapping[str, Kind]] = _kinds()
BY_TABLE_KEY: Final[Mapping[str, Kind]] = {kind.table_key: kind for kind in KINDS.values()}
_BY_MARKS: Final[Mapping[frozenset[str], str]] = {kind.marks: kind.name for kind in KINDS.values()}


def parts_of(kind: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """Which of `others` are part of `kind`, itself not among them."""
    return tuple(other for other in others if other != kind and KINDS[kind].marks < KINDS[other].marks)


def join(one: str, other: str) -> str | None:
    """The kind that is both, such as cached audio for cached and audio; `None` where nothing is or one is the other."""
    first, second = KINDS[one].marks, KINDS[other].marks
    if first <= second or second <= first:
        return None
    return _BY_MARKS.get(first | second)
