"""Every client, its stock instrumentor, a host inside and one outside: what arrived there."""

import asyncio
import contextlib
import re
import urllib.request
from concurrent import futures

import aiohttp
import anthropic
import boto3
import botocore.config
import confluent_kafka
import grpc
import grpc.aio
import httpx
import openai
import pytest
import requests
import urllib3
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

import botanu
from botanu_core.sdk.grpc_targets import host_of_target
from tests.adapters.conftest import OUTSIDE

pytestmark = pytest.mark.usefixtures("outside_is_here", "arrived")
OURS = re.compile(r"botanu", re.IGNORECASE)
INSTRUMENTORS = [
    "httpx",
    "httpx2",
    "requests",
    "urllib",
    "urllib3",
    "aiohttp-client",
    "botocore",
    "grpc_client",
    "grpc_aio_client",
    "confluent_kafka",
]
SAMPLERS = {"sampled": ParentBased(ALWAYS_ON), "unsampled": ParentBased(ALWAYS_OFF)}


@pytest.fixture(params=SAMPLERS)
def switch_on(request, sdk, monkeypatch):
    """Botanu with every stock instrumentor, under a sampler that keeps all or nothing."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "")

    def on(**settings):
        exporter = sdk(SAMPLERS[request.param])
        report = botanu.enable(instrument=INSTRUMENTORS, **settings)
        assert {each.state for each in report.instruments} == {"on"}, str(report)
        return exporter

    return on


def with_httpx(url):
    with httpx.Client(follow_redirects=True) as client:
        client.get(url)


def with_async_httpx(url):
    async def get():
        async with httpx.AsyncClient(follow_redirects=True) as client:
            await client.get(url)

    asyncio.run(get())


def with_requests(url):
    requests.get(url, timeout=5)


def with_urllib3(url):
    with urllib3.PoolManager() as pool:
        pool.request("GET", url)


def with_urllib(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        answer.read()


def with_urllib_request(url):
    """With a `Request`, whose headers go along on a redirect."""
    with urllib.request.urlopen(urllib.request.Request(url, headers={"X-Mine": "1"}), timeout=5) as answer:
        answer.read()


def with_aiohttp(url):
    async def get():
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.read()

    asyncio.run(get())


def with_openai(url):
    with openai.OpenAI(api_key="k", base_url=url, max_retries=0) as client, contextlib.suppress(openai.OpenAIError):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])


def with_anthropic(url):
    with anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client:
        with contextlib.suppress(anthropic.AnthropicError, AttributeError):
            client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hello"}])


HTTP = [
    with_httpx, with_async_httpx, with_requests, with_urllib3, with_urllib, with_urllib_request, with_aiohttp,
    with_openai, with_anthropic,
]  # fmt: skip
REDIRECTED = HTTP[:7]


def name_of(client):
    return client.__name__.removeprefix("with_")


def in_a_run(call, *args):
    """Inside a run, beside baggage of the application's own."""
    with botanu.event(workflow="Customer Support", event_id="T 1", customer_id="acme") as run:
        token = context.attach(baggage.set_baggage("tier", "gold"))
        try:
            call(*args)
        finally:
            context.detach(token)
    return run


def nothing_of_ours(seen, run):
    return not [line for line in seen.headers if OURS.search(line[0] + line[1])] and run.run_id not in repr(seen)


@pytest.mark.parametrize("call", HTTP, ids=name_of)
class TestHttp:
    def test_inside_the_run_arrives(self, switch_on, port, arrived, call):
        """Once, whole, beside the application's own baggage and the trace."""
        switch_on()
        run = in_a_run(call, f"http://localhost:{port}/")
        (line,) = arrived[0].all("baggage")
        members = dict(member.split("=", 1) for member in line.split(","))
        assert (members["botanu.run_id"], members["botanu.customer_id"]) == (run.run_id, "acme")
        assert members["tier"] == "gold"
        assert len(arrived[0].all("traceparent")) == 1

    def test_outside_nothing_of_ours_does(self, switch_on, port, arrived, call):
        """The application's own baggage and the trace go where they went before."""
        switch_on()
        run = in_a_run(call, f"http://{OUTSIDE}:{port}/")
        assert nothing_of_ours(arrived[0], run)
        assert arrived[0].all("baggage") == ["tier=gold"]
        assert len(arrived[0].all("traceparent")) == 1

    def test_a_signature_stays_inside_too(self, switch_on, port, arrived, call):
        """It vouches for a run that is there."""
        switch_on(baggage_key="k" * 32)
        in_a_run(call, f"http://localhost:{port}/")
        run = in_a_run(call, f"http://{OUTSIDE}:{port}/")
        assert "botanu.sig=" in arrived[0].all("baggage")[0]
        assert nothing_of_ours(arrived[1], run)

    def test_the_trace_may_be_withheld_from_outsiders(self, switch_on, port, arrived, call):
        """By a switch; inside it arrives, and so does the application's own baggage everywhere."""
        switch_on(withhold_trace_context=True)
        in_a_run(call, f"http://localhost:{port}/")
        in_a_run(call, f"http://{OUTSIDE}:{port}/")
        call(f"http://{OUTSIDE}:{port}/")
        assert [len(seen.all("traceparent")) for seen in arrived] == [1, 0, 0]
        assert arrived[1].all("baggage") == ["tier=gold"]

    def test_a_suppressed_call_hands_on_nothing(self, switch_on, port, arrived, call):
        """An instrumentor that is told to be silent writes no header, and nobody else does in its place."""
        switch_on()

        def silently(url):
            with suppress_instrumentation():
                call(url)

        run = in_a_run(silently, f"http://{OUTSIDE}:{port}/")
        assert nothing_of_ours(arrived[0], run)


