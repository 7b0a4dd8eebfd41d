"""The user's own detectors: what they may answer, and what happens when they fail, dawdle or talk nonsense."""

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from botanu_core.errors import ConfigError, MissingExtra
from botanu_core.privacy import WITHHELD, Scrubber
from botanu_core.privacy.presidio import presidio

JANE = "Jane met John."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("[X] met John.", "[X] met John."),
        ([], JANE),
        ([(0, 4)], "[FOUND] met John."),
        ([(9, 13, "person"), (0, 4, "person")], "[PERSON] met [PERSON]."),
        ([SimpleNamespace(start=0, end=4, entity_type="NRP", score=0.9)], "[NRP] met John."),
        ([(0, 4, "a"), (2, 8, "b")], "[A][B] John."),
        ([(0, 8, "a"), (2, 4, "b")], "[A] John."),
        (((at, at + 4, "név, …") for at in (0, 9)), "[N_V] met [N_V]."),
    ],
)
def test_a_detector_answers_with_text_or_places(answer, expected):
    """In any order, overlapping or not."""
    assert Scrubber(detectors=[lambda text: answer]).scrub(JANE) == expected


@pytest.mark.parametrize(
    "answer",
    [None, 5, b"x", {}, [(0, 99)], [(-1, 3)], [(4, 0)], [(0,)], [("0", "4")], [(0, 4, 5)], [object()], [(True, 4)]],
)
def test_nonsense_withholds_the_text(answer):
    """What was not looked through does not leave."""
    assert Scrubber(detectors=[lambda text: answer]).scrub(JANE) == WITHHELD


def test_what_a_detector_finds_gets_the_mark_of_all_else():
    """A replacement, or a pseudonym that joins."""
    found = [(0, 4, "PERSON")]
    assert Scrubber(detectors=[lambda text: found], replacement="***").scrub(JANE) == "*** met John."
    keyed = Scrubber(detectors=[lambda text: found], pseudonym_key=b"0123456789abcdef")
    assert keyed.scrub(JANE) == keyed.scrub(JANE)
    assert keyed.scrub(JANE).startswith("[PERSON:")


def test_a_detector_that_dawdles_is_left_behind():
    """The text is withheld; after some that never come back, no further ones are begun."""
    release, begun = threading.Event(), []

    def dawdle(text: str) -> str:
        begun.append(text)
        release.wait(30)
        return text

    scrubber = Scrubber(detectors=[dawdle], detector_timeout_s=0.01)
    try:
        assert {scrubber.scrub(JANE) for _ in range(10)} == {WITHHELD}
        assert len(begun) == 4
    finally:
        release.set()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_detector_that_raises_withholds(error):
    """Also with a time limit, and whatever it raises in the thread that it has then."""

    def fail(text: str) -> str:
        raise error

    if issubclass(error, Exception):
        assert Scrubber(detectors=[fail]).scrub(JANE) == WITHHELD
    assert Scrubber(detectors=[fail], detector_timeout_s=5).scrub(JANE) == WITHHELD


def test_a_detector_in_time_is_heard():
    """With a limit as without."""
    assert Scrubber(detectors=[lambda text: [(0, 4)]], detector_timeout_s=30).scrub(JANE) == "[FOUND] met John."


@pytest.mark.parametrize("limit", [0, -1, 61, "1", True, float("nan")])
def test_a_wrong_limit_is_told(limit):
    """At set-up."""
    with pytest.raises(ConfigError, match="above 0"):
        Scrubber(detectors=[str], detector_timeout_s=limit)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_no_late_calls():
    """Those of the parent do not count there."""
    script = """
import os, threading
from botanu_core.privacy import Scrubber, WITHHELD
never = threading.Event()
slow = Scrubber(detectors=[lambda text: never.wait(20) and text], detector_timeout_s=0.01)
assert {slow.scrub("x") for _ in range(6)} == {WITHHELD}
if (pid := os.fork()) == 0:
    fine = Scrubber(detectors=[lambda text: text], detector_timeout_s=5).scrub("x") == "x"
    os._exit(0 if fine else 1)
assert os.waitpid(pid, 0)[1] == 0
never.set()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)


class Analyzer:
    """What the adapter asks of Presidio's `AnalyzerEngine`."""

    def get_supported_entities(self, language: str) -> list[str]:
        return ["PERSON", "LOCATION", "NRP"]

    def analyze(self, *, text: str, language: str, entities: list[str], score_threshold: float) -> list[object]:
        at = text.index("Jane")
        return [SimpleNamespace(start=at, end=at + 4, entity_type=entities[0], score=score_threshold)]


def test_an_analyzer_of_one_s_own_serves():
    """With other recognisers or another language's model."""
    assert Scrubber(detectors=[presidio(analyzer=Analyzer())]).scrub(JANE) == "[PERSON] met John."


def test_an_entity_that_is_none_is_told():
    """With those that there are."""
    with pytest.raises(ConfigError, match="finds no PERSONS in 'en'; it knows LOCATION"):
        presidio(analyzer=Analyzer(), entities=["PERSONS"])


def test_presidio_that_is_not_there_is_told():
    """With the line that installs it, or its model; nothing is downloaded."""
    with pytest.raises((MissingExtra, ConfigError), match=r'pip install "botanu\[pii-nlp\]"|python -m spacy download'):
        presidio()


def test_presidio_itself_finds_what_its_recognisers_know():
    """The real one, on a pipeline without a model; runs where the extra is installed."""
    analyzer_module = pytest.importorskip("presidio_analyzer", reason='wants pip install "botanu[pii-nlp]"')
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    spacy = pytest.importorskip("spacy")

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

    title = analyzer_module.PatternRecognizer(supported_entity="TITLE", deny_list=["Dr.", "Prof."])
    registry = analyzer_module.RecognizerRegistry(recognizers=[title])
    analyzer = analyzer_module.AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    scrubber = Scrubber(detectors=[presidio(analyzer=analyzer, entities=["TITLE"])])
    assert scrubber.scrub("ask Dr. Who, who@example.com") == "ask [TITLE] Who, [EMAIL]"
