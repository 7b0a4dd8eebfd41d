"""How much is found, and how much is found wrongly, in a corpus of sentences, JSON, logs and code."""

from collections import Counter

import pytest

from benchmarks import corpus
from botanu_core.privacy import Scrubber


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber()


def test_the_corpus_is_large_enough():
    """And its rows hold the secrets that they name."""
    positives = corpus.positives()
    assert len(positives) >= 1000
    assert len(corpus.negatives()) >= 1000
    assert all(row.secrets and not row.is_found(row.text) for row in positives)


def test_nearly_all_secrets_are_found(scrubber):
    """At least 98 of 100."""
    positives = corpus.positives()
    missed = [row for row in positives if not row.is_found(scrubber.scrub(row.text))]
    assert len(missed) <= 0.02 * len(positives), Counter(row.kind for row in missed)


@pytest.mark.parametrize("kind", sorted({row.kind for row in corpus.positives()}))
def test_no_kind_falls_behind(scrubber, kind):
    """The whole would hide that a rare kind is not found at all."""
    rows = [row for row in corpus.positives() if row.kind == kind]
    missed = [row.text for row in rows if not row.is_found(scrubber.scrub(row.text))]
    assert len(missed) <= 0.07 * len(rows), missed


def test_hardly_anything_is_found_wrongly(scrubber):
    """At most 1 of 100 texts without a secret is changed."""
    negatives = corpus.negatives()
    changed = [row.text for row in negatives if scrubber.scrub(row.text) != row.text]
    assert len(changed) <= 0.01 * len(negatives), changed
