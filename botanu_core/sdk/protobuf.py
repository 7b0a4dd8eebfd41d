"""The pieces that OTLP's messages are made of, by hand: the SDK's encoders take 50 to 70 µs a span or an event.

A field on the wire is a key (its number and kind), then its content, with the length before it where that is not fixed
(https://protobuf.dev/programming-guides/encoding). The numbers of the fields are those of OTLP's `common.proto`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, Final

__all__ = ["Attributes", "Unencodable", "field", "number", "text"]

_MASK: Final = (1 << 64) - 1
_MOST_NAMES: Final = 128
_MOST_VALUES: Final = 256
_LONGEST_KEPT: Final = 256
_LENGTHS: Final = tuple(bytes((length,)) for length in range(128))
_DOUBLE: Final = Struct("<Bd").pack
_TRUE: Final = b"\x10\x01"
_FALSE: Final = b"\x10\x00"


class Unencodable(TypeError):
    """A value that OTLP does not know, and that is left to the SDK's encoder."""


def number(value: int) -> bytes:
    """A whole number, as OTLP writes counts and lengths."""
    if value < 128:
        return _LENGTHS[value]
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def field(key: bytes, content: bytes) -> bytes:
    """A field whose content has a length of its own: text, bytes or a message."""
    length = len(content)
    return key + (_LENGTHS[length] if length < 128 else number(length)) + content


def text(value: str) -> bytes:
    """Text as UTF-8."""
    return value.encode(errors="replace")  # half a surrogate pair must not cost the others of the batch


_Known = dict[str, dict[Any, bytes]]
"""Attributes that were said before: by name, then by value."""


class Attributes:
    """Encodes attributes, each a `KeyValue` in one repeated field; keeps what is said again and again.

    For one thread at a time.

    Args:
        key: Of the field.
    """

    __slots__ = ("_key", "_numbers", "_texts")

    def __init__(self, key: bytes) -> None:
        self._key, self._texts, self._numbers = key, _Known(), _Known()

    def encode(self, attributes: Mapping[str, Any]) -> list[bytes]:
        """The attributes in their order.

        Raises:
            Unencodable: A value is nothing that OTLP knows.
        """
        found = []
        texts, numbers = self._texts, self._numbers
        for name, value in attributes.items():
            kind = type(value)
            if kind is str:
                known = texts.get(name)
            elif kind is int:
                known = numbers.get(name)
            else:  # bool and float would be taken for the int that they equal
                found.append(_pair(self._key, name, value))
                continue
            if known is None:
                known = _room_in(texts if kind is str else numbers, _MOST_NAMES)[name] = {}
            said = known.get(value)
            if said is None:
                said = _pair(self._key, name, value)
                if len(said) <= _LONGEST_KEPT:
                    _room_in(known, _MOST_VALUES)[value] = said
            found.append(said)
        return found


def _room_in(known: dict[Any, Any], most: int) -> dict[Any, Any]:
    if len(known) >= most:
        known.clear()
    return known


@lru_cache(_MOST_NAMES)
def _name(name: str) -> bytes:
    return field(b"\x0a", text(name))


def _pair(key: bytes, name: str, value: Any) -> bytes:
    return field(key, _name(name) + field(b"\x12", _value(value)))


def _value(value: Any) -> bytes:
    """An `AnyValue`."""
    if isinstance(value, str):
        return field(b"\x0a", text(value))
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + number(value & _MASK)
    if isinstance(value, float):
        return _DOUBLE(0x21, value)
    if isinstance(value, bytes):
        return field(b"\x3a", value)
    if value is None:
        return b""
    if isinstance(value, Sequence):
        return field(b"\x2a", b"".join([field(b"\x0a", _value(each)) for each in value]))
    if isinstance(value, Mapping):
        return field(b"\x32", b"".join([_pair(b"\x0a", str(name), each) for name, each in value.items()]))
    raise Unencodable(type(value).__name__)
