"""Scrubs data that is no text yet: dictionaries, lists, records, numbers.

Text inside is scrubbed as text, before JSON writes its line breaks as `\\n` and its quotes as `\\"`. Nothing here calls
a method of a foreign object: its `__repr__`, `__str__` or `__iter__` may be slow, endless, or say more than it should.
"""

import enum
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from time import monotonic
from types import MemberDescriptorType
from typing import Any, Final, TypeAlias

from botanu_core.privacy.named import is_secret_name
from botanu_core.privacy.pattern import words

__all__ = ["Plain", "scrubbed_value"]

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

_DEPTH: Final = 12
_ITEMS: Final = 10_000
_ITEMS_EACH: Final = 1_000
# What the patterns need for all the characters is a tenth of it; detectors may need any time.
_SECONDS: Final = 1.0
_CHARACTERS: Final = 1 << 20
_NAME_LENGTH: Final = 256
# Below this, a number is no card, phone or account.
_SMALL: Final = 10**8
_HUGE_BITS: Final = 256
# Types of the standard library whose text is short and says what the value is.
_WRITTEN: Final = words(
    "decimal.Decimal fractions.Fraction uuid.UUID datetime.datetime datetime.date datetime.time datetime.timedelta "
    "pathlib.PosixPath pathlib.PurePosixPath pathlib.WindowsPath pathlib.PureWindowsPath ipaddress.IPv4Address "
    "ipaddress.IPv6Address zoneinfo.ZoneInfo"
)
_SEQUENCES: Final = (list, tuple, set, frozenset, deque)
# Libraries whose objects may be asked for their shape: that costs nothing, and tells nothing.
_ARRAYS: Final = words("numpy pandas polars torch jax jaxlib tensorflow cupy")


def scrubbed_value(value: object, scrub: Callable[[str, int], str], hide: Callable[[str | None], str]) -> Plain:
    """`value` as plain data, scrubbed.

    Args:
        value: Anything.
        scrub: Takes a text, and how many characters of it to look at, to text without secrets.
        hide: Takes what stands under a secret name, if it is a text, to what stands there instead.
    """
    return _Walk(scrub, hide).plain(value, _DEPTH)


class _Walk:
    """One pass over one value, with what is left of its bounds.

    It asks for the type of a value, never `isinstance`: that looks at `__class__`, which wakes lazy objects up.
    """

    __slots__ = ("_characters", "_hide", "_items", "_scrub", "_until")

    def __init__(self, scrub: Callable[[str, int], str], hide: Callable[[str | None], str]) -> None:
        self._scrub, self._hide = scrub, hide
        self._items, self._characters = _ITEMS, _CHARACTERS
        self._until = monotonic() + _SECONDS

    def plain(self, value: Any, depth: int) -> Plain:
        """One value, of which `depth` levels may follow."""
        kind = type(value)
        if value is None or kind is bool:
            return value  # type: ignore[no-any-return]  # None or a bool
        if issubclass(kind, enum.Enum):
            return self.plain(object.__getattribute__(value, "_value_"), depth - 1) if depth > 0 else "[deeper]"
        if issubclass(kind, str):
            return self._text(str.__str__(value))
        if issubclass(kind, int):
            return self._integer(int.__index__(value))
        if issubclass(kind, float):
            return self._float(float.__float__(value))
        if issubclass(kind, bytes | bytearray | memoryview):
            return self._bytes(value, kind)
        return self._compound(value, kind, depth) if depth > 0 else "[deeper]"

    def _compound(self, value: Any, kind: type, depth: int) -> Plain:
        if issubclass(kind, dict):
            return self._mapping(list(islice(dict.items(value), _ITEMS_EACH)), dict.__len__(value), depth - 1)
        for sequence in _SEQUENCES:
            if issubclass(kind, sequence):
                return self._sequence(
                    list(islice(sequence.__iter__(value), _ITEMS_EACH)), sequence.__len__(value), depth - 1
                )
        name = _name_of(kind)
        if name in _WRITTEN:
            return self._text(str(value)[:_NAME_LENGTH])
        if name.partition(".")[0] in _ARRAYS:
            return self._array(value, name, depth)
        fields = _fields_of(value, kind)
        return f"<{name[:_NAME_LENGTH]}>" if fields is None else self._mapping(fields, len(fields), depth - 1)

    def _array(self, value: Any, name: str, depth: int) -> Plain:
        """A number of numpy's as one of Python's; of an array, a frame or a tensor its shape alone."""
        shape = getattr(value, "shape", None)
        if shape == () and hasattr(value, "item"):
            return self.plain(value.item(), depth - 1)
        return f"<{name[:_NAME_LENGTH]}>" if shape is None else f"<{name[:_NAME_LENGTH]} {tuple(shape)!r:.64}>"

    def _is_spent(self) -> bool:
        """Whether no further item may be looked at; else it is one less."""
        self._items -= 1
        return self._items < 0 or monotonic() > self._until

    def _mapping(self, items: list[tuple[Any, Any]], size: int, depth: int) -> dict[str, Plain]:
        out: dict[str, Plain] = {}
        labelled = _is_labelled_secret(items)
        for key, value in items:
            if self._is_spent():
                break
            name = _text_of(key)
            secret = is_secret_name(name) or (labelled and name == "value")
            out[self._unused(name, out)] = self._secret(value, name, depth) if secret else self.plain(value, depth)
        if len(out) < size:
            out["…"] = f"[{size - len(out)} more]"
        return out

    def _sequence(self, items: list[Any], size: int, depth: int) -> list[Plain]:
        if size == 2 and _is_header(items):
            return [self._text(_text_of(items[0])), self._secret(items[1], "", depth)]
        out: list[Plain] = []
        for item in items:
            if self._is_spent():
                break
            out.append(self.plain(item, depth))
        if len(out) < size:
            out.append(f"[{size - len(out)} more]")
        return out

    def _unused(self, name: str, taken: dict[str, Plain]) -> str:
        """The name, scrubbed; two that became the same are told apart."""
        scrubbed = unused = self._scrub(name, _NAME_LENGTH)
        count = 1
        while unused in taken:
            count += 1
            unused = f"{scrubbed} ({count})"
        return unused

    def _secret(self, value: Any, name: str, depth: int) -> Plain:
        """What stands for a value whose name says that it is secret."""
        kind = type(value)
        if value is None or kind is bool or _is_empty(value, kind):
            return self.plain(value, depth)
        if issubclass(kind, int | float) and _is_count(value, name):
            return self.plain(value, depth)
        return self._hide(_text_of(value) if issubclass(kind, str | bytes | int) else None)

    def _text(self, text: str) -> str:
        if self._characters <= 0 < len(text):
            return "[cut]"
        window = self._characters
        self._characters -= len(text)
        return self._scrub(text, window)

    def _integer(self, number: int) -> int | str:
        if -_SMALL < number < _SMALL:
            return number
        if number.bit_length() > _HUGE_BITS:
            return f"[a number of {number.bit_length()} bits]"
        written = str(number)
        scrubbed = self._scrub(written, len(written))
        return number if scrubbed == written else scrubbed

    def _float(self, number: float) -> float | str:
        if not number.is_integer() or abs(number) < _SMALL:
            return number
        return number if self._integer(int(number)) == int(number) else self._text(str(int(number)))

    def _bytes(self, value: Any, kind: type) -> str:
        if issubclass(kind, memoryview):
            raw = value.tobytes() if value.nbytes <= _CHARACTERS else b""
            size = value.nbytes
        else:
            base = bytes if issubclass(kind, bytes) else bytearray
            raw, size = bytes(base.__getitem__(value, slice(0, _CHARACTERS))), base.__len__(value)
        try:
            return self._text(raw.decode()) if size == len(raw) else f"[{size} bytes]"
        except UnicodeDecodeError:
            return f"[{size} bytes]"


