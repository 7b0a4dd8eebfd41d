"""What a message says about a run, whatever carries its headers."""

import pytest

from botanu_core.wire.carrier import Inbound, from_asgi, from_environ, from_mapping, inbound

LINE = "botanu.run_id=0190a000-0000-7000-8000-000000000001"
NOTHING = Inbound()


def asgi(*headers, client=("10.0.0.1", 1234)):
    """A scope with these headers."""
    return {
        "type": "http",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": client,
    }


@pytest.mark.parametrize("name", ["baggage", "Baggage", "BAGGAGE", "bAgGaGe"])
def test_header_case_does_not_matter(name):
    """A run is found whatever the case of the carrier's header."""
    assert from_asgi(asgi((name, LINE))).lines == [LINE]
    assert from_mapping({name: LINE}).lines == [LINE]


def test_several_lines_stay_in_order():
    """Repeated headers are all read."""
    assert from_asgi(asgi(("baggage", "a=1"), ("x", "y"), ("Baggage", LINE))).lines == ["a=1", LINE]
    assert from_mapping({"baggage": ["a=1", LINE]}).lines == ["a=1", LINE]
    assert from_mapping({"baggage": ("a=1",), "Baggage": LINE}).lines == ["a=1", LINE]


@pytest.mark.parametrize(
    "headers", [[("baggage", "theirs=1"), ("x-botanu-run", LINE)], [("X-Botanu-Run", LINE), ("baggage", "t=1")]]
)
def test_the_header_of_our_own_is_read_instead(headers):
    """Where the other header left no room, ours has the run, and the other's length is none of our business."""
    assert from_asgi(asgi(*headers)).lines == [LINE]
    assert from_mapping(dict(headers)).lines == [LINE]
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers}
    assert list(from_environ(environ).lines) == [LINE]


FORWARDED = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.8", "x-real-ip": "203.0.113.7"}


def test_who_sent_it():
    """The peer and the forwarding headers come along."""
    expected = Inbound([LINE], "10.0.0.1", [*FORWARDED.items()])
    scope = asgi(
        ("baggage", LINE),
        ("X-Forwarded-For", "203.0.113.9"),
        ("forwarded", "for=203.0.113.8"),
        ("X-REAL-IP", "203.0.113.7"),
    )
    assert from_asgi(scope) == expected
    environ = {
        "REQUEST_METHOD": "GET", "REMOTE_ADDR": "10.0.0.1", "HTTP_BAGGAGE": LINE, "HTTP_X_FORWARDED_FOR": "203.0.113.9",
        "HTTP_FORWARDED": "for=203.0.113.8", "HTTP_X_REAL_IP": "203.0.113.7",
    }  # fmt: skip
    found = from_environ(environ)
    assert (list(found.lines), found.peer, dict(found.forwarded)) == ([LINE], expected.peer, FORWARDED)
    headers = {
        "baggage": LINE,
        "x-forwarded-for": "203.0.113.9",
        "forwarded": "for=203.0.113.8",
        "x-real-ip": "203.0.113.7",
    }
    assert from_mapping(headers, peer="10.0.0.1") == expected


@pytest.mark.parametrize("client", [None, (), ["10.0.0.1", 1]], ids=["none", "empty", "list"])
def test_peers_of_every_shape(client):
    """A unix socket has no address; servers give tuples or lists."""
    assert from_asgi(asgi(("baggage", LINE), client=client)).peer == ("10.0.0.1" if client else None)


def test_nothing_is_nothing():
    """Without a line of a run there is nothing to say, whoever sent it."""
    assert from_asgi(asgi(("x-forwarded-for", "203.0.113.9"))) == NOTHING
    assert from_asgi({"type": "http"}) == from_asgi({"type": "http", "headers": []}) == NOTHING
    assert from_environ({"REMOTE_ADDR": "10.0.0.1"}) == from_environ({"HTTP_BAGGAGE": ""}) == NOTHING
    assert from_mapping({}) == from_mapping({"traceparent": "00-1-2-01"}) == NOTHING


def test_bytes_that_are_no_utf8():
    """Header bytes are read as latin-1, as HTTP has it, and never raise."""
    scope = {"type": "http", "headers": [(b"\xff\xfe", b"\xff"), (b"baggage", b"\xff\xfebotanu.")]}
    assert from_asgi(scope).lines == ["\xff\xfebotanu."]


@pytest.mark.parametrize("value", [None, 5, b"botanu.run_id=r", [5, None], {}, object()])
def test_mappings_of_other_things(value):
    """Values that are no text are not read; names that are none are skipped."""
    assert from_mapping({"baggage": value, 5: "x", None: "y", b"baggage": "z"}) == NOTHING


def test_the_kind_of_carrier_is_seen():
    """An instrumentation hands over a scope, an environ or headers: each is read as what it is."""
    assert inbound(asgi(("baggage", LINE))).peer == "10.0.0.1"
    assert inbound({"REQUEST_METHOD": "GET", "HTTP_BAGGAGE": LINE, "REMOTE_ADDR": "10.0.0.2"}).peer == "10.0.0.2"
    assert inbound({"Baggage": LINE}) == Inbound([LINE], None, [])
    for strange in (None, 5, "baggage", [("baggage", LINE)], object()):
        assert inbound(strange) == NOTHING
