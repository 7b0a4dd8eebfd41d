"""Outgoing calls with the stock instrumentors: the run reaches our own services, and nothing of it anybody else."""

import asyncio
import re

import httpx
import pytest
import requests
from fastapi import FastAPI
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation import _semconv
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

import botanu
from botanu_fastapi import BotanuMiddleware
from demo.receiver import Receiver
from tests.adapters.conftest import OUTSIDE
from tests.support.servers import Server, child

OURS = re.compile(r"botanu", re.IGNORECASE)


pytestmark = pytest.mark.usefixtures("outside_is_here", "arrived")


@pytest.fixture
def names(request, monkeypatch):
    """The generation of attribute names that the instrumentors write: the old one unless a test asks for the new."""
    monkeypatch.setattr(_semconv._OpenTelemetrySemanticConventionStability, "_initialized", False)
    monkeypatch.setattr(
        _semconv._OpenTelemetrySemanticConventionStability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", {}
    )
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", getattr(request, "param", ""))


def switch_on(sdk, monkeypatch, sampler=None, **settings):
    """Botanu with the stock instrumentors of both clients; what the application's exporter gets."""
    for signal in ("METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    exporter = sdk(sampler)
    report = botanu.enable(instrument=["httpx", "requests"], **settings)
    assert {each.name: each.state for each in report.instruments} == {"httpx": "on", "requests": "on"}
    return exporter


@pytest.fixture
def exported(sdk, monkeypatch, names):
    return switch_on(sdk, monkeypatch)


def with_httpx(url, **options):
    with httpx.Client(follow_redirects=True) as client:
        return client.get(url, **options)


def with_async_httpx(url, **options):
    async def get():
        async with httpx.AsyncClient(follow_redirects=True) as client:
            return await client.get(url, **options)

    return asyncio.run(get())


def with_requests(url, **options):
    with requests.Session() as session:
        return session.get(url, **options)


class Credentialed(requests.Session):
    """A recipe that many have copied: keep the credentials on a redirect, and call nothing below."""

    def rebuild_auth(self, prepared_request, response):
        pass


def with_a_session_of_their_own(url, **options):
    with Credentialed() as session:
        return session.get(url, **options)


def client_test(function):
    clients = [with_httpx, with_async_httpx, with_requests, with_a_session_of_their_own]
    return pytest.mark.parametrize("get", clients, ids=[each.__name__.removeprefix("with_") for each in clients])(
        function
    )


both_generations = pytest.mark.parametrize("names", ["", "http"], ids=["old names", "new names"], indirect=True)


def in_a_run(get, url, **options):
    """Make the call inside a run, beside baggage of somebody else's; returns the run."""
    with botanu.event(workflow="Customer Support", event_id="T 1", customer_id="acme") as run:
        token = context.attach(baggage.set_baggage("tier", "gold"))
        try:
            get(url, **options)
        finally:
            context.detach(token)
    return run


def assert_nothing_of_ours(request):
    assert [line for line in request.headers if OURS.search(line[0] + line[1])] == []


@client_test
class TestInside:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "inside.internal"])
    def test_the_run_goes_to_our_own_services(self, exported, port, arrived, get, host):
        """As one baggage header with its names, spaces as `%20`, beside other people's members."""
        run = in_a_run(get, f"http://{host}:{port}/")
        (line,) = arrived[0].all("baggage")
        members = dict(member.split("=", 1) for member in line.split(","))
        assert members["botanu.run_id"] == run.run_id
        assert (members["botanu.workflow"], members["botanu.event_id"]) == ("Customer%20Support", "T%201")
        assert (members["botanu.customer_id"], members["tier"]) == ("acme", "gold")

    @both_generations
    def test_it_survives_a_redirect_among_our_own(self, exported, port, arrived, get):
        """A missing slash is no reason to lose it."""
        run = in_a_run(get, f"http://127.0.0.1:{port}/to?http://localhost:{port}/there")
        assert [seen.path for seen in arrived] == [f"/to?http://localhost:{port}/there", "/there?"]
        assert all(f"botanu.run_id={run.run_id}" in seen.all("baggage")[0] for seen in arrived)
        assert all(seen.all("baggage")[0].count("botanu.run_id") == 1 for seen in arrived)

    def test_the_applications_own_header_stays(self, exported, port, arrived, get):
        """Baggage that the application has written by hand arrives, and so does the run."""
        with botanu.event(workflow="w") as run:
            get(f"http://127.0.0.1:{port}/", headers={"Baggage": "by=hand"})
        lines = ",".join(arrived[0].all("baggage") + arrived[0].all("x-botanu-run"))
        assert "by=hand" in lines
        assert f"botanu.run_id={run.run_id}" in lines

    def test_a_destination_may_be_added(self, sdk, monkeypatch, port, arrived, get):
        """By a pattern, for one's own names in public DNS."""
        switch_on(sdk, monkeypatch, propagate_to=["*.provider.example"])
        run = in_a_run(get, f"http://{OUTSIDE}:{port}/")
        assert f"botanu.run_id={run.run_id}" in arrived[0].all("baggage")[0]

    @pytest.mark.parametrize("mode", ["always", "never"])
    def test_always_and_never(self, sdk, monkeypatch, port, arrived, get, mode):
        """To everybody, and to nobody."""
        switch_on(sdk, monkeypatch, propagate_to=mode)
        for host in (OUTSIDE, "127.0.0.1"):
            in_a_run(get, f"http://{host}:{port}/")
        assert ["botanu.run_id" in ",".join(seen.all("baggage")) for seen in arrived] == [mode == "always"] * 2


