"""Signed runs: made and checked with a shared key; whatever was done to one on the way, it is refused."""

import time
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botanu_core import log
from botanu_core.model.run import Run, new_run_id
from botanu_core.settings import Settings
from botanu_core.wire.baggage import MAX_OWN_BYTES, decode, encode
from botanu_core.wire.carrier import Inbound
from botanu_core.wire.signature import refusal, signature, written
from botanu_core.wire.trust import admit

KEY, OLD_KEY, OTHER_KEY = (text.encode() * 4 for text in ("new-key-", "old-key-", "their-ke"))
SIGNING = Settings(baggage_keys=(KEY,))
RUN = Run.new(environment="production", workflow="Customer Support", event_id="T-1", customer_id="acme & söhne")
FAR = "203.0.113.9"


def sent(members=None, key=KEY, at=0.0):
    """The header of a run that was signed `at` seconds from now."""
    members = dict(RUN.members() if members is None else members)
    members["botanu.sig"] = signature(members, key, int(time.time() + at))
    return encode(members)


def arrived(line, settings=SIGNING, **more):
    """What becomes of a header that a stranger's address has sent."""
    lines = [line] if isinstance(line, str) else line
    return admit(Inbound(lines, FAR, [("x-forwarded-for", FAR)]), settings, **more)


def test_a_signed_run_is_taken_from_anywhere():
    """Who holds the key is one of us, whatever the addresses on the way; the signature itself goes no further."""
    found = arrived(written({**RUN.members(), "botanu.desk": "north"}, (KEY,)))
    assert found == (RUN, {"botanu.desk": "north"}, None)


@pytest.mark.parametrize("mode", ["auto", "signed"])
def test_with_a_key_a_signature_is_needed(mode):
    """Also from a loopback peer: a key says that addresses are not enough."""
    near = Inbound([encode(RUN.members())], "127.0.0.1")
    assert admit(near, replace(SIGNING, trust_inbound=mode)).refused == "unsigned"
    assert admit(near, Settings(trust_inbound="signed")).refused == "unsigned"
    assert admit(Inbound([sent()], "127.0.0.1"), Settings(trust_inbound="signed")).refused == "unsigned"


def test_the_other_modes_do_not_ask_for_one():
    """`always` and `never` mean what they say; a service without the key goes by addresses and drops the signature."""
    assert arrived(encode(RUN.members()), replace(SIGNING, trust_inbound="always")).run == RUN
    assert arrived(sent(), replace(SIGNING, trust_inbound="never")).refused == "never"
    assert admit(Inbound([sent()], "127.0.0.1"), Settings()) == (RUN, {}, None)
    assert arrived(sent(), Settings()).refused == "stranger"
    assert arrived(sent(), SIGNING, trust="auto").run == RUN


# --- what is done to one on the way ------------------------------------------------------------------------------


def altered(line):
    """Every way to change a signed header by one member."""
    members = decode([line])
    for name, value in members.items():
        yield f"without {name}", {each: text for each, text in members.items() if each != name}
        yield f"{name} changed", {**members, name: value[:-1] + ("0" if value[-1] != "0" else "1")}
        yield f"{name} longer", {**members, name: value + "0"}
    yield "a customer's name moved over", {**members, "botanu.customer_id": "T-1", "botanu.event_id": "acme & söhne"}
    yield "a member more", {**members, "botanu.tenant_id": "eu"}
    yield "a member of the application's more", {**members, "botanu.desk": "north"}
    yield "an empty member more", {**members, "botanu.desk": ""}
    yield "another run", {**members, "botanu.run_id": new_run_id()}


@pytest.mark.parametrize(
    "members", [pytest.param(members, id=name) for name, members in altered(sent()) if name != "without botanu.sig"]
)
def test_what_was_altered_is_refused(members):
    """Nothing can be added, taken away, changed or swapped."""
    found = arrived(encode(members) if "" not in members.values() else encode(members) + ",botanu.desk=")
    assert (found.run, found.carried, found.refused) == (None, {}, "forged")
    assert "forged" in "".join(log.counted())


def test_two_members_cannot_run_into_each_other():
    """What ends one value and begins the next name is not to be had by writing it into a value."""
    whole = {"botanu.run_id": RUN.run_id, "botanu.a": "1,botanu.b=1:2", "botanu.b": "3"}
    torn = {"botanu.run_id": RUN.run_id, "botanu.a": "1", "botanu.b": "2,botanu.b=1:3"}
    assert signature(whole, KEY, 7) != signature(torn, KEY, 7)


@given(st.dictionaries(st.from_regex(r"botanu\.[a-c]{1,2}", fullmatch=True), st.text("ab,=:1", max_size=6), max_size=4))
def test_no_other_members_have_the_same_signature(members):
    """Only the same members have it, in whatever order."""
    base = {"botanu.a": "b", "botanu.b": "1:a"}
    assert (signature(members, KEY, 7) == signature(base, KEY, 7)) is (members == base)
    assert signature(dict(reversed(members.items())), KEY, 7) == signature(members, KEY, 7)


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda line: ",".join(reversed(line.split(","))),
        lambda line: line.split(","),
        lambda line: f"theirs=1 , {line.replace(',', ' , ')};ttl=5,more=2",
        lambda line: line.replace("%20", "+"),
        lambda line: ",".join(f"{k}={quote_plus(v)}" for k, v in decode([line]).items()),
        lambda line: ",".join(f"{k}={quote(v, safe=' &')}" for k, v in decode([line]).items()),
        lambda line: f"{line},{line}",
    ],
    ids=[
        "other order",
        "several lines",
        "blanks and properties",
        "plus for space",
        "OpenTelemetry's way",
        "lax",
        "twice",
    ],
)
def test_what_says_the_same_in_other_words_is_taken(rewritten):
    """Another vendor's propagator in between may order and encode as it likes."""
    assert arrived(rewritten(sent())).run == RUN