def _text_of(value: Any) -> str:
    """A short plain value as text; the name of its type if it is none."""
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes):
        return bytes.__getitem__(value, slice(0, _CHARACTERS)).decode("utf-8", "replace")
    if value is None or kind is bool or (issubclass(kind, int) and int.bit_length(value) <= _HUGE_BITS):
        return str(int.__index__(value)) if kind is not bool and value is not None else str(value)
    if issubclass(kind, float):
        return float.__repr__(value)
    return f"<{_name_of(kind)}>"


def _is_empty(value: Any, kind: type) -> bool:
    """Whether a text or a collection holds nothing; its own idea of its length is not asked for."""
    return any(issubclass(kind, base) and base.__len__(value) == 0 for base in (*_SEQUENCES, dict, str, bytes))


def _name_of(kind: type) -> str:
    """Module and name of a class, as they were written; a metaclass is not asked."""
    name: str = type.__dict__["__name__"].__get__(kind)
    module = type.__dict__["__module__"].__get__(kind)
    return f"{module}.{name}" if type(module) is str and module != "builtins" else name


def _fields_of(value: Any, kind: type) -> list[tuple[Any, Any]] | None:
    """The fields of a data class or a Pydantic model that its author shows; `None` if it is neither."""
    classes = [vars(base) for base in type.__dict__["__mro__"].__get__(kind)]
    for attribute in ("__dataclass_fields__", "__pydantic_fields__"):
        declared = next((base[attribute] for base in classes if attribute in base), None)
        if type(declared) is dict:
            shown = (name for name, field in declared.items() if getattr(field, "repr", True))
            return list(_read(value, classes, islice(shown, _ITEMS_EACH)))
    return None


def _read(value: Any, classes: list[Any], names: Iterable[str]) -> Iterable[tuple[str, Any]]:
    """Names and values, from the instance's own dictionary or its slots; properties are not run."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    for name in names:
        slot = next((base[name] for base in classes if name in base), None)
        if name in own:
            yield name, own[name]
        elif type(slot) is MemberDescriptorType:
            try:
                yield name, slot.__get__(value)
            except AttributeError:
                continue


def _is_count(value: float, name: str) -> bool:
    """Whether a number under a name such as "secrets" or "token" counts something."""
    lowered = name.lower()
    if any(part in lowered for part in ("cvv", "cvc", "pin", "otp")):
        return False
    return -1000 < value < 1000 or lowered.endswith("s")


def _is_header(items: list[Any]) -> bool:
    """Whether two items are a name and its secret, as servers keep headers."""
    name, value = items
    if not (issubclass(type(name), str | bytes) and issubclass(type(value), str | bytes)):
        return False
    return is_secret_name(_text_of(name)) and not is_secret_name(_text_of(value))


def _is_labelled_secret(items: list[tuple[Any, Any]]) -> bool:
    """Whether a dictionary is `{"name": "password", "value": …}`."""
    named = [value for key, value in items[:16] if type(key) is str and key in ("name", "key", "header")]
    return bool(named) and type(named[0]) is str and is_secret_name(named[0])