@client_test
class TestOutside:
    @both_generations
    @pytest.mark.parametrize(
        "url",
        [
            "http://api.provider.example:{port}/",
            "http://API.Provider.Example:{port}/",
            "http://localhost@api.provider.example:{port}/",
            "http://api.provider.example:{port}/http://localhost/?localhost#localhost",
        ],
    )
    def test_nothing_of_ours_arrives(self, exported, port, arrived, get, url):
        """No header mentions us; other people's baggage and the trace go where they went before."""
        run = in_a_run(get, url.format(port=port))
        (seen,) = arrived
        assert_nothing_of_ours(seen)
        assert run.run_id not in repr(seen)
        assert seen.all("baggage") == ["tier=gold"]
        (span,) = [span for span in exported.get_finished_spans() if span.kind is trace.SpanKind.CLIENT]
        ids = f"{span.context.trace_id:032x}-{span.context.span_id:016x}"
        expected = f"00-{ids}-{span.context.trace_flags:02x}"
        assert seen.all("traceparent") == [expected]
        assert span.attributes["botanu.run_id"] == run.run_id

    @both_generations
    @pytest.mark.parametrize("hops", ["in out", "in in out", "in out out", "out in out"])
    def test_nothing_follows_a_redirect_out(self, exported, port, arrived, get, hops):
        """One of our services sends us elsewhere: what was for its ears does not go along."""
        hosts = {"in": "127.0.0.1", "out": OUTSIDE}
        url = ""
        for hop in reversed(hops.split()):
            url = f"http://{hosts[hop]}:{port}/" + (f"to?{url}" if url else "there")
        in_a_run(get, url)
        assert len(arrived) == len(hops.split())
        for hop, seen in zip(hops.split(), arrived, strict=True):
            if hop == "out":
                assert_nothing_of_ours(seen)
            assert "tier=gold" in ",".join(seen.all("baggage"))

    def test_nothing_follows_a_header_of_ones_own_out(self, exported, port, arrived, get):
        """The application's baggage goes along on the redirect, ours stays behind."""
        with botanu.event(workflow="w"):
            get(f"http://127.0.0.1:{port}/to?http://{OUTSIDE}:{port}/", headers={"Baggage": "by=hand"})
        assert_nothing_of_ours(arrived[1])
        assert arrived[1].all("baggage") == ["by=hand"]

    def test_members_of_our_prefix_stay_inside_too(self, exported, port, arrived, get):
        """What the application has put beside the run goes where the run goes."""
        with botanu.event(workflow="w"):
            token = botanu.set_baggage("botanu.desk", "north")
            for host in (OUTSIDE, "127.0.0.1"):
                get(f"http://{host}:{port}/")
            context.detach(token)
        assert_nothing_of_ours(arrived[0])
        assert "botanu.desk=north" in arrived[1].all("baggage")[0]

    def test_a_call_to_nowhere_in_particular(self, exported, port, arrived, get, monkeypatch):
        """Nothing is left on headers that the application uses again for another host."""
        headers = {"x-mine": "1"}
        with botanu.event(workflow="w"):
            get(f"http://127.0.0.1:{port}/", headers=headers)
            get(f"http://{OUTSIDE}:{port}/", headers=headers)
        assert "botanu.run_id" in arrived[0].all("baggage")[0]
        assert_nothing_of_ours(arrived[1])
        assert headers == {"x-mine": "1"}