@pytest.mark.parametrize("call", REDIRECTED, ids=name_of)
@pytest.mark.parametrize("hops", ["in out", "in in out", "out in out", "in out in"])
def test_a_redirect_out_leaves_the_run_behind(switch_on, port, arrived, call, hops):
    """One of our services sends us elsewhere: what was for its ears does not go along."""
    switch_on()
    hosts = {"in": "127.0.0.1", "out": OUTSIDE}
    url = ""
    for hop in reversed(hops.split()):
        url = f"http://{hosts[hop]}:{port}/" + (f"to?{url}" if url else "there")
    run = in_a_run(call, url)
    assert len(arrived) == len(hops.split())
    for hop, seen in zip(hops.split(), arrived, strict=True):
        assert hop == "in" or nothing_of_ours(seen, run)
    if hops.startswith("in"):
        assert f"botanu.run_id={run.run_id}" in arrived[0].all("baggage")[0]


@pytest.mark.parametrize("call", REDIRECTED, ids=name_of)
def test_a_redirect_out_leaves_a_withheld_trace_behind(switch_on, port, arrived, call):
    """Where outsiders get none, the header of the first hop does not reach them."""
    switch_on(withhold_trace_context=True)
    in_a_run(call, f"http://127.0.0.1:{port}/to?http://{OUTSIDE}:{port}/there")
    assert [len(seen.all("traceparent")) for seen in arrived] == [1, 0]


def test_after_disable_the_clients_are_as_they_were(sdk, monkeypatch, port):
    """What minds their redirects is taken away with the rest."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    sdk()
    before = requests.Session.rebuild_method, urllib.request.HTTPRedirectHandler.redirect_request
    aiohttp_before = aiohttp.ClientRequest.__init__
    botanu.enable(instrument="requests")
    in_a_run(with_requests, f"http://127.0.0.1:{port}/")
    assert requests.Session.rebuild_method is not before[0]
    botanu.disable()
    assert (requests.Session.rebuild_method, urllib.request.HTTPRedirectHandler.redirect_request) == before
    assert aiohttp.ClientRequest.__init__ is aiohttp_before


@pytest.mark.parametrize("host", ["localhost", OUTSIDE])
def test_botocore_hands_on_no_run(switch_on, port, arrived, host):
    """Its instrumentor writes X-Ray's header and no baggage, and calls of AWS do not say which host they go to."""
    switch_on()
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="eu-west-1", aws_access_key_id="a",
        aws_secret_access_key="b", config=botocore.config.Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    run = in_a_run(lambda: client.list_objects_v2(Bucket="tickets"))
    assert nothing_of_ours(arrived[0], run)
    assert arrived[0].all("x-amzn-trace-id")


