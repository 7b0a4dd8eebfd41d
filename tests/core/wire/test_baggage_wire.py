"""A run as baggage members: written, read back, within its limits."""

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botanu_core.model.run import Run, new_run_id
from botanu_core.wire.baggage import MAX_HEADER_BYTES, MAX_MEMBERS, MAX_OWN_BYTES, Malformed, decode, encode, is_token

RUN_ID = "0190a000-0000-7000-8000-000000000001"
anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
printable = st.text(st.characters(exclude_categories=["Cs"]).filter(str.isprintable), min_size=1, max_size=40)


@given(anything)
def test_any_text_survives(text):
    """Whatever a value holds, unicode, separators and control characters included, it is read as it was written."""
    assert decode([encode({"botanu.x": text})]) == {"botanu.x": text}


@given(anything)
def test_what_is_written_is_a_header(text):
    """What is written is printable ASCII without a space, comma or semicolon of its own."""
    written = encode({"botanu.x": text})
    assert written.isascii()
    assert written.isprintable()
    assert not set(written.removeprefix("botanu.x=")) & set(' ,;"\\=')


@given(st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=10), anything, max_size=4))
def test_several_members_survive(members):
    """Members do not run into each other, in one line or in several."""
    named = {f"botanu.{name}": text for name, text in members.items()}
    written = encode(named)
    if len(written.split(",")) == len(named):
        assert decode([written] if written else []) == named
        assert decode(written.split(",")) == named


@given(
    printable, printable, printable, printable,
    st.integers(2, 999_999), st.booleans(), st.none() | st.floats(1, 1e10, allow_nan=False),
)  # fmt: skip
def test_a_run_survives(workflow, event_id, customer_id, step, attempt, cancelled, deadline):
    """A run read off the wire is the run that was written, as far as it fits."""
    run = Run(
        run_id=new_run_id(),
        workflow=workflow,
        environment="production",
        event_id=event_id,
        customer_id=customer_id,
        root_run_id=new_run_id(),
        parent_run_id=new_run_id(),
        attempt=attempt,
        retry_of_run_id=new_run_id(),
        cancelled=cancelled,
        deadline=round(deadline, 3) if deadline is not None else None,
        step=step,
    )
    members = decode([encode(run.members())])
    read = Run.from_members(members, environment="production")
    assert read is not None
    assert read.members().items() <= run.members().items()
    if len(members) == len(run.members()):
        assert read == run


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Customer Support", "Customer%20Support"),
        ("a+b", "a%2Bb"),
        ("50%", "50%25"),
        ("a,b;c=d", "a%2Cb%3Bc%3Dd"),
        ('"quoted"', "%22quoted%22"),
        ("back\\slash", "back%5Cslash"),
        ("Müller", "M%C3%BCller"),
        ("顧客", "%E9%A1%A7%E5%AE%A2"),
        ("🙂", "%F0%9F%99%82"),
        ("plain-._~:7", "plain-._~:7"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("x\r\ny", "x%0D%0Ay"),
    ],
)
def test_how_values_are_written(text, written):
    """Percent-encoded UTF-8; a space is `%20` and not `+`, which others may not read."""
    assert encode({"botanu.x": text}) == f"botanu.x={written}"


@pytest.mark.parametrize("written", ["Customer%20Support", "Customer+Support", "Customer%20Supp%6Frt"])
def test_what_others_write_is_read(written):
    """OpenTelemetry writes a space as `+`; needless encoding and upper or lower hex are all the same."""
    assert decode([f"botanu.workflow={written}"]) == {"botanu.workflow": "Customer Support"}


# --- limits ------------------------------------------------------------------------------------------------------


def test_ours_stay_under_their_limit(warnings_said):
    """Our members together stay under 1,024 bytes; the least needed are left out, the id never, and it is said once."""
    run = Run(
        run_id=RUN_ID, workflow="w" * 256, event_id="e" * 256, customer_id="c" * 256, tenant_id="t" * 256,
        environment="production", root_run_id=new_run_id(), parent_run_id=new_run_id(), step="s" * 256,
    )  # fmt: skip
    for _ in range(3):
        written = encode(run.members())
        assert len(written) < MAX_OWN_BYTES
    read = decode([written])
    assert read["botanu.run_id"] == RUN_ID
    assert {"botanu.workflow", "botanu.event_id", "botanu.customer_id", "botanu.environment"} <= read.keys()
    assert not {"botanu.tenant_id", "botanu.step"} & read.keys()
    assert len(warnings_said()) == 1


@given(st.lists(st.text(max_size=400), max_size=8))
def test_the_limit_holds_for_any_values(texts):
    """However long the values, what is written is under the limit, and what is left is whole."""
    members = {"botanu.run_id": RUN_ID, **{f"botanu.k{number}": text for number, text in enumerate(texts)}}
    members = {key: text for key, text in members.items() if not any("\ud800" <= c <= "\udfff" for c in text)}
    written = encode(members)
    assert len(written) < MAX_OWN_BYTES
    assert decode([written]).items() <= members.items()
    assert decode([written])["botanu.run_id"] == RUN_ID


def test_text_that_takes_more_bytes_than_characters():
    """256 characters may be 3 KB on the wire: the value is left out, the run is not."""
    written = encode({"botanu.run_id": RUN_ID, "botanu.workflow": "🙂" * 256, "botanu.event_id": "T-1"})
    assert decode([written]) == {"botanu.run_id": RUN_ID, "botanu.event_id": "T-1"}


def header_of(length):
    """A header with our run and others' members, `length` bytes long."""
    ours = f"botanu.run_id={RUN_ID}"
    return f"{ours},x={'y' * (length - len(ours) - 3)}"


