"""Headers that nobody should send, and senders whom nobody should believe."""

import pytest

from tests.adapters.harness import OTHER_RUN, RUN, Call, baggage_of

__all__ = ["HOSTILE", "MARK", "STRANGERS"]

MARK = "EVIL"
_RUN = f"botanu.run_id={RUN}".encode()
_CUSTOMER = b",botanu.customer_id="


def _row(name: str, *values: bytes) -> object:
    return pytest.param([("baggage", value) for value in values], id=name)


HOSTILE = [
    _row("carriage return, line feed", _RUN + b"\r\nset-cookie: EVIL=1"),
    _row("an id with an escaped line feed", f"botanu.run_id={RUN}%0d%0aEVIL".encode()),
    _row("an escaped line feed in a customer", _RUN + _CUSTOMER + b"EVIL%0d%0aset-cookie:%20a=b"),
    _row("NUL", _RUN + _CUSTOMER + b"EVIL\x00"),
    _row("an escaped NUL", _RUN + _CUSTOMER + b"EVIL%00"),
    _row("an escape sequence of a terminal", _RUN + _CUSTOMER + b"%1b[31mEVIL"),
    _row("not ASCII", _RUN + _CUSTOMER + b"EVIL\xff\xfe"),
    _row("UTF-8 that is not escaped", _RUN + _CUSTOMER + "EVILé".encode()),
    _row("escaped bytes that are not UTF-8", _RUN + _CUSTOMER + b"EVIL%ff%fe"),
    _row("text that turns right to left", _RUN + _CUSTOMER + b"%e2%80%aeEVIL"),
    _row("an unpaired surrogate", _RUN + _CUSTOMER + b"EVIL%ed%a0%80"),
    _row("20,000 characters", _RUN + _CUSTOMER + b"EVIL" * 5_000),
    _row("257 characters", _RUN + _CUSTOMER + b"E" * 253 + b"EVIL"),
    _row("200 members", b",".join(b"k%d=EVIL" % number for number in range(200)) + b"," + _RUN),
    _row("200 members of ours", b",".join(b"botanu.k%d=EVIL" % number for number in range(200)) + b"," + _RUN),
    _row("two runs in two lines", _RUN, f"botanu.run_id={OTHER_RUN}".encode()),
    _row("two customers", _RUN + _CUSTOMER + b"a" + _CUSTOMER + b"EVIL"),
    _row("an id that is no UUID", b"botanu.run_id=EVIL"),
    _row("an empty id", b"botanu.run_id=,botanu.customer_id=EVIL"),
    _row("an id in capitals", f"botanu.run_id={RUN.upper()}".encode()),
    _row("an id with braces", f"botanu.run_id={{{RUN}}}".encode()),
    _row("an id in full-width digits", b"botanu.run_id=" + RUN.replace("0", "%ef%bc%90").encode()),
    _row("a parent that is no id", _RUN + b",botanu.parent_run_id=EVIL"),
    _row("a customer but no run", b"botanu.customer_id=EVIL"),
    _row("only separators", b",;=,;=,botanu.run_id"),
    pytest.param([("x-botanu-run", b"EVIL\r\n"), ("baggage", _RUN + b"0")], id="the other header"),
    pytest.param([("x-botanu-run-id", RUN.encode())], id="our response header in a request"),
    pytest.param([("traceparent", b"EVIL-\xff-\x00"), ("tracestate", b"\xff=EVIL")], id="a broken traceparent"),
    pytest.param([("x-\xff", b"\xff\x00\r\nEVIL")], id="bytes that are not UTF-8 in another header"),
]

_FORGED = baggage_of(run_id=RUN, workflow="w", customer_id=MARK, event_id=MARK, tenant_id=MARK)


def _forwarded(header: str, value: bytes) -> object:
    return pytest.param(Call(path="/plain", headers=[_FORGED, (header, value)]), id=f"{header}: {value.decode()}")


STRANGERS = [
    *(
        pytest.param(Call(path="/plain", headers=[_FORGED], peer=peer), id=peer)
        for peer in ("203.0.113.9", "8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8", "not an address")
    ),
    _forwarded("x-forwarded-for", b"203.0.113.9"),
    _forwarded("x-forwarded-for", b"10.0.0.1, 203.0.113.9"),
    _forwarded("x-forwarded-for", b"203.0.113.9, 10.0.0.1"),
    _forwarded("x-real-ip", b"203.0.113.9"),
    _forwarded("forwarded", b'for="[2001:db8::1]:4711";proto=https'),
    _forwarded("x-forwarded-for", b"unknown"),
]
