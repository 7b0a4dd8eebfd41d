"""Who may hand us a run (contract, section 4): mode, peer and forwarding headers decide; the rest is checked."""

import pytest

from botanu_core import log
from botanu_core.settings import Settings
from botanu_core.wire import trust
from botanu_core.wire.carrier import Inbound

RUN_ID = "0190a000-0000-7000-8000-000000000001"
LINE = f"botanu.run_id={RUN_ID},botanu.workflow=W,botanu.event_id=T-1,botanu.customer_id=acme"
AUTO = Settings()


def message(peer=None, *forwarded, line=LINE):
    """What a message says."""
    names = ("forwarded" if "for=" in value.lower() or "proto=" in value else "x-forwarded-for" for value in forwarded)
    return Inbound([line], peer, list(zip(names, forwarded, strict=False)))


def admit(*given):
    """The run that is taken, if one is."""
    return trust.admit(*given).run


NEAR = [
    None,
    "",
    "testclient",
    "127.0.0.1",
    "10.1.2.3",
    "192.168.1.1",
    "172.16.0.9",
    "::1",
    "fd00::7",
    "::ffff:10.0.0.1",
]
FAR = ["8.8.8.8", "203.0.113.9", "2001:db8::1", "0.0.0.0", "::ffff:8.8.8.8", "unix:", "proxy", "127.1", "2130706433"]


@pytest.mark.parametrize("peer", NEAR)
def test_auto_takes_a_run_from_near(peer):
    """Loopback, private and link-local peers, and those without an address, may hand us a run."""
    run = admit(message(peer), AUTO)
    assert run is not None
    assert (run.run_id, run.workflow, run.event_id, run.customer_id) == (RUN_ID, "W", "T-1", "acme")


@pytest.mark.parametrize("peer", FAR)
def test_auto_refuses_a_run_from_afar(peer):
    """A peer with a public address, or with none that we can read, may not."""
    assert admit(message(peer), AUTO) is None


NEAR_HEADERS = [
    (),
    ("",),
    ("10.0.0.1",),
    ("10.0.0.1, 192.168.0.9",),
    ("10.0.0.1:8080",),
    ("[fd00::1]:8080",),
    ("fd00::1",),
    ("127.0.0.1,,  10.0.0.1 ,",),
    ("for=10.0.0.1",),
    ("for=10.0.0.1;proto=https;by=203.0.113.5;host=example.com",),
    ('For="[fd00::1]:4711";Proto=http',),
    ('for="10.0.0.1:80", for=127.0.0.1',),
    ("proto=https;by=8.8.8.8",),
    ("10.0.0.1", "for=10.0.0.2", "10.0.0.3"),
    ("::ffff:10.0.0.1",),
]
FAR_HEADERS = [
    ("8.8.8.8",),
    ("8.8.8.8, 10.0.0.1",),
    ("10.0.0.1, 8.8.8.8",),
    ("10.0.0.1,8.8.8.8,10.0.0.2",),
    ("8.8.8.8:443",),
    ("2001:db8::1",),
    ("[2001:db8::1]:443",),
    ("::ffff:8.8.8.8",),
    ("for=8.8.8.8",),
    ("FOR=8.8.8.8;proto=https",),
    ("proto=https;for=8.8.8.8",),
    ('for="[2001:db8::1]:4711"',),
    ("for=10.0.0.1, for=8.8.8.8",),
    ("10.0.0.1", "for=8.8.8.8"),
    ("10.0.0.1", "for=10.0.0.2", "8.8.8.8"),
    ("unknown",),
    ("for=unknown",),
    ("for=_hidden",),
    ("2130706433",),
    ("0x7f.1",),
    ("010.0.0.1",),
    ("localhost",),
    ("10.0.0.1 8.8.8.8",),
    ("10.0.0.1\t8.8.8.8",),
    ('for="8.8.8.8',),
    ("8.8.8.8;10.0.0.1",),
    ("10.0.0.1;8.8.8.8",),
    ("x" * 10_000,),
    ("\xff",),
]


@pytest.mark.parametrize("forwarded", NEAR_HEADERS, ids=repr)
@pytest.mark.parametrize("peer", ["127.0.0.1", None])
def test_auto_behind_a_proxy_of_ones_own(peer, forwarded):
    """A near proxy that names only near addresses handed on a message from inside."""
    assert admit(message(peer, *forwarded), AUTO) is not None


@pytest.mark.parametrize("forwarded", FAR_HEADERS, ids=lambda headers: repr(headers)[:50])
@pytest.mark.parametrize("peer", ["127.0.0.1", None])
def test_auto_behind_a_proxy_for_strangers(peer, forwarded):
    """A near proxy that names a public address, anywhere, or one we cannot read, handed on a stranger's message."""
    assert admit(message(peer, *forwarded), AUTO) is None


@pytest.mark.parametrize("forwarded", NEAR_HEADERS, ids=repr)
def test_headers_do_not_make_a_stranger_near(forwarded):
    """What a far peer says about itself does not matter."""
    assert admit(message("8.8.8.8", *forwarded), AUTO) is None


