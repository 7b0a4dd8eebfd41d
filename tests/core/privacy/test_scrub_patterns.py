"""Each row of the table finds its examples and leaves its counterexamples, alone and with all others beside it."""

import json

import pytest

from botanu_core.privacy import PATTERNS, Pattern, Scrubber

GOOD = [(pattern, text) for pattern in PATTERNS for text in pattern.examples]
BAD = [(pattern, text) for pattern in PATTERNS for text in pattern.counterexamples]
OF_EACH = [(pattern, pattern.examples[0]) for pattern in PATTERNS]
EVERYTHING = Scrubber()


def ids(cases: list[tuple[Pattern, str]]) -> list[str]:
    return [f"{pattern.name}-{number}" for number, (pattern, _) in enumerate(cases)]


@pytest.mark.parametrize(("pattern", "text"), GOOD, ids=ids(GOOD))
def test_an_example_is_scrubbed(pattern, text):
    """What a row promises to find is gone from the text."""
    assert EVERYTHING.scrub(text) != text


@pytest.mark.parametrize(("pattern", "text"), BAD, ids=ids(BAD))
def test_a_counterexample_is_kept(pattern, text):
    """What a row promises to leave is left, by all others, too."""
    assert EVERYTHING.scrub(text) == text


@pytest.mark.parametrize(("pattern", "text"), GOOD, ids=ids(GOOD))
def test_a_row_finds_its_examples_without_the_others(pattern, text):
    """No row lives on the work of another."""
    others = {other.name for other in PATTERNS} - {pattern.name}
    assert Scrubber(disabled=others).scrub(text) != text


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_each_row_carries_examples_and_counterexamples(pattern):
    """A row without either says nothing about itself."""
    assert pattern.examples
    assert pattern.counterexamples


@pytest.mark.parametrize(("pattern", "text"), OF_EACH, ids=ids(OF_EACH))
def test_a_hit_in_the_middle_of_a_sentence_is_found(pattern, text):
    """Words around do not hide what is between them."""
    assert EVERYTHING.scrub(f"Before this, {text} and after.") != f"Before this, {text} and after."


@pytest.mark.parametrize(
    "secret",
    [
        "jane@example.com",
        "+442079460958",
        "415-555-0123",
        "4111111111111111",
        "123-45-6789",
        "DE89370400440532013000",
        "203.0.113.7",
        "2001:db8::1",
        "sk-" + "proj-" + "aB3dE5gH7jK9mN1pQ3sT5",
        "password=hunter2",
        "Bearer aB3dE5gH7jK9",
        "postgres://u:hunter2@db/x",
    ],
)
@pytest.mark.parametrize("escape", ["\n", "\t", "\r\n"])
def test_a_value_behind_an_escape_is_found(secret, escape):
    """In text that somebody made JSON of, `\\n` ends in a letter; what follows is found, and the escape stays."""
    text = json.dumps({"text": f"see{escape}{secret}"})
    scrubbed = EVERYTHING.scrub(text)
    assert secret not in scrubbed
    assert json.loads(scrubbed)["text"].startswith(f"see{escape}")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("4111 1111 1111 1111 12/27", "12/27"),
        ("4111111111111111 12/27 123", "12/27"),
        ("postgresql://app:hunter2@db.internal:5432/app", "@db.internal:5432/app"),
        ('{"password": "hunter2", "user": "jane"}', '"user": "jane"'),
        ("?token=aB3dE5gH&page=2", "&page=2"),
        ("Cookie: sid=aB3d; theme=dark\nHost: example.com", "Host: example.com"),
        ("DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX", "BIC COBADEFFXXX"),
        ("Authorization: Bearer aB3dE5gH7jK9 was refused", "was refused"),
    ],
)
def test_what_stands_beside_a_hit_stays(text, kept):
    """Only the value goes."""
    assert EVERYTHING.scrub(text) != text
    assert kept in EVERYTHING.scrub(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password: 4111 1111 1111 1111", "1111"),
        ("secret=DE89 3704 0044 0532 0130 00", "0532"),
        ("<password hint='jane@example.com'>s3same</password>", "jane@example.com"),
        ("the password for jane@example.com is hunter2", "jane@example.com"),
        ("private_key: -----BEGIN " + "PRIVATE KEY-----\nTWFuIGlzIGRpc3Rpbmd1aXNoZWQ=\n", "TWFuIGlz"),
        ("４１１１１１１１１１１１１１１１", "１１１１"),
        ("٠٦ ١٢ ٣٤ ٥٦ ٧٨", "٣٤"),
        ("4111\u00a01111\u00a01111\u00a01111", "1111"),
        ("4111‑1111‑1111‑1111", "1111"),
    ],
)
def test_no_part_of_a_secret_is_left(text, secret):
    """Neither when one secret stands inside another, nor when it is written in other signs."""
    assert secret not in EVERYTHING.scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "Order 1002345678",
        "1700000000000",
        "1718035200123456",
        "175928847299117063",
        "1745123456789012345",
        "550e8400-e29b-41d4-a716-446655440000",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "$1,234.56 or 1.234.567,89 €",
        "ISBN 978-3-16-148410-0",
        "1.2.3.4",
        "Mozilla/5.0 Chrome/120.0.0.0",
        "max_tokens=4096",
    ],
)
def test_numbers_of_things_are_kept(text):
    """Orders, times, ids, hashes, prices, books and versions are nobody's."""
    assert EVERYTHING.scrub(text) == text