# --- gRPC ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def grpc_service():
    """A service that keeps the metadata of its calls: its port, and what came."""
    came = []

    def answer(request, call):
        came.append(call.invocation_metadata())
        return request

    def answers(request, call):
        came.append(call.invocation_metadata())
        yield request

    handlers = {
        "Answer": grpc.unary_unary_rpc_method_handler(answer),
        "Answers": grpc.unary_stream_rpc_method_handler(answers),
        "Join": grpc.stream_unary_rpc_method_handler(lambda requests, call: answer(b"".join(requests), call)),
    }
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("desk.Desk", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port, came
    server.stop(None).wait()


def ask(target):
    with grpc.insecure_channel(target) as channel:
        assert channel.unary_unary("/desk.Desk/Answer")(b"hello", timeout=5, metadata=(("x-mine", "1"),)) == b"hello"


def ask_later(target):
    with grpc.insecure_channel(target) as channel:
        assert channel.unary_unary("/desk.Desk/Answer").future(b"hello", timeout=5).result() == b"hello"


def ask_for_a_stream(target):
    with grpc.insecure_channel(target) as channel:
        assert list(channel.unary_stream("/desk.Desk/Answers")(b"hello", timeout=5)) == [b"hello"]


def ask_with_a_stream(target):
    with grpc.insecure_channel(target) as channel:
        assert channel.stream_unary("/desk.Desk/Join")(iter([b"hel", b"lo"]), timeout=5) == b"hello"


def ask_in_a_loop(target):
    async def call():
        async with grpc.aio.insecure_channel(target) as channel:
            return await channel.unary_unary("/desk.Desk/Answer")(b"hello", timeout=5)

    assert asyncio.run(call()) == b"hello"


NOWHERE = "0.0.0.0"
"""Leads to this machine, and is nobody's address: outside."""


@pytest.mark.parametrize(
    ("call", "host", "mode", "expected"),
    [
        *((call, "127.0.0.1", "inside", True) for call in (ask, ask_later, ask_for_a_stream, ask_with_a_stream)),
        *((call, NOWHERE, "inside", False) for call in (ask, ask_later, ask_for_a_stream, ask_with_a_stream)),
        (ask_in_a_loop, "127.0.0.1", "inside", True),
        (ask_in_a_loop, NOWHERE, "inside", False),
        (ask, "ipv4:127.0.0.1", "inside", True),
        (ask, NOWHERE, "always", True),
        (ask, "127.0.0.1", "never", False),
    ],
)
def test_grpc_calls_go_by_the_target_of_their_channel(switch_on, grpc_service, call, host, mode, expected):
    """Which its instrumentor does not say: the run is in the metadata once, beside all that was there."""
    switch_on(propagate_to=mode)
    port, came = grpc_service
    run = in_a_run(call, f"{host}:{port}")
    (metadata,) = came
    (line,) = [value for name, value in metadata if name == "baggage"]
    assert line.count(run.run_id) == int(expected)
    assert expected or not OURS.search(repr(metadata))
    assert "tier=gold" in line
    assert len([name for name, _ in metadata if name == "traceparent"]) == 1
    assert call is not ask or ("x-mine", "1") in [tuple(pair) for pair in metadata]


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("desk:50051", "desk"),
        ("desk", "desk"),
        ("dns:desk:50051", "desk"),
        ("dns:///desk.internal:50051", "desk.internal"),
        ("dns://8.8.8.8/desk.internal:50051", "desk.internal"),
        ("ipv4:10.0.0.1:50051", "10.0.0.1"),
        ("ipv6:[fd00::1]:50051", "fd00::1"),
        ("[::1]:50051", "::1"),
        ("passthrough:///desk:1", "desk"),
        ("unix:/run/desk.sock", "localhost"),
        ("unix-abstract:desk", "localhost"),
        ("ipv4:10.0.0.1:1,8.8.8.8:1", None),
        ("dns:///evil.example/desk", None),
        ("desk@evil.example:1", None),
        ("", None),
        ("dns:", None),
        ("[::1", None),
    ],
)
def test_targets_of_every_form(target, host):
    """One host, or none that can be told."""
    assert host_of_target(target) == host


def test_after_disable_channels_are_as_they_were(switch_on):
    """And none of the functions of gRPC is ours."""
    before = grpc.insecure_channel, grpc.secure_channel, grpc.aio.insecure_channel, grpc.aio.secure_channel
    switch_on()
    assert grpc.insecure_channel is not before[0]
    botanu.disable()
    assert (grpc.insecure_channel, grpc.secure_channel, grpc.aio.insecure_channel, grpc.aio.secure_channel) == before


# --- Kafka ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("broker", "expected"), [("kafka:9092", True), (f"{OUTSIDE}:9092", False)])
def test_kafka_messages_go_where_their_broker_is(switch_on, broker, expected):
    """A message has the run if the broker is one of ours; the headers are read back by a consumer."""
    switch_on()
    producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": broker})
    run = in_a_run(lambda: producer.produce("tickets", b"hello"))
    assert producer.flush(10) == 0
    address = str(next(iter(producer.list_topics(timeout=10).brokers.values()))).partition("/")[0]
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    try:
        consumer.assign([confluent_kafka.TopicPartition("tickets", part, 0) for part in range(4)])
        message = next(found for found in iter(lambda: consumer.poll(10), None) if not found.error())
        headers = {name: value.decode() for name, value in message.headers()}
    finally:
        consumer.close()
    assert (run.run_id in headers["baggage"]) is expected
    assert bool(OURS.search(repr(headers))) is expected
    assert "tier=gold" in headers["baggage"]


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "attributes", "expected"),
    [
        ("CLIENT", {"url.full": "http://desk:8000/"}, True),
        ("PRODUCER", {"server.address": "10.0.0.9"}, True),
        ("CLIENT", {"url.full": f"https://{OUTSIDE}/"}, False),
        ("CLIENT", {}, False),
        ("INTERNAL", {"url.full": "http://desk:8000/"}, False),
    ],
)
def test_inject_by_hand_goes_by_the_current_span(switch_on, kind, attributes, expected):
    """A client's or producer's span that says whom it calls; without one, nobody of ours is called."""
    switch_on()
    headers = {}

    def call():
        with trace.get_tracer("mine").start_as_current_span("call", kind=trace.SpanKind[kind], attributes=attributes):
            propagate.inject(headers)

    run = in_a_run(call)
    assert (run.run_id in headers["baggage"]) is expected
    assert bool(OURS.search(repr(headers))) is expected
    bare = {}
    in_a_run(propagate.inject, bare)
    assert not OURS.search(repr(bare))
