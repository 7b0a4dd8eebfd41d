"""Which addresses are near, and which destinations are inside."""

import pytest

from botanu_core.wire.trust import is_inside, is_local

LOCAL = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.1.1", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fe80::1%25eth0", "febf::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1", "0:0:0:0:0:0:0:1", "FD00::1", "FE80::1",
]  # fmt: skip

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "192.167.1.1", "192.169.1.1", "11.0.0.1", "126.0.0.1",
    "128.0.0.1", "0.0.0.0", "255.255.255.255", "100.64.0.1", "198.18.0.1", "192.0.2.1", "203.0.113.9", "224.0.0.1",
    "2001:db8::1", "2606:4700::1111", "::", "::ffff:8.8.8.8", "::ffff:808:808", "::8.8.8.8", "64:ff9b::7f00:1",
    "2002:7f00:1::", "fec0::1", "ff02::1", "fbff::1", "::ffff:0:127.0.0.1", "::2",
]  # fmt: skip

NO_ADDRESS = [
    "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "017700000001", "2130706433",
    "134744072", "010.8.8.8", "010.0.0.1", "127.0.0.01", "127.0.0.1.", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1\n",
    "127.0.0.1:80", "[::1]", "[::1]:80", "127.0.0.1/8", "127.0.0.256", "127.0.0", "127.0.0.1.1", "::1::", ":::1",
    "１２７.0.0.1", "127。0。0。1", "١٢٧.0.0.1", "127.0.0.1\x00", "127.0.0.1@8.8.8.8", "+127.0.0.1", "1e1.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", LOCAL)
def test_loopback_private_and_link_local_are_local(address):
    """IPv4, IPv6, mapped, with a zone: what no router hands on."""
    assert is_local(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_all_else_is_not(address):
    """Public addresses, and ranges that are nobody's network, are not local; nor is 0.0.0.0, which names no peer."""
    assert not is_local(address)


@pytest.mark.parametrize("text", [*NO_ADDRESS, "localhost", "db", "example.com", "unknown", "_hidden", "-"])
def test_what_is_no_address_is_not_local(text):
    """Shorthands that some clients take for loopback, and names, are nobody's address."""
    assert not is_local(text)


@pytest.mark.parametrize("text", ["", "testclient", "testserver"])
def test_what_stands_where_no_address_is(text):
    """What test clients and unix sockets put in its place counts as local."""
    assert is_local(text)


# --- destinations ------------------------------------------------------------------------------------------------

INSIDE = [
    *LOCAL, "[::1]", "[fd00::1]", "localhost", "LOCALHOST", "localhost.", "db", "db.", "my-service", "my_service",
    "a1", "research", "api.internal", "API.Internal.", "printer.local", "web.svc", "web.default.svc",
    "web.default.svc.cluster.local", "web.default.svc.cluster.local.", "x.localhost", "xn--mnchen-3ya", " db ",
]  # fmt: skip

OUTSIDE = [
    *PUBLIC, "8.8.8.8.", "[2001:db8::1]", "example.com", "api.openai.com", "api.anthropic.com",
    "localhost.example.com", "db.example.com", "127.0.0.1.example.com", "10.0.0.1.nip.io", "internal.example.com",
    "evilinternal.com", "xlocal.com", "svc.com", "foo.internal.com", "cluster.local.example.com",
    "", ".", "..", " ", "[]", "127.1", "0x7f.1", "0x7f000001", "0x7f.0x0.0x0.0x1", "0X7F000001", "0177.0.0.1",
    "017700000001", "2130706433", "134744072", "3232235777", "010.8.8.8", "010.0.0.1", "127.0.0.01", "0", "1",
    "127.0.0.1:80", "localhost:80", "134744072:80", "evil.com@localhost", "localhost@evil.com", "user:pw@db",
    "evil.com\\@localhost", "evil.com/localhost", "evil.com#.internal", "evil.com/.internal", "evil.com?.local",
    "example。com", "example．com", "example｡com", "８．８．８．８", "evil。internal", "db\x00", "db\r\n.internal\r\nx",
    "a b", "*.internal\n", "顧客", "٣", "http://db", "%64%62",
]  # fmt: skip


@pytest.mark.parametrize("host", INSIDE, ids=repr)
def test_destinations_inside(host):
    """Local addresses, single labels, and the names that clusters and offices use among themselves."""
    assert is_inside(host)


@pytest.mark.parametrize("host", OUTSIDE, ids=repr)
def test_destinations_outside(host):
    """Everybody else, and whatever only looks like one of us: numbers that are addresses, dots that are not ASCII."""
    assert not is_inside(host)


@pytest.mark.parametrize(
    ("host", "pattern", "expected"),
    [
        ("api.example.com", "*.example.com", True),
        ("API.EXAMPLE.COM", "*.example.com", True),
        ("api.example.com.", "*.example.com", True),
        ("api.example.com", "*.Example.COM", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("example.com", "example.com", True),
        ("xexample.com", "example.com", False),
        ("example.com.evil.org", "*.example.com", False),
        ("evil-example.com", "*.example.com", False),
        ("evil.org/.example.com", "*.example.com", False),
        ("evil.org#.example.com", "*.example.com", False),
        ("evil。org.example.com", "*.example.com", False),
        ("203.0.113.9", "203.0.113.0/24", True),
        ("203.0.114.9", "203.0.113.0/24", False),
        ("203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.*", False),
        ("[2001:db8::7]", "2001:db8::/32", True),
        ("2001:db9::7", "2001:db8::/32", False),
        ("203.0.113.9", "2001:db8::/32", False),
        ("8.8.8.8", "*.example.com", False),
        ("api.example.com", "10.0.0.0/8", False),
        ("example.com", "not a pattern[", False),
    ],
)
def test_patterns_of_the_users_own(host, pattern, expected):
    """Names with a star, exact names and networks are added to what is inside; one that matches is enough."""
    assert is_inside(host, (pattern,)) is expected
    assert is_inside(host, ("*.elsewhere.test", pattern, "192.0.2.0/24")) is expected


def test_patterns_take_nothing_away():
    """Patterns add: what is inside without them stays so."""
    assert is_inside("db", ("*.example.com",))
    assert is_inside("10.0.0.1", ("203.0.113.0/24",))
