"""What one kind of personal data looks like: a `Pattern`, and the `Hit` it judges."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["START", "Hit", "Pattern", "words"]

# Where a word may begin: after anything that is no letter, digit or underscore, and after the two characters
# `\n`, `\r`, `\t`, as they stand in text that somebody turned into JSON before we saw it. The scrubber
# leaves such an escape in place.
START: Final = r"(?:\b|\\[nrt])"


class Hit(NamedTuple):
    """A stretch of text that a pattern's expression found, before it is judged.

    Attributes:
        text: All that the expression matched.
        value: The part that would be replaced: the group ``value``, else all; without quotes around it.
        before: Up to 48 characters in front of `text`.
        after: Up to 24 characters behind `value`.
    """

    text: str
    value: str
    before: str
    after: str


def words(text: str) -> frozenset[str]:
    """The words of `text`, to look others up in."""
    return frozenset(text.split())


def _as_it_is(value: str) -> str:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One row of the table of what is scrubbed.

    Attributes:
        name: The kind, such as ``"email"``, by which it is switched off. Several rows may share one.
        label: What stands in the text afterwards, such as ``"[EMAIL]"``.
        regex: RE2 syntax: no look-around, no back-references, hence linear in the text. If it has a group
            ``(?P<value>…)``, only that part is replaced.
        check: Sees the value; `False` leaves it alone. For what no expression can say, such as check digits.
        context: Sees the value with its surroundings; `False` leaves it alone. It stands in for look-around.
        same: Brings spellings of one value to one form, so that they share a pseudonym.
        examples: Texts in which this row must find something.
        counterexamples: Texts in which it must find nothing.
    """

    name: str
    label: str
    regex: str
    check: Callable[[str], bool] | None = None
    context: Callable[[Hit], bool] | None = None
    same: Callable[[str], str] = _as_it_is
    examples: tuple[str, ...] = ()
    counterexamples: tuple[str, ...] = ()