@pytest.mark.parametrize(
    "forged",
    [
        "", ".", "1", "x.y", "1.", f"1.{'A' * 43}", f"{'9' * 13}.{'A' * 43}", f"-1.{'A' * 43}", f"+1.{'A' * 43}",
        "١.AAAA", f"1e9.{'A' * 43}", f"0x1.{'A' * 43}", "é" * 50, "\x00", "²." + "A" * 43, "NOW.",
        f"NOW.{'A' * 44}", f"NOW.{'é' * 43}", "1" * 500 + ".A",
    ],
    ids=lambda text: repr(text)[:20],
)  # fmt: skip
def test_what_is_no_signature_is_refused(forged):
    """And raises nothing."""
    forged = forged.replace("NOW", str(int(time.time())))
    found = arrived(encode({**RUN.members(), "botanu.sig": forged}) + ("" if forged else ",botanu.sig="))
    assert (found.run, found.refused) == (None, "forged" if forged else "unsigned")


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_at_all_is_one(second, code):
    """Whatever stands there."""
    members = {**RUN.members(), "botanu.sig": f"{second}.{code}"}
    assert refusal(members, (KEY,), lifetime_s=1e12, skew_s=1e12) == "forged"


def test_a_signature_belongs_to_its_key():
    """One made with another key is forged; each of several keys is good, and the first signs."""
    assert arrived(sent(key=OTHER_KEY)).refused == "forged"
    rotating = replace(SIGNING, baggage_keys=(KEY, OLD_KEY))
    assert arrived(sent(key=OLD_KEY), rotating).run == arrived(sent(), rotating).run == RUN
    assert arrived(sent(key=OTHER_KEY), rotating).refused == "forged"
    line = written(RUN.members(), rotating.baggage_keys)
    assert arrived(line).run == RUN
    assert arrived(line, replace(SIGNING, baggage_keys=(OLD_KEY,))).refused == "forged"


@pytest.mark.parametrize("key", [b"k" * 32, b"k" * 64, b"k" * 65, b"k" * 200, bytes(range(256))])
def test_it_is_the_standard_hmac(key):
    """What RFC 2104 says, for keys of any length: another implementation of ours comes to the same."""
    import base64
    import hashlib
    import hmac

    told = b"botanu run 1\n7:botanu.a=1:x,botanu.b=2:yz,"
    code = base64.urlsafe_b64encode(hmac.digest(key, told, hashlib.sha256)).rstrip(b"=").decode()
    assert signature({"botanu.b": "yz", "botanu.a": "x"}, key, 7) == f"7.{code}"


# --- time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "refused"),
    [(0, None), (-299, None), (-320, None), (-340, "expired"), (25, None), (40, "expired"), (9e9, "expired")],
)
def test_a_signature_is_good_for_a_while(at, refused):
    """Five minutes, and half a minute for clocks that differ, either way."""
    assert arrived(sent(at=at)).refused == refused


def test_how_long_can_be_set():
    """Both by themselves; and a queue may say how long it keeps its messages."""
    strict = replace(SIGNING, signature_lifetime_s=10.0, clock_skew_s=0.0)
    assert [arrived(sent(at=at), strict).refused for at in (-9, -12, 5)] == [None, "expired", "expired"]
    assert arrived(sent(at=-86_000), SIGNING, lifetime_s=86_400).run == RUN


def test_the_time_is_signed():
    """An old signature does not become young by its number."""
    members = decode([sent(at=-4000)])
    second, _, code = members["botanu.sig"].partition(".")
    members["botanu.sig"] = f"{int(second) + 4000}.{code}"
    assert arrived(encode(members)).refused == "forged"


# --- room --------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]).filter(str.isprintable), min_size=1, max_size=256), max_size=6
    )
)
def test_what_did_not_fit_is_not_signed(texts):
    """Our members, the signature among them, stay under their limit, and what is written checks out."""
    names = ["botanu.workflow", "botanu.event_id", "botanu.customer_id", "botanu.tenant_id", "botanu.step", "botanu.x"]
    members = {"botanu.run_id": RUN.run_id, **dict(zip(names, texts, strict=False))}
    line = written(members, (KEY,))
    assert len(line) < MAX_OWN_BYTES
    found = arrived(line)
    assert found.refused is None
    assert found.run.run_id == RUN.run_id


def test_what_cannot_be_written_is_not_signed():
    """Half a surrogate pair costs itself, not the run."""
    assert arrived(written({**RUN.members(), "botanu.x": "\ud800", "botanu.a b": "1"}, (KEY,))).run == RUN
