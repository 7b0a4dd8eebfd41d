"""Every client, its stock instrumentor, a host inside and one outside: what arrived there."""

import asyncio
import contextlib
import urllib.request

import aiohttp
import anthropic
import boto3
import botocore.config
import confluent_kafka
import httpx
import openai
import pytest
import requests
import urllib3
from opentelemetry import propagate, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

import botanu
from tests.adapters.conftest import OUTSIDE
from tests.adapters.outbound import OURS, in_a_run

pytestmark = pytest.mark.usefixtures("outside_is_here", "arrived")


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
