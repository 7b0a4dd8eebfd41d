"""The stranger at the edge: a real uvicorn, raw bytes on a socket, and every way to be somebody else's run.

Whatever he sends, the endpoint answers as it does without us, in a run of its own, and nothing of his comes back.
"""

import re
import socket
import time

import pytest
from fastapi import FastAPI
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from starlette.responses import JSONResponse

import botanu
from botanu_core import log
from botanu_core.runtime import telemetry
from botanu_core.wire.baggage import decode, encode
from botanu_core.wire.signature import signature, written
from botanu_fastapi import BotanuMiddleware
from tests.support.servers import Server, raw_request

KEY = b"the key of our services and of nobody else"
RUN = "0190f8a4-5d9e-7c3b-8f21-9a4b6c2d1e0f"
MARK = "EVIL"
MEMBERS = {"botanu.run_id": RUN, "botanu.workflow": MARK, "botanu.event_id": "T-1", "botanu.customer_id": MARK}
FORGED = encode(MEMBERS).encode()
LB = b"x-forwarded-for: 203.0.113.9"
"""What the load balancer writes: it knows where the stranger is."""


def application(*, ours: bool) -> FastAPI:
    app = FastAPI(**({} if ours else {"telemetry": {"tracing": False, "metrics": False, "logs": False}}))
    if ours:
        app.add_middleware(BotanuMiddleware)

    @app.get("/ticket")
    def ticket() -> JSONResponse:
        botanu.emit_outcome("success")
        return JSONResponse({"ticket": 7})

    return app


@pytest.fixture(scope="module")
def servers():
    with Server(application(ours=True)) as ours, Server(application(ours=False)) as plain:
        yield ours, plain


def asked(server, *headers, path="/ticket"):
    """Status line, headers that are not about time or the run, body; and the run's id."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw_request(path, *headers, b"connection: close"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    kept = [line for line in lines if not line.lower().startswith(("date:", "x-botanu-run-id:"))]
    ids = [line.partition(": ")[2] for line in lines if line.lower().startswith("x-botanu-run-id:")]
    return (status, kept, body), ids


@pytest.fixture(params=["without a key", "with a key"])
def edge(request, sdk, servers, monkeypatch, caplog):
    """Botanu at the edge; a function that plays the stranger and looks at everything that came of it."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    exporter = sdk()
    caplog.set_level("DEBUG")
    botanu.enable(instrument="none", baggage_key=KEY.decode() if request.param == "with a key" else None)
    ours, plain = servers

    def play(*headers):
        exporter.clear()
        answer, ids = asked(ours, *headers)
        assert answer == asked(plain, *headers)[0]
        seen = repr(
            [(span.name, dict(span.attributes), span.events, span.status) for span in exporter.get_finished_spans()]
        )
        told = f"{answer}{ids}{seen}{caplog.text}{botanu.doctor()}"
        assert RUN[:-1] not in told
        assert MARK not in told
        for run_id in ids:
            assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", run_id)
            assert set(re.findall(r"'botanu.run_id': '([^']*)'", seen)) == {run_id}
        return answer[0], ids

    return play


def line(name, value):
    return name + b": " + value


HOSTILE = {
    "forged ids": [line(b"baggage", FORGED)],
    "forged ids in our own header": [line(b"x-botanu-run", FORGED)],
    "forged ids, and an address from inside": [line(b"baggage", FORGED), b"x-forwarded-for: 10.0.0.1"],
    "forged ids, and Forwarded from inside": [line(b"baggage", FORGED), b"forwarded: for=127.0.0.1"],
    "forged ids, and every address header": [
        line(b"baggage", FORGED), b"x-real-ip: 127.0.0.1", b"true-client-ip: ::1", b"cf-connecting-ip: 10.0.0.1",
    ],
    "CRLF in a value": [line(b"baggage", FORGED + b",botanu.step=EVIL%0d%0aSet-Cookie:%20a=b")],
    "a bare CR": [line(b"baggage", FORGED + b"\rEVIL")],
    "a bare LF": [line(b"baggage", FORGED + b"\nx-evil: EVIL")],
    "NUL": [line(b"baggage", FORGED + b"\x00EVIL")],
    "20,000 characters": [line(b"baggage", FORGED + b",botanu.step=" + b"EVIL" * 5000)],
    "200 members": [line(b"baggage", b",".join(b"k%d=EVIL" % number for number in range(200)) + b"," + FORGED)],
    "200 members of ours": [line(b"baggage", FORGED + b"".join(b",botanu.k%d=EVIL" % number for number in range(200)))],
    "twice, and different": [line(b"baggage", FORGED), line(b"baggage", b"botanu.customer_id=other")],
    "not ASCII": [line(b"baggage", FORGED + b",botanu.step=\xff\xfeEVIL")],
    "escaped, and not UTF-8": [line(b"baggage", FORGED + b",botanu.step=EVIL%ff%fe")],
    "a surrogate": [line(b"baggage", FORGED + b",botanu.step=EVIL%ed%a0%80")],
    "an id that is none": [line(b"baggage", b"botanu.run_id=EVIL")],
    "our response header": [line(b"x-botanu-run-id", RUN.encode())],
    "a broken signature": [line(b"baggage", FORGED + b",botanu.sig=1." + b"A" * 43)],
    "a broken traceparent": [b"traceparent: EVIL", line(b"baggage", FORGED)],
    "a name in capitals": [line(b"BAGGAGE", FORGED)],
}  # fmt: skip


