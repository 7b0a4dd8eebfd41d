"""Forwarding headers as proxies write them: who sent a message, past how many proxies, and what is unreadable."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botanu_core.settings import Settings
from botanu_core.wire.carrier import Inbound, from_asgi, from_environ, from_mapping
from botanu_core.wire.trust import admit

LINE = "botanu.run_id=0190a000-0000-7000-8000-000000000001"
NEAR, FAR = "10.0.0.7", "203.0.113.9"


def is_taken(*headers, proxies=0, peer="10.0.0.1"):
    """Whether the run of a message with these forwarding headers is taken."""
    return admit(Inbound([LINE], peer, headers), Settings(trusted_proxies=proxies)).run is not None


def xff(*values):
    return [("x-forwarded-for", value) for value in values]


def forwarded(*values):
    return [("forwarded", value) for value in values]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=10.0.0.7", True),
        ("For=10.0.0.7;Proto=https", True),
        ('for="10.0.0.7:4711"', True),
        ("for=10.0.0.7:4711", True),
        ('for="[fd00::7]"', True),
        ('for="[fd00::7]:4711"', True),
        ('for="[fd00::7]:_port"', True),
        ('for="10.0.0.7";by="203.0.113.9"', True),
        ("proto=https; for=10.0.0.7 ; by=_us", True),
        ("for=10.0.0.7, for=10.0.0.8", True),
        ("for=10.0.0.7,for=10.0.0.8;proto=http,", True),
        ("proto=https", True),
        ('host="a, b; for=1.2.3.4";for=10.0.0.7', True),
        (r'for="10.0.0.\7"', True),
        (",,;;, for=10.0.0.7 ,", True),
        ("for=203.0.113.9", False),
        ("for=10.0.0.7, for=203.0.113.9", False),
        ("for=203.0.113.9, for=10.0.0.7", False),
        ('for="[2001:db8::1]:4711"', False),
        ('for="[::ffff:203.0.113.9]"', False),
        ("for=unknown", False),
        ("for=_gazonk", False),
        ('for="_hidden:_port"', False),
        ("for=", False),
        ('for=""', False),
        ("for", False),
        ('for="10.0.0.7', False),
        ('for=10.0.0.7"', False),
        ('for="10.0.0.7" x', False),
        ("for=10.0.0.7;for=10.0.0.8", False),
        ("for=10.0.0.7 for=203.0.113.9", False),
        ("10.0.0.7", False),
        ("for = 10.0.0.7", False),
        ('for="[10.0.0.7]]"', False),
        ('for="[fd00::7"', False),
        ("for=localhost", False),
        ("for=testclient", False),
        ("for=10.0.0.7\x00", False),
        ("for=１０.0.0.7", False),
    ],
    ids=repr,
)  # fmt: skip
def test_rfc_7239(value, expected):
    """Quoted and not, with port, IPv6 in brackets, several hops; what is hidden or broken is nobody of ours."""
    assert is_taken(*forwarded(value)) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["10.0.0.7"], True),
        (["10.0.0.7", "10.0.0.8, 192.168.1.1"], True),
        (["10.0.0.7", "203.0.113.9"], False),
        (["203.0.113.9", "10.0.0.7"], False),
        (["[fd00::7]:443, fd00::8"], True),
        (["10.0.0.7:443"], True),
        (["10.0.0.7:443:1"], False),
        (["testclient"], False),
        (["testserver"], False),
        (["_hidden"], False),
        ([", , "], True),
        (["10.0.0.1," * 65], False),
    ],
)
def test_x_forwarded_for(values, expected):
    """Several header lines are one list; names that only test clients have are not addresses."""
    assert is_taken(*xff(*values)) is expected


@pytest.mark.parametrize("name", ["x-real-ip", "x-envoy-external-address", "cf-connecting-ip", "true-client-ip"])
def test_headers_with_one_address(name):
    """Each of them says who the sender was, beside the lists and without them."""
    assert is_taken((name, NEAR))
    assert not is_taken((name, FAR))
    assert not is_taken(*xff(NEAR), (name, FAR))
    assert not is_taken((name, NEAR), *xff(FAR))


# --- with the number of proxies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "hops", "expected"),
    [
        (1, [NEAR], True),
        (1, [FAR], False),
        (1, [FAR, NEAR], True),  # the sender copied the header of its own caller along
        (1, [NEAR, FAR], False),  # a stranger's claim, and what our proxy says about it
        (2, [NEAR, FAR], True),  # FAR is our other proxy
        (2, [FAR, NEAR], False),
        (2, [FAR, NEAR, FAR], True),
        (2, [NEAR, FAR, NEAR], False),
        (2, [NEAR], True),  # from inside, past one proxy only
        (2, [FAR], False),
        (2, [], True),
        (3, [NEAR, FAR], False),
        (0, [NEAR, NEAR], True),
        (0, [FAR, NEAR], False),
    ],
)
def test_the_sender_stands_as_many_places_from_the_end_as_there_are_proxies(proxies, hops, expected):
    """What stands before is what the sender says; with fewer hops than proxies, all of them must be near."""
    assert is_taken(*xff(", ".join(hops)), proxies=proxies) is expected
    assert is_taken(*xff(*hops), proxies=proxies) is expected
    assert is_taken(*forwarded(", ".join(f"for={hop};proto=https" for hop in hops)), proxies=proxies) is expected


@pytest.mark.parametrize("proxies", [0, 1, 2, 9])
def test_the_peer_must_be_near_in_any_case(proxies):
    """Whoever reaches us past the proxies could write the header himself."""
    assert not is_taken(*xff(NEAR), proxies=proxies, peer=FAR)


@given(st.lists(st.sampled_from([NEAR, "fd00::1", "unknown", "8.8.8.8", "", "x"]), max_size=5), st.integers(1, 4))
def test_a_stranger_gets_in_by_nothing_that_he_writes(claims, proxies):
    """Our proxies add his address behind whatever he sends, and then their own."""
    ours = [FAR, *["10.0.0.2"] * (proxies - 1)]
    line = ", ".join([*claims, *ours])
    assert not is_taken(*xff(line), proxies=proxies)
    assert not is_taken(*xff(line))


# --- every reader ------------------------------------------------------------------------------------------------


def carriers(name, value):
    """The same message as ASGI, WSGI and a mapping have it."""
    headers = [(b"Baggage", LINE.encode()), (name.title().encode(), value.encode("latin-1"))]
    yield from_asgi({"type": "http", "headers": headers, "client": ("10.0.0.1", 1)})
    key = "HTTP_" + name.upper().replace("-", "_")
    yield from_environ({"REQUEST_METHOD": "GET", "REMOTE_ADDR": "10.0.0.1", "HTTP_BAGGAGE": LINE, key: value})
    yield from_mapping({"baggage": LINE, name.title(): value}, peer="10.0.0.1")


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-real-ip", "cf-connecting-ip"])
def test_every_reader_sees_the_header(name):
    """Whatever server the message came by."""
    prefix = "for=" if name == "forwarded" else ""
    for address, expected in ((NEAR, True), (FAR, False)):
        for message in carriers(name, prefix + address):
            assert (admit(message, Settings()).run is not None) is expected


# --- anything ----------------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from('for=10.0.0.7,;"\\[]:_ \tx8é'), max_size=40), max_size=3), st.integers(0, 3))
def test_no_header_raises(values, proxies):
    """Whatever stands in it."""
    is_taken(*forwarded(*values), proxies=proxies)
    is_taken(*xff(*values), proxies=proxies)


@given(st.ip_addresses(), st.sampled_from(["{}", '"{}"', '"{}:80"', '"[{}]"', '"[{}]:80"']))
def test_an_address_that_is_not_near_is_never_missed(address, shape):
    """However it is written, a readable public address is refused."""
    is_near = any(
        address in ipaddress.ip_network(near)
        for near in (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1",
            "fc00::/7",
        )
        if ipaddress.ip_network(near).version == address.version
    ) or (address.version == 6 and (address in ipaddress.ip_network("fe80::/10") or address.ipv4_mapped is not None))
    if not is_near:
        assert not is_taken(*forwarded(f"for={shape.format(address)}"))
        assert not is_taken(*xff(shape.format(address).strip('"')))


@pytest.mark.parametrize("value", ['for="' + "\\a" * 50_000, "for=1," * 20_000, "," * 100_000, 'x="' * 30_000], ids=len)
def test_a_huge_header_is_read_in_one_pass(value):
    """And refused, unless it says nothing at all."""
    assert is_taken(*forwarded(value)) is (value.strip(",") == "")
