"""The scrubber: its options, its promise never to raise, and the window it looks through."""

import os
import re
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botanu_core import log
from botanu_core.errors import ConfigError
from botanu_core.privacy import (
    CUT,
    PATTERNS,
    WINDOW,
    WITHHELD,
    Pattern,
    Scrubber,
    activate_scrubber,
    default_scrubber,
)

KEY = b"0123456789abcdef"
TICKET = Pattern(
    name="ticket",
    label="[TICKET]",
    regex=r"\bTCK-\d{4}\b",
    examples=("see TCK-1234",),
    counterexamples=("TCK-12",),
)
FRAGMENTS = [text for pattern in PATTERNS for text in pattern.examples + pattern.counterexamples]
GLUE = [
    " ",
    "\n",
    "\\n",
    '"',
    "'",
    ":",
    "=",
    "-",
    ".",
    "@",
    "[",
    "]",
    "x",
    "7",
    "é",
    "://",
    "order ",
    "token",
    "\ud800",
]
MIXED = st.lists(st.sampled_from(FRAGMENTS + GLUE) | st.text(max_size=8), max_size=8).map("".join)


@given(st.text() | MIXED)
@settings(max_examples=300, deadline=None)
def test_scrubbing_never_fails_and_twice_is_the_same_as_once(text):
    """For any text, also one with lone surrogates."""
    scrubbed = default_scrubber().scrub(text)
    assert scrubbed != WITHHELD
    assert default_scrubber().scrub(scrubbed) == scrubbed


@pytest.mark.parametrize(
    "scrubber",
    [Scrubber(pseudonym_key=KEY), Scrubber(replacement="<gone, all of it>"), Scrubber(replacement="***")],
    ids=["pseudonyms", "words", "stars"],
)
@given(MIXED)
@settings(max_examples=100, deadline=None)
def test_other_marks_last_too(scrubber, text):
    """What is left behind is never found again, whatever it is."""
    scrubbed = scrubber.scrub(text)
    assert scrubber.scrub(scrubbed) == scrubbed


def test_labels_say_what_was_there():
    """One label a kind."""
    text = "jane@example.com, 4111111111111111, password=hunter2"
    assert default_scrubber().scrub(text) == "[EMAIL], [CARD], password=[SECRET]"


def test_a_kind_can_be_switched_off():
    """By its name, and only that."""
    assert Scrubber(disabled={"ip"}).scrub("10.0.0.1 a@b.example") == "10.0.0.1 [EMAIL]"


def test_an_own_pattern_is_found_first():
    """Beside ours."""
    assert Scrubber(extra=[TICKET]).scrub("TCK-1234 of a@b.example") == "[TICKET] of [EMAIL]"


def test_an_own_pattern_may_look_around():
    """By its context, as RE2 has no look-around."""
    behind_ref = Pattern(name="ref", label="[REF]", regex=r"\d{4}", context=lambda hit: hit.before.endswith("ref "))
    assert Scrubber(extra=[behind_ref]).scrub("ref 1234 in 1234") == "ref [REF] in 1234"


def test_an_own_pattern_may_stand_at_the_start_of_a_line():
    """Anchors and boundaries mean the text, not the hit."""
    first = Pattern(name="first", label="[FIRST]", regex=r"(?m)^#\d+")
    assert Scrubber(extra=[first]).scrub("#1 and #2\n#3") == "[FIRST] and #2\n[FIRST]"


def test_one_replacement_for_all():
    """Instead of labels."""
    assert Scrubber(replacement="***").scrub("a@b.example password=x1") == "*** password=***"


def test_a_pseudonym_is_stable_and_keyed():
    """The same value, however it is spelled, gets the same one; another key gives another."""
    one, two = Scrubber(pseudonym_key=KEY), Scrubber(pseudonym_key=KEY[::-1])
    assert re.fullmatch(r"\[EMAIL:[0-9a-f]{12}\]", one.scrub("Jane@Example.com"))
    assert one.scrub("Jane@Example.com") == one.scrub("jane@example.com")
    assert one.scrub("4111-1111-1111-1111") == one.scrub("４１１１１１１１１１１１１１１１")
    assert one.scrub("jane@example.com") != two.scrub("jane@example.com")
    assert one.scrub("jane@example.com") != one.scrub("john@example.com")


def test_the_key_shows_nowhere():
    """Not where scrubbers are printed."""
    assert KEY.decode() not in repr(Scrubber(pseudonym_key=KEY))


def test_detectors_run_last_in_their_order():
    """On what the patterns left."""
    scrubber = Scrubber(detectors=[lambda text: text.replace("Jane", "[NAME]"), lambda text: text + "!"])
    assert scrubber.scrub("Jane, jane@example.com") == "[NAME], [EMAIL]!"


@pytest.mark.parametrize("detector", [lambda text: 1 / 0, lambda text: None, lambda text: b"x"])
def test_a_broken_detector_withholds_the_text(detector, caplog):
    """What was not looked through does not leave; it is said once, without the text."""
    scrubber = Scrubber(detectors=[detector])
    assert scrubber.scrub("of Jane") == WITHHELD
    assert scrubber.scrub("of John") == WITHHELD
    assert len(caplog.records) == 1
    assert "Jane" not in caplog.text
    assert log.counted() == {"privacy.scrub": 2}


def test_a_broken_check_withholds_the_text():
    """The same for an own pattern that raises."""
    broken = Pattern(name="x", label="[X]", regex=r"x\d", check=lambda value: 1 / 0)
    scrubber = Scrubber(extra=[broken])
    assert scrubber.scrub("x1") == WITHHELD
    assert scrubber.scrub("y1") == "y1"