def test_eight_kilobytes():
    """A header of 8,192 bytes is read; one of a byte more is not, in one line or in several."""
    assert decode([header_of(MAX_HEADER_BYTES)]) == {"botanu.run_id": RUN_ID}
    for lines in ([header_of(MAX_HEADER_BYTES + 1)], [header_of(8000), "z=" + "z" * 200], [header_of(20_000)]):
        with pytest.raises(Malformed):
            decode(lines)


def test_a_hundred_and_eighty_members():
    """180 members are read, ours anywhere among them; one more is too many."""
    others = [f"k{number}=v" for number in range(MAX_MEMBERS - 1)]
    ours = f"botanu.run_id={RUN_ID}"
    for line in (",".join([ours, *others]), ",".join([*others, ours])):
        assert decode([line]) == {"botanu.run_id": RUN_ID}
        with pytest.raises(Malformed):
            decode([line, "one=more"])


def test_others_may_be_as_large_as_they_like():
    """A header that has nothing of ours is none of our business."""
    assert decode(["x=" + "y" * 100_000]) == {}
    assert decode([",".join(f"k{number}=v" for number in range(1000))]) == {}
    assert decode([]) == decode([""]) == decode([",,,", " ; "]) == {}


# --- the shape of headers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ["botanu.run_id=r,botanu.workflow=w"],
        ["botanu.run_id=r", "botanu.workflow=w"],
        ["theirs=1,botanu.run_id=r", "botanu.workflow=w,theirs=2"],
        [" botanu.run_id = r ,\tbotanu.workflow\t=\tw "],
        ["botanu.run_id=r;ttl=5;secret, botanu.workflow=w;a=b=c"],
        ["botanu.run_id=r ; p , botanu.workflow=w ;"],
        [",,botanu.run_id=r,,,botanu.workflow=w,"],
        ["botanu.run_id=r,botanu.workflow=w,botanu.run_id=r"],
        ["botanu.run_id=%72,botanu.workflow=w,broken,=x,a==b"],
    ],
)
def test_one_header_many_ways(lines):
    """Several lines are one, blanks and properties are cut off, others' members and mistakes are skipped."""
    assert decode(lines) == {"botanu.run_id": "r", "botanu.workflow": "w"}


@pytest.mark.parametrize(
    "lines",
    [
        ["botanu.run_id=r,botanu.run_id=s"],
        ["botanu.run_id=r", "botanu.run_id=s"],
        ["botanu.workflow=a;p,botanu.workflow=b;p"],
        ["botanu.run_id=r,botanu.run_id"],
        ["botanu.workflow=%FF"],
        ["botanu.workflow=%C3%28"],
        ["botanu.workflow=%ED%A0%80"],
        ["botanu.workflow=Müller"],
        ["botanu.workflow=\xff"],
    ],
    ids=repr,
)
def test_what_is_malformed(lines):
    """A member said twice and differently, bytes that are no UTF-8, raw non-ASCII: nothing of it is taken."""
    with pytest.raises(Malformed) as wrong:
        decode(lines)
    assert not any(part in str(wrong.value) for part in ("Müller", "%FF", "botanu.workflow"))


@pytest.mark.parametrize("text", ["\r\nSet-Cookie: a=b", "\x00", "\n", "\t", "\x7f", "x" * 20_000, "é" * 300])
def test_hostile_values_are_read_as_what_they_are_or_not_at_all(text):
    """Control characters and endless texts are never a run: `from_members` refuses what `decode` lets through."""
    for written in (text, quote(text)):
        try:
            members = decode([f"botanu.run_id={RUN_ID},botanu.event_id={written}"])
        except Malformed:
            continue
        run = Run.from_members(members, environment="x")
        assert run is None or run.event_id == text.strip()


@given(st.lists(st.text(max_size=300), max_size=5))
def test_no_header_raises_anything_else(lines):
    """Whatever arrives is read or malformed."""
    try:
        read = decode(lines)
    except Malformed:
        return
    assert all(key.startswith("botanu.") for key in read)


@given(st.binary(max_size=500))
def test_no_bytes_raise_anything_else(raw):
    """Nor do bytes, as servers hand them over."""
    try:
        decode(["botanu.run_id=" + raw.decode("latin-1")])
    except Malformed:
        pass


# --- what cannot be written --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["botanu.a b", "botanu.a,b=c", "botanu.ü", "botanu.a\r\nb", "botanu.;", "", "botanu.=", "botanu.\ud800"]
)
def test_names_that_are_no_token_are_left_out(key, warnings_said):
    """A name that would break the header is left out, alone, and said once."""
    assert encode({"botanu.run_id": RUN_ID, key: "x", "botanu.z": "1"}) == f"botanu.run_id={RUN_ID},botanu.z=1"
    assert encode({key: "x"}) == ""
    assert len(warnings_said()) == 1


def test_half_a_surrogate_pair_is_left_out(warnings_said):
    """A text that UTF-8 cannot write costs itself."""
    assert encode({"botanu.run_id": RUN_ID, "botanu.x": "\ud800"}) == f"botanu.run_id={RUN_ID}"
    assert len(warnings_said()) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("botanu.run_id", True), ("a", True), ("A-Z_0.9~!#$%&'*+^`|", True), ("", False), ("a b", False), ("a\n", False)]
    + [(f"a{mark}", False) for mark in '(),/:;<=>?@[\\]{}"\x00\x7fé'],
)
def test_tokens(name, expected):
    """RFC 9110's token."""
    assert is_token(name) is expected