@pytest.mark.parametrize("headers", HOSTILE.values(), ids=HOSTILE)
def test_whatever_a_stranger_sends_behind_the_load_balancer(edge, headers):
    """Its answer is that of an application without us, and its run is a new one."""
    edge(*headers, LB)


def ways(line_of_ours):
    """What somebody who has read a signed header can make of it without the key."""
    members = decode([line_of_ours])
    second, _, code = members["botanu.sig"].partition(".")
    yield "another customer", {**members, "botanu.customer_id": "somebody-else"}
    yield "another run", {**members, "botanu.run_id": RUN[:-1] + "0"}
    yield "a member less", {name: text for name, text in members.items() if name != "botanu.customer_id"}
    yield "a member more", {**members, "botanu.tenant_id": MARK}
    yield "another time", {**members, "botanu.sig": f"{int(second) + 1}.{code}"}
    yield "no signature", {name: text for name, text in members.items() if name != "botanu.sig"}
    yield "half a signature", {**members, "botanu.sig": f"{second}.{code[:20]}"}


@pytest.mark.parametrize("edge", ["with a key"], indirect=True)
def test_an_altered_signature(edge):
    """Nothing of it is taken, in whatever way it was altered."""
    for name, members in ways(written({**MEMBERS, "botanu.workflow": "W", "botanu.customer_id": MARK}, (KEY,))):
        _, ids = edge(line(b"baggage", encode(members).encode()))
        assert ids, name
        assert log.counted().keys() <= {"inbound.forged", "inbound.unsigned"}, name


@pytest.mark.parametrize("edge", ["with a key"], indirect=True)
@pytest.mark.parametrize("age_s", [340, 86_400, -60, -86_400])
def test_a_replayed_signature(edge, age_s):
    """A header that was read on the wire is of use for five minutes, and its future is none."""
    replayed = {**MEMBERS, "botanu.sig": signature(MEMBERS, KEY, int(time.time()) - age_s)}
    edge(line(b"baggage", encode(replayed).encode()), b"x-forwarded-for: 127.0.0.1")
    assert log.counted() == {"inbound.expired": 1}


@pytest.mark.parametrize("key", [b"a key of somebody who has none of ours.....", KEY + b"x", KEY.upper()])
def test_another_key(sdk, servers, monkeypatch, key):
    """However near it is."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    sdk()
    botanu.enable(instrument="none", baggage_key=KEY.decode())
    members = {"botanu.run_id": RUN}
    assert asked(servers[0], line(b"baggage", written(members, (key,)).encode()))[1] != [RUN]
    assert asked(servers[0], line(b"baggage", written(members, (KEY,)).encode()))[1] == [RUN]


def test_refusals_are_counted(sdk, servers, monkeypatch, caplog):
    """By reason, in a metric and in `doctor()`, and each reason is logged once."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    sdk()
    botanu.enable(instrument="none", baggage_key=KEY.decode())
    reader = InMemoryMetricReader()
    telemetry.use(meter_provider=MeterProvider([reader], shutdown_on_exit=False))
    for _ in range(3):
        asked(servers[0], line(b"baggage", FORGED))
        asked(servers[0], line(b"baggage", FORGED + b",botanu.sig=1.x"))
    asked(servers[0], line(b"baggage", b"botanu.run_id=%ff"))
    asked(servers[0])
    points = {
        point.attributes["botanu.inbound.reason"]: point.value
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "botanu.inbound.refused"
        for point in metric.data.data_points
    }
    assert points == {"unsigned": 3, "forged": 3, "malformed": 1}
    assert {"inbound.unsigned: 3", "inbound.forged: 3"} <= set(re.findall(r"inbound\.\w+: \d+", str(botanu.doctor())))
    said = [record.getMessage() for record in caplog.records if record.name == "botanu"]
    assert sum("was refused" in text or "is refused" in text for text in said) == 3
    assert MARK not in "".join(said)