@pytest.mark.parametrize("peer", [*NEAR, *FAR])
@pytest.mark.parametrize("forwarded", [(), ("8.8.8.8",)])
def test_always_and_never(peer, forwarded):
    """`always` takes a run from anybody, `never` and `signed` (without a key) from nobody, whatever the setting was."""
    assert admit(message(peer, *forwarded), Settings(trust_inbound="always")) is not None
    assert admit(message(peer, *forwarded), Settings(trust_inbound="never")) is None
    assert admit(message(peer, *forwarded), Settings(trust_inbound="signed")) is None
    assert admit(message(peer, *forwarded), AUTO, "always") is not None
    assert admit(message(peer, *forwarded), Settings(trust_inbound="always"), "never") is None


MALFORMED = [
    "botanu.run_id=",
    "botanu.run_id",
    "botanu.run_id=r1",
    f"botanu.run_id={RUN_ID.upper().replace('0190A', '0190B')}",
    f"botanu.run_id={RUN_ID}x",
    f"botanu.run_id={RUN_ID[:-1]}",
    "botanu.workflow=W",
    f"botanu.run_id={RUN_ID},botanu.run_id=0190a000-0000-7000-8000-000000000002",
    f"botanu.run_id={RUN_ID},botanu.event_id=",
    f"botanu.run_id={RUN_ID},botanu.event_id={'x' * 257}",
    f"botanu.run_id={RUN_ID},botanu.event_id={'x' * 20_000}",
    f"botanu.run_id={RUN_ID},botanu.event_id=a%0D%0ASet-Cookie:%20a",
    f"botanu.run_id={RUN_ID},botanu.event_id=a\r\nSet-Cookie: a",
    f"botanu.run_id={RUN_ID},botanu.event_id=a%00",
    f"botanu.run_id={RUN_ID},botanu.event_id=a\x00",
    f"botanu.run_id={RUN_ID},botanu.workflow=%E2%80%AE",
    f"botanu.run_id={RUN_ID},botanu.workflow=%EF%BB%BFx",
    f"botanu.run_id={RUN_ID},botanu.workflow=%FF",
    f"botanu.run_id={RUN_ID},botanu.customer_id=Müller",
    f"botanu.run_id={RUN_ID},botanu.parent_run_id=none",
    f"botanu.run_id={RUN_ID},botanu.root_run_id=1",
    f"botanu.run_id={RUN_ID},botanu.retry_of_run_id={RUN_ID.replace('a', 'A')}",
    f"botanu.run_id={RUN_ID}," + ",".join(f"k{number}=v" for number in range(200)),
]


@pytest.mark.parametrize("line", MALFORMED, ids=lambda line: repr(line)[:60])
def test_what_is_malformed_is_dropped_whole(line, warnings_said):
    """Half a run would be booked on the wrong customer: nothing of it is taken, it is said once, and not quoted."""
    for _ in range(3):
        assert admit(message("127.0.0.1", line=line), Settings(trust_inbound="always")) is None
    (said,) = warnings_said()
    assert "malformed" in said
    assert not any(part in said for part in ("Set-Cookie", "Müller", "0190", "xxx"))


def test_what_is_refused_is_counted(warnings_said):
    """Each refusal is counted, by its reason, and the first is logged without what it held."""
    for _ in range(5):
        admit(message("8.8.8.8"), AUTO)
    admit(message("127.0.0.1"), Settings(trust_inbound="never"))
    assert log.counted() == {"inbound.stranger": 5, "inbound.never": 1}
    assert len(warnings_said()) == 2
    assert not any("acme" in said or RUN_ID in said for said in warnings_said())


@pytest.mark.parametrize("line", ["", "theirs=1", "theirs=1;botanu", "bota.run_id=x", "Botanu.run_id=x"])
def test_a_message_without_a_run_is_no_refusal(line, warnings_said):
    """Strangers' own baggage is nothing to talk about, from wherever it comes."""
    assert admit(message("8.8.8.8", line=line), AUTO) is None
    assert admit(Inbound(), AUTO) is None
    assert warnings_said() == []
    assert log.counted() == {}


def test_the_environment_of_the_message_or_ours():
    """A run says its environment; where it does not, ours holds."""
    settings = Settings(environment="test")
    assert admit(message(line=LINE), settings).environment == "test"
    assert admit(message(line=f"{LINE},botanu.environment=staging"), settings).environment == "staging"


def test_members_of_the_applications_own():
    """What the application has set under our prefix comes along with an admitted run, checked as the run is."""
    line = f"{LINE},botanu.custom=a%20b,theirs=1,botanu.bad=a%0Ab,botanu.long={'x' * 300},botanu.empty="
    found = trust.admit(message(line=line), AUTO)
    assert found.run.run_id == RUN_ID
    assert found.carried == {"botanu.custom": "a b"}
    assert trust.admit(message("8.8.8.8", line=line), AUTO) == (None, {}, "stranger")
    assert trust.admit(message(), AUTO).carried == {}


def test_a_message_that_says_the_same_again_is_judged_anew():
    """By whoever brings it and by the settings of that moment; what stands there is understood once."""
    for _ in range(2):
        assert admit(message("127.0.0.1"), AUTO).run_id == RUN_ID
        assert admit(message("8.8.8.8"), AUTO) is None
        assert admit(message("127.0.0.1"), Settings(trust_inbound="never")) is None
        assert admit(message("127.0.0.1"), Settings(environment="test")).environment == "test"
        assert admit(message("127.0.0.1"), Settings(environment="staging")).environment == "staging"