@pytest.mark.parametrize("text", [None, 5, b"jane@example.com", object()])
def test_what_is_no_text_is_withheld(text):
    """Instead of being asked for its text."""
    assert default_scrubber().scrub(text) == WITHHELD


@pytest.mark.parametrize(
    ("options", "mend"),
    [
        ({"disabled": "ip"}, "write disabled={'ip'}"),
        ({"disabled": {"emial"}}, "There are: .*email"),
        ({"disabled": 5}, "write disabled"),
        ({"replacement": ""}, r"write '\[REMOVED\]'"),
        ({"replacement": "GONE"}, r"write '\[REMOVED\]'"),
        ({"replacement": '["x"]'}, r"write '\[REMOVED\]'"),
        ({"replacement": "***", "pseudonym_key": KEY}, "leave one of them out"),
        ({"pseudonym_key": b"short"}, "token_bytes"),
        ({"pseudonym_key": "0123456789abcdef"}, "encode"),
        ({"detectors": str.upper}, r"detectors=\[my_detector\]"),
        ({"detectors": [5]}, r"detectors=\[my_detector\]"),
        ({"extra": TICKET}, r"extra=\[Pattern"),
        ({"extra": ["x"]}, r"extra=\[Pattern"),
        ({"extra": [Pattern(name="x", label="[X]", regex=r"(?<=a)b")]}, "no look-around"),
        ({"extra": [Pattern(name="x", label="[X]", regex=r"(a")]}, "not RE2 syntax"),
        ({"extra": [Pattern(name="x", label="[X]", regex=r"(.{500}){500}")]}, "not RE2 syntax"),
        ({"extra": [Pattern(name="x", label="[X]", regex=r"a*")]}, "empty text"),
        ({"extra": [Pattern(name="x", label="X", regex=r"a")]}, "label of the pattern 'x'"),
        ({"extra": [Pattern(name="", label="[X]", regex=r"a")]}, "needs a name"),
        ({"extra": [Pattern(name="x", label="[X]", regex=r"a", check=5)]}, "must be a function"),
        ({"extra": [Pattern(name="x", label="[X]", regex=r"a", examples=("b",))]}, "does not find its example 'b'"),
        ({"extra": [Pattern(name="x", label="[X]", regex=r"a", counterexamples=("a",))]}, "finds its counterexample"),
    ],
)
def test_a_mistake_is_told_at_set_up(options, mend):
    """With the mend."""
    with pytest.raises(ConfigError, match=mend):
        Scrubber(**options)


def test_a_text_longer_than_the_window_is_cut_and_says_so():
    """The rest is not looked at, so it does not leave."""
    scrubbed = default_scrubber().scrub("a " * WINDOW)
    assert len(scrubbed) == WINDOW + len(CUT)
    assert scrubbed.endswith(CUT)


@pytest.mark.parametrize("place", range(80, 101))
@pytest.mark.parametrize(
    ("secret", "part"),
    [("jane.doe@example.com", "jane"), ("4111 1111 1111 1111", "4111"), ("password='a b c d e f'", "a b")],
)
def test_a_secret_across_the_end_of_the_window_leaves_nothing(place, secret, part):
    """Half a secret no longer looks like one: it goes whole."""
    text = "-" * (place - 1) + " " + secret + " and more" * 100
    scrubbed = default_scrubber().scrub(text, window=100)
    assert part not in scrubbed
    assert len(scrubbed) <= 100 + len("[SECRET]") + len(CUT)


def test_a_huge_private_key_goes_whole():
    """A hit may be longer than the chunks in which the text is searched."""
    body = "\n".join(["TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1"] * 2000)
    text = "-----BEGIN " + f"RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    assert default_scrubber().scrub(f"before {text} after") == "before [PRIVATE_KEY] after"


@pytest.mark.parametrize("offset", range(7000, 8300, 13))
def test_no_hit_is_lost_between_two_chunks(offset):
    """Wherever it stands."""
    text = "word " * (offset // 5) + "x" * (offset % 5) + " jane@example.com 4111 1111 1111 1111 " + "word " * 500
    assert default_scrubber().scrub(text).count("[") == 2


def test_threads_share_one():
    """And agree."""
    scrubber, results = Scrubber(), []
    text = "jane@example.com " * 50

    def work() -> None:
        results.extend(scrubber.scrub(text) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {"[EMAIL] " * 50}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_compiles_afresh():
    """The parent's automaton may have been locked by a thread that does not exist in the child."""
    script = """
import os
from botanu_core.privacy import default_scrubber
assert default_scrubber().scrub("a@b.example") == "[EMAIL]"
before = default_scrubber()._engine
if (pid := os.fork()) == 0:
    fine = default_scrubber().scrub("a@b.example") == "[EMAIL]" and default_scrubber()._engine is not before
    os._exit(0 if fine else 1)
assert os.waitpid(pid, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)


def test_importing_compiles_nothing():
    """The table, the engine and re2 come with the first text."""
    script = """
import sys
import botanu_core.privacy
heavy = {"re2", "botanu_core.privacy.patterns", "botanu_core.privacy.engine"} & set(sys.modules)
assert not heavy, heavy
assert botanu_core.privacy.Scrubber().scrub("plain") == "plain"
assert "re2" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_active_scrubber_is_the_default():
    """Until another, or none, is put in force."""
    own = Scrubber(disabled={"email"})
    activate_scrubber(own)
    try:
        assert default_scrubber() is own
    finally:
        activate_scrubber(None)
    assert default_scrubber() is default_scrubber()
    assert default_scrubber().scrub("a@b.example") == "[EMAIL]"
