"""What is captured: decided by the run, scrubbed, cut last."""

import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botanu_core.privacy import WITHHELD, Scrubber, capture_decided, captured, cut, safe_text

RUN = "0190a6e4-7b5c-7c3d-9a2b-3c4d5e6f7a8b"
RUNS = [
    str(uuid.UUID(int=(0x0190A6E4_7B5C << 80) | (7 << 76) | (2 << 62) | (number * 2654435761)))
    for number in range(5000)
]
E_ACUTE = unicodedata.normalize("NFD", "é")
FAMILY = "👩\u200d👩\u200d👧"


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 0.9, 1.0])
def test_the_rate_is_the_share_of_runs(rate):
    """Within chance."""
    share = sum(capture_decided(run, rate) for run in RUNS) / len(RUNS)
    assert share == pytest.approx(rate, abs=0.03)


def test_each_service_decides_the_same():
    """From the run's id alone; these are fixed for all time, as other versions must agree."""
    assert [capture_decided(run, 0.5) for run in RUNS[:50]] == [capture_decided(run.upper(), 0.5) for run in RUNS[:50]]
    assert capture_decided(RUN, 0.67)
    assert not capture_decided(RUN, 0.66)


def test_a_higher_rate_captures_what_a_lower_one_did():
    """So that raising it in one service after the other leaves whole runs."""
    low = {run for run in RUNS if capture_decided(run, 0.1)}
    assert low < {run for run in RUNS if capture_decided(run, 0.3)}


def test_without_a_run_chance_decides():
    """Each call by itself."""
    assert {capture_decided(None, 0.5) for _ in range(200)} == {True, False}
    assert capture_decided(None, 1.0)
    assert not capture_decided(None, 0.0)


@pytest.mark.parametrize("rate", [float("nan"), -1.0, "1", None])
def test_a_rate_that_is_none_captures_nothing(rate):
    """In doubt, nothing leaves."""
    assert not capture_decided(RUN, rate)


def test_what_is_not_captured_is_not_even_looked_at():
    """The gate stands before the scrubber."""
    assert captured(object(), run_id=RUN, rate=0.0, max_chars=10) is None
    assert captured(None, run_id=RUN, rate=1.0, max_chars=10) is None


def test_captured_text_is_scrubbed_before_it_is_cut():
    """Half an address would no longer look like one."""
    assert captured("to jane.doe@example.com", run_id=RUN, rate=1.0, max_chars=8) == "to [EMA…"


def test_captured_data_becomes_json():
    """Scrubbed before."""
    value = captured({"to": "x\njane@example.com", "password": "a"}, run_id=RUN, rate=1.0, max_chars=100)
    assert value == '{"to": "x\\n[EMAIL]", "password": "[SECRET]"}'


def test_an_own_scrubber_can_be_given():
    """Instead of the one in force."""
    assert safe_text("a@b.example", scrubber=Scrubber(replacement="***")) == "***"


def test_a_scrubber_that_fails_withholds():
    """And the call goes on."""
    broken = Scrubber(detectors=[lambda text: 1 / 0])
    assert captured("x", run_id=RUN, rate=1.0, max_chars=100, scrubber=broken) == WITHHELD


@pytest.mark.parametrize("text", [None, 5, b"\xff", object(), {1: {2: object()}}, "\ud800", ["a@b.example"]])
def test_safe_text_never_fails(text):
    """Whatever it is given."""
    assert isinstance(safe_text(text), str)


def test_a_huge_text_is_not_looked_through():
    """Only as much as may be kept, and some more."""
    seen: list[int] = []

    def detector(text: str) -> str:
        seen.append(len(text))
        return text

    assert len(safe_text("word " * 500_000, 1000, scrubber=Scrubber(detectors=[detector]))) == 1000
    assert seen[0] < 10_000


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("a longer text", 6, "a lon…"),
        ("abc" + E_ACUTE + "x", 5, "abc…"),
        ("ab" + FAMILY + "x", 5, "ab…"),
        ("ab\ud83d\ude00xyz", 4, "ab…"),
        ("anything", 0, ""),
        ("anything", -5, ""),
        ("anything", 1, "…"),
    ],
)
def test_cutting_splits_no_character(text, limit, expected):
    """Not a letter from its accent, nor an emoji from what it is joined with."""
    assert cut(text, limit) == expected


@given(st.text(), st.integers(-2, 50))
def test_cutting_keeps_within_the_limit(text, limit):
    """Whatever is cut."""
    assert len(cut(text, limit)) <= max(limit, 0)
