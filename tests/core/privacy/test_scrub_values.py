"""Structured data: scrubbed before it is JSON, to a bounded size, without a word from foreign objects."""

import dataclasses
import datetime
import decimal
import enum
import json
import threading
import uuid
from collections import deque
from types import SimpleNamespace

import pydantic
import pytest

from botanu_core.privacy import Scrubber, default_scrubber

KEY = b"0123456789abcdef"


def scrubbed(value: object) -> object:
    return default_scrubber().scrub_value(value)


class Loud:
    """An object that must not be asked anything."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"asked for {name}")

    def __repr__(self) -> str:
        raise AssertionError("asked for its text")

    __str__ = __iter__ = __len__ = __bool__ = __eq__ = __hash__ = __repr__


class Colour(enum.Enum):
    RED = "red of jane@example.com"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass(slots=True)
class Slotted:
    email: str
    password: str
    hidden: str = dataclasses.field(default="x", repr=False)


@dataclasses.dataclass
class Plain:
    note: str
    inner: object = None


class Model(pydantic.BaseModel):
    note: str
    api_key: pydantic.SecretStr


class Text(str):
    def __str__(self) -> str:
        raise AssertionError("asked for its text")


class Blob(bytes):
    __len__ = __bytes__ = __getitem__ = __iter__ = Text.__str__


class Many(list[str]):
    __len__ = __bool__ = __getitem__ = __iter__ = Text.__str__


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        ("a@b.example", "[EMAIL]"),
        (b"a@b.example", "[EMAIL]"),
        (b"\xff\xfe\x00", "[3 bytes]"),
        (bytearray(b"a@b.example"), "[EMAIL]"),
        (memoryview(b"a@b.example"), "[EMAIL]"),
        (memoryview(bytes(2_000_000)), "[2000000 bytes]"),
        (4111111111111111, "[CARD]"),
        (4111111111111112, 4111111111111112),
        (4111111111111111.0, "[CARD]"),
        (1700000000000, 1700000000000),
        (10**100, "[a number of 333 bits]"),
        (Colour.RED, "red of [EMAIL]"),
        (Level.HIGH, 3),
        (("a@b.example", 1), ["[EMAIL]", 1]),
        ({"a@b.example"}, ["[EMAIL]"]),
        ({"to": ["a@b.example"]}, {"to": ["[EMAIL]"]}),
        ({"a@b.example": 1, "c@d.example": 2}, {"[EMAIL]": 1, "[EMAIL] (2)": 2}),
        ({1: "x", None: "y", b"z": 0.5}, {"1": "x", "None": "y", "z": 0.5}),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2024, 1, 15), "2024-01-15"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Plain("a@b.example", Plain("x")), {"note": "[EMAIL]", "inner": {"note": "x", "inner": None}}),
        (Slotted("a@b.example", "hunter2"), {"email": "[EMAIL]", "password": "[SECRET]"}),
        (float("inf"), float("inf")),
    ],
)
def test_a_value_comes_back_plain(value, expected):
    """With its text scrubbed as text."""
    assert scrubbed(value) == expected


@pytest.mark.parametrize(
    "name",
    [
        "password", "dbPassword", "DB_PASSWORD", "passwd", "client_secret", "access_token", "Authorization", "cookie",
        "Set-Cookie", "X-Api-Key", "apiKey", "api_key", "private_key", "aws_secret_access_key", "cvv", "pin",
        "auth",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["hunter two", ["a", "b"], {"a": 1}, b"abc", 12345])
def test_a_value_under_a_secret_name_goes_whole(name, value):
    """Whatever it looks like."""
    assert scrubbed({name: value}) == {name: "[SECRET]"}


@pytest.mark.parametrize(
    "pair",
    [
        {"max_tokens": 4096},
        {"total_tokens": 17},
        {"token_count": "12"},
        {"password": None},
        {"secret": False},
        {"token": ""},
        {"secrets": 3},
        {"credentials": 12345},
        {"first_token": 350},
        {"secretary": "Jane"},
        {"key": "value"},
        {"password_policy": "strict"},
        {"spin": "x"},
    ],
)
def test_a_name_that_names_no_secret_keeps_its_value(pair):
    """Counts of tokens above all."""
    assert scrubbed(pair) == pair


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([("authorization", "Bearer x")], [["authorization", "[SECRET]"]]),
        ([(b"cookie", b"a=b")], [["cookie", "[SECRET]"]]),
        ({"name": "password", "value": "hunter"}, {"name": "password", "value": "[SECRET]"}),
        (["password", "token"], ["password", "token"]),
    ],
)
def test_headers_and_records_are_pairs_too(value, expected):
    """As servers and forms keep them."""
    assert scrubbed(value) == expected


def test_a_value_behind_a_line_break_is_found():
    """Scrubbed before JSON writes the break as two characters."""
    assert json.dumps(scrubbed({"a": "x\n4111111111111111\ty"})) == '{"a": "x\\n[CARD]\\ty"}'


def test_a_subclass_is_read_and_not_asked():
    """For its text, its bytes or its items."""
    assert scrubbed(Text("a@b.example")) == "[EMAIL]"
    assert scrubbed(Blob(b"a@b.example")) == "[EMAIL]"
    assert scrubbed(Many(["a@b.example"])) == ["[EMAIL]"]


def test_a_subclass_is_not_asked_under_a_secret_name_either():
    """Nor how long it is."""
    assert scrubbed({"password": Many(["a"]), "token": Blob(b"b")}) == {"password": "[SECRET]", "token": "[SECRET]"}


def test_foreign_objects_say_nothing():
    """Only their class is named."""
    assert scrubbed({"a": Loud(), "b": SimpleNamespace(email="a@b.example")}) == {
        "a": f"<{__name__}.Loud>",
        "b": "<types.SimpleNamespace>",
    }


def test_a_pydantic_model_shows_its_fields_and_hides_its_secrets():
    """Its own secrets stay hidden behind their class, or behind their name."""
    value = scrubbed(Model(note="of a@b.example", api_key=pydantic.SecretStr("hunter2")))
    assert value == {"note": "of [EMAIL]", "api_key": "[SECRET]"}


def test_depth_and_size_are_bounded():
    """Also where a value holds itself."""
    endless: list[object] = []
    endless.append(endless)
    assert "[deeper]" in json.dumps(scrubbed(endless))
    assert len(scrubbed(list(range(5000)))) == 1001
    assert scrubbed(list(range(5000)))[-1] == "[4000 more]"
    assert scrubbed({str(number): number for number in range(5000)})["…"] == "[4000 more]"
    broad = [[[0] * 900] * 900] * 900
    assert len(json.dumps(scrubbed(broad))) < 200_000


def test_text_is_bounded_in_all():
    """Many long texts are as much as one."""
    value = scrubbed(["x y " * 100_000] * 8)
    assert sum(map(len, value)) < (1 << 20) + 200
    assert value[-1] == "[cut]"


def test_a_scrubber_that_fails_withholds_each_text():
    """And keeps what needs no scrubbing."""
    broken = Scrubber(detectors=[lambda text: 1 / 0])
    assert broken.scrub_value({"n": 1, "t": "x"})["[withheld: scrubbing failed]"] == 1


def test_a_hidden_value_has_a_pseudonym_too():
    """So that its uses can be joined."""
    scrubber = Scrubber(pseudonym_key=KEY)
    one, two = scrubber.scrub_value({"token": "abc"}), scrubber.scrub_value({"token": "abc"})
    assert one == two
    assert one["token"].startswith("[SECRET:")


def test_a_queue_is_read_and_a_generator_is_left():
    """To ask a generator would use it up."""
    numbers = (number for number in range(3))
    assert scrubbed([deque(["a@b.example"]), numbers]) == [["[EMAIL]"], "<generator>"]
    assert next(numbers) == 0


def test_of_an_array_only_the_shape_is_told():
    """Its numbers are many, and are nothing to read; one number is one."""
    array = type("ndarray", (), {"__module__": "numpy", "shape": (2, 3), "__repr__": Loud.__repr__})
    scalar = type("int64", (), {"__module__": "numpy", "shape": (), "item": lambda self: 7})
    assert scrubbed({"a": array(), "n": scalar()}) == {"a": "<numpy.ndarray (2, 3)>", "n": 7}


def test_a_slow_detector_does_not_hold_up_a_large_value():
    """After a second, what is left is only counted."""
    never = threading.Event()

    def slow(text: str) -> str:
        never.wait(0.02)
        return text

    value = Scrubber(detectors=[slow]).scrub_value([f"text {number}" for number in range(1000)])
    assert 1 < len(value) < 500
    assert value[-1].endswith(" more]")
