"""`Usage`: wholes and parts, and the split in which every token stands once."""

import copy
import inspect
import pickle
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botanu_core.model.usage import MAX_AMOUNT, MAX_TOKENS, NO_UNITS, Units, Usage, amount_of, count_of

COUNTS = [name for name in Usage._fields if name != "units"]
any_counts = st.fixed_dictionaries({name: st.none() | st.integers(0, 50) for name in COUNTS})
INPUT = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "cache_audio_read", "input_image")
OUTPUT = ("output", "reasoning", "output_audio", "output_image")


def test_what_is_not_said_is_unknown_and_has_no_bucket():
    assert Usage().buckets() == {}
    assert Usage(input_tokens=0).buckets() == {"input": 0}
    assert Usage(cache_read_tokens=5).buckets() == {"cache_read": 5}
    assert Usage().amount("input_tokens") == 0


def test_every_token_stands_in_one_bucket():
    usage = Usage(
        input_tokens=1000,
        output_tokens=500,
        cache_read_tokens=300,
        cache_write_tokens=200,
        cache_write_1h_tokens=50,
        reasoning_tokens=400,
        input_audio_tokens=120,
        cache_audio_read_tokens=20,
        output_audio_tokens=30,
        input_image_tokens=70,
        output_image_tokens=10,
    )
    assert usage.buckets() == {
        "input": 330,
        "cache_read": 280,
        "cache_write_5m": 150,
        "cache_write_1h": 50,
        "input_audio": 100,
        "cache_audio_read": 20,
        "input_image": 70,
        "output": 60,
        "reasoning": 400,
        "output_audio": 30,
        "output_image": 10,
    }


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        # The reporter left the cached tokens out of the input.
        ({"input_tokens": 30, "cache_read_tokens": 1500}, {"input_tokens": 1530}),
        ({"input_tokens": 30, "cache_read_tokens": 20, "cache_write_tokens": 20}, {"input_tokens": 70}),
        # Or audio and images.
        ({"input_tokens": 10, "input_audio_tokens": 100}, {"input_tokens": 110}),
        ({"output_tokens": 10, "output_audio_tokens": 100}, {"output_tokens": 110}),
        # Or reasoning.
        ({"output_tokens": 10, "reasoning_tokens": 300}, {"output_tokens": 310}),
        # What is kept for an hour is written.
        ({"input_tokens": 500, "cache_write_1h_tokens": 100}, {"cache_write_tokens": 100}),
        ({"input_tokens": 500, "cache_write_tokens": 20, "cache_write_1h_tokens": 100}, {"cache_write_tokens": 120}),
        # Cached audio is cached, and is audio.
        (
            {"input_tokens": 500, "cache_audio_read_tokens": 100},
            {"cache_read_tokens": 100, "input_audio_tokens": 100},
        ),
        # Audio and cached tokens that fit one by one: some of the audio was cached.
        (
            {"input_tokens": 1000, "cache_read_tokens": 900, "input_audio_tokens": 500},
            {"cache_audio_read_tokens": 400},
        ),
        # What still exceeds is no count at all.
        (
            {"input_tokens": 100, "cache_read_tokens": 90, "input_image_tokens": 50},
            {"input_image_tokens": None, "cache_audio_read_tokens": 0},
        ),
    ],
)
def test_parts_that_exceed_their_whole_were_left_out_of_it(said, meant, caplog):
    usage = Usage(**said)
    assert usage.mended() == Usage(**{**said, **meant})
    assert usage.mended().mended() == usage.mended()
    usage.buckets()
    assert len(caplog.records) == 1


@settings(max_examples=2000)
@given(any_counts)
def test_no_bucket_is_ever_negative_and_the_buckets_of_a_side_are_its_whole(counts):
    usage = Usage(**counts).mended()
    buckets = usage.buckets()
    assert all(count >= 0 for count in buckets.values())
    assert usage.mended() is usage
    for side, names in (("input_tokens", INPUT), ("output_tokens", OUTPUT)):
        whole = getattr(usage, side)
        if whole is not None:
            assert sum(buckets.get(name, 0) for name in names) == whole
            assert whole >= counts[side]


def test_consistent_usage_is_left_as_it_is():
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=10, reasoning_tokens=5)
    assert usage.mended() is usage


def test_a_later_report_of_the_same_call_replaces_what_it_knows():
    first = Usage(input_tokens=25, output_tokens=1, cache_read_tokens=5, units=Units(web_searches=1))
    last = first.updated(Usage(output_tokens=15, units=Units(web_searches=2)))
    assert last == first._replace(output_tokens=15, units=Units(web_searches=2))


def test_usage_is_frozen_and_so_are_its_units():
    usage = Usage(input_tokens=1, units=Units(web_searches=1))
    with pytest.raises(AttributeError):
        usage.input_tokens = 2
    for change in (
        lambda: usage.units.__setitem__("web_searches", 2),
        lambda: usage.units.update(web_searches=2),
        lambda: NO_UNITS.setdefault("requests", 1),
        lambda: usage.units.pop("web_searches"),
        lambda: usage.units.clear(),
    ):
        with pytest.raises(TypeError, match="units are frozen"):
            change()
    assert usage.units == {"web_searches": 1}
    assert Usage().units == {}


def test_every_field_is_set_under_its_own_name():
    usage = Usage(**{name: number for number, name in enumerate(COUNTS)}, units=Units(web_searches=1))
    assert [getattr(usage, name) for name in COUNTS] == list(range(len(COUNTS)))
    assert usage.units == {"web_searches": 1}
    assert list(inspect.signature(Usage).parameters) == [*COUNTS, "units"]


def test_usage_is_a_value():
    usage = Usage(input_tokens=1, units=Units(audio_seconds=Decimal("1.5")))
    assert {usage} == {Usage(input_tokens=1, units=Units(audio_seconds=Decimal("1.5")))}
    assert pickle.loads(pickle.dumps(usage)) == copy.deepcopy(usage) == copy.copy(usage) == usage
    assert usage._asdict()["units"] == {"audio_seconds": Decimal("1.5")}


def test_kinds_are_counted_by_name():
    usage = Usage(cache_write_tokens=30, cache_write_1h_tokens=10, units=Units(input_video_tokens=7))
    assert usage.amount("cache_write_5m_tokens") == 20
    assert usage.amount("input_video_tokens") == 7
    assert usage.amount("web_searches") == 0


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (7, 7),
        (7.0, 7),
        (12.5, Decimal("12.5")),
        (0.1, Decimal("0.1")),
        (Decimal("0.1"), Decimal("0.1")),
        (None, None),
        (-0.5, None),
        (Decimal(-1), None),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("Infinity"), None),
        (Decimal("1e-400"), None),
        (Decimal("1e400"), None),
        (1e30, None),
        (MAX_TOKENS + 1, None),
        ("12.5", None),
        (True, None),
        ([], None),
    ],
    ids=repr,
)
def test_an_amount_may_have_a_fraction_and_what_is_none_is_unknown(value, amount):
    assert amount_of(value) == amount


def test_bytes_may_be_more_than_tokens():
    assert count_of(2**40) is None
    assert count_of(2**40, MAX_AMOUNT) == amount_of(2**40, MAX_AMOUNT) == 2**40