@client_test
@pytest.mark.parametrize("sampler", [ParentBased(ALWAYS_OFF), ParentBased(ALWAYS_ON)], ids=["dropped", "sampled"])
class TestSampling:
    def test_the_run_travels_whatever_is_sampled(self, sdk, monkeypatch, port, arrived, get, sampler):
        """Inside it arrives and outside it does not, and the trace says truly whether it is sampled."""
        exporter = switch_on(sdk, monkeypatch, sampler)
        run = in_a_run(get, f"http://127.0.0.1:{port}/to?http://{OUTSIDE}:{port}/")
        assert f"botanu.run_id={run.run_id}" in arrived[0].all("baggage")[0]
        assert_nothing_of_ours(arrived[1])
        is_sampled = bool(exporter.get_finished_spans())
        said = {bool(int(seen.all("traceparent")[0][-2:], 16) & trace.TraceFlags.SAMPLED) for seen in arrived}
        assert said == {is_sampled}
        assert is_sampled is (sampler.get_description() == ParentBased(ALWAYS_ON).get_description())


@pytest.fixture(scope="module")
def inside():
    """A service in a process of its own: its port, and the receiver of what it exports."""
    with Receiver() as receiver:
        with child("tests.adapters.inside_service", "--with-parent", "--receiver", receiver.endpoint) as told:
            yield told["port"], receiver


class TestTwoServices:
    """Two processes, the stock httpx instrumentor between them, an OTLP receiver behind both."""

    @pytest.fixture
    def front(self, inside):
        """The front service: calls what it is told to, in a run that it names."""
        app = FastAPI()
        app.add_middleware(BotanuMiddleware)

        @app.get("/sync")
        def sync(url: str) -> object:
            with botanu.event(workflow="Customer Support", event_id="T-1", customer_id="acme & söhne"):
                return requests.get(url, timeout=5).json()

        @app.get("/async")
        async def call(url: str) -> object:
            with botanu.event(workflow="Customer Support", event_id="T-1", customer_id="acme & söhne"):
                async with httpx.AsyncClient() as client:
                    return (await client.get(url)).json()

        with Server(app) as server:
            yield server.url

    @pytest.mark.parametrize("path", ["/async", "/sync"])
    def test_the_run_crosses(self, sdk, monkeypatch, inside, front, path):
        """Page, response header and the spans of both processes carry one run id, in one trace."""
        port, receiver = inside
        receiver.clear()
        exporter = switch_on(sdk, monkeypatch)
        answer = requests.get(front + path, params={"url": f"http://127.0.0.1:{port}/where"}, timeout=10)
        run_id = answer.headers["x-botanu-run-id"]
        told = answer.json()
        assert (told["run_id"], told["workflow"]) == (run_id, "Customer Support")
        assert told["customer_id"] == "acme & söhne"
        assert "Customer%20Support" in told["baggage"][0]
        assert receiver.wait_for(lambda them: any(span.kind == "SERVER" for span in them.spans()), 30)
        theirs = receiver.spans()
        ours = [span for span in exporter.get_finished_spans() if span.attributes.get("botanu.run_id") == run_id]
        assert {span.attributes["botanu.run_id"] for span in theirs} == {run_id}
        assert {span.service for span in theirs} == {"inside"}
        assert {span.trace_id for span in theirs} == {f"{span.context.trace_id:032x}" for span in ours}
        assert {span.name for span in theirs} >= {"GET /where", "inside"}
