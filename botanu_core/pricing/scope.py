"""`Scope`: for which calls a row of a contract holds, and which of two rows says it more exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache

__all__ = ["Scope", "covers", "overlap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """For which calls a row holds. What is `None` or empty holds for all.

    Attributes:
        group: The provider, or the kind of thing.
        name: The model's or the thing's name, lower-cased; ``*`` and ``?`` make it a pattern.
        customer: The customer's id.
        starts: The first day.
        until: The last day.
        when: What the context must say.
        is_path: Whether a name without ``/`` also holds for what stands below it.
    """

    group: str | None = None
    name: str | None = None
    customer: str | None = None
    starts: date | None = None
    until: date | None = None
    when: Mapping[str, str] = field(default_factory=dict)
    is_path: bool = False

    @property
    def rank(self) -> tuple[int, ...]:
        """The higher, the more exact: customer, then name, pattern, group, context; last the longer pattern."""
        return (*self._level, *self._length)

    @property
    def _level(self) -> tuple[int, ...]:
        if self.name is None:
            named = 0
        elif _is_pattern(self.name):
            named = 1
        else:
            named = 2 if self.is_path and "/" not in self.name else 3
        return (self.customer is not None, named, self.group is not None, len(self.when))

    @property
    def _length(self) -> tuple[int, ...]:
        # A pattern within another has a longer shortest match, else fewer `?`, else fewer `*`.
        name = self.name or ""
        stars = name.count("*")
        return (len(name) - stars, -name.count("?"), -stars)

    def holds_on(self, day: date) -> bool:
        """Whether the row is in force."""
        return (self.starts is None or self.starts <= day) and (self.until is None or day <= self.until)

    def matches(self, group: str, name: str, customer: str | None, day: date, context: Mapping[str, str]) -> bool:
        """Whether the row holds for a call."""
        return (
            (self.group is None or self.group == group)
            and (self.customer is None or self.customer == customer)
            and self.holds_on(day)
            and all(context.get(key) == value for key, value in self.when.items())
            and self._names(name.lower())
        )

    def _names(self, name: str) -> bool:
        if self.name is None:
            return True
        return covers(self.name, name) or (self.is_path and self.name == name.partition("/")[0])

    def clashes(self, other: "Scope") -> bool:
        """Whether there is a call for which neither row says it more exactly."""
        return (
            self._level == other._level
            and self.group == other.group
            and self.customer == other.customer
            and (self.starts is None or other.until is None or self.starts <= other.until)
            and (other.starts is None or self.until is None or other.starts <= self.until)
            and all(other.when.get(key, value) == value for key, value in self.when.items())
            and self._ties(other.name)
        )

    def _ties(self, name: str | None) -> bool:
        if self.name is None or name is None or not _is_pattern(self.name):
            return self.name == name
        return overlap(self.name, name) and covers(self.name, name) == covers(name, self.name)


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def covers(pattern: str, name: str) -> bool:
    """Whether `pattern` matches all that `name`, a name or a pattern itself, matches. Takes time n x m."""
    reached = {0}
    for sign in pattern:
        if sign == "*":
            reached = set(range(min(reached), len(name) + 1))
        else:
            reached = {
                at + 1
                for at in reached
                if at < len(name) and (name[at] == sign or (sign == "?" and name[at] != "*"))
            }  # fmt: skip
        if not reached:
            return False
    return len(name) in reached


def overlap(one: str, other: str) -> bool:
    """Whether some name matches both patterns."""

    @cache
    def meets(i: int, j: int) -> bool:
        if i == len(one) or j == len(other):
            return not (one[i:] + other[j:]).strip("*")
        if one[i] == "*":
            return meets(i + 1, j) or meets(i, j + 1)
        if other[j] == "*":
            return meets(i, j + 1) or meets(i + 1, j)
        return (one[i] == other[j] or "?" in (one[i], other[j])) and meets(i + 1, j + 1)

    return meets(0, 0)
