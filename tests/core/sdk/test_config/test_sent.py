"""What a collector really gets: our headers, the key on its host only, and nobody else's secrets."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import botanu
from botanu_core.sdk.config import BotanuConfig

from . import SECRET

OURS = "ours"
STANDARD = (
    "OTEL_EXPORTER_OTLP_HEADERS",
    *(f"OTEL_EXPORTER_OTLP_{name}_HEADERS" for name in ("TRACES", "METRICS", "LOGS")),
)
PATHS = {"/v1/traces", "/v1/metrics", "/v1/logs"}


class Collector(ThreadingHTTPServer):
    """Takes everything on a free loopback port, and keeps paths and headers."""

    def __init__(self, location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.location, self.got = location, list[tuple[str, dict[str, str]]]()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()

    @property
    def paths(self) -> set[str]:
        return {path for path, _ in self.got}

    def values(self, header: str) -> set[str | None]:
        """What each request had in `header`; `None` where it was not there."""
        return {headers.get(header) for _, headers in self.got}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(307 if self.server.location else 200)
        self.send_header("location", self.server.location + self.path)
        self.end_headers()

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def collector():
    """Starts collectors."""
    running: list[Collector] = []

    def start(location: str = "") -> Collector:
        running.append(Collector(location))
        return running[-1]

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


@pytest.fixture
def foreign(monkeypatch):
    """Sets the header variables, as for a vendor's collector that has nothing to do with ours."""
    for name in STANDARD:
        monkeypatch.setenv(name, f"authorization={SECRET},x-vendor={SECRET}")


def run_once(**fields) -> bool:
    """One run from `enable` to `disable`; whether everything was delivered."""
    botanu.enable(instrument="none", **fields)
    with botanu.event(event_id="e", customer_id="c", workflow="w"):
        pass
    return botanu.disable(timeout_s=5)


@pytest.mark.usefixtures("foreign")
def test_headers_of_the_standard_variables_are_not_sent_to_our_endpoint(collector):
    """They belong to another host; the application's own exporters find them as they were."""
    ours = collector()
    assert run_once(otlp_endpoint=ours.url, otlp_headers={"x-token": OURS})
    assert ours.paths == PATHS
    assert ours.values("x-token") == {OURS}
    assert ours.values("authorization") == ours.values("x-vendor") == {None}
    assert all(os.environ[name] == f"authorization={SECRET},x-vendor={SECRET}" for name in STANDARD)


@pytest.mark.usefixtures("foreign")
def test_headers_of_the_standard_variables_are_sent_to_the_standard_endpoint(collector, monkeypatch):
    """That is whom they were set for; ours are added."""
    standard = collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", standard.url)
    assert run_once(otlp_headers={"x-token": OURS})
    assert standard.paths == PATHS
    assert standard.values("x-token") == {OURS}
    assert standard.values("authorization") == standard.values("x-vendor") == {SECRET}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_does_not_send_them_either(collector):
    """A child makes exporters of its own; it too finds the variables as they were."""
    ours = collector()
    program = """
        import os, botanu
        botanu.enable(instrument="none")
        child = os.fork()
        with botanu.event(event_id="e", customer_id="c", workflow="w"):
            pass
        done = botanu.disable(timeout_s=5) and "x-vendor" in os.environ["OTEL_EXPORTER_OTLP_HEADERS"]
        if not child:
            os._exit(0 if done else 1)
        raise SystemExit(0 if done and os.waitpid(child, 0)[1] == 0 else 1)
    """
    added = {"BOTANU_OTLP_ENDPOINT": ours.url, "BOTANU_OTLP_HEADERS": f"x-token={OURS}"}
    added |= dict.fromkeys(STANDARD, f"authorization={SECRET},x-vendor={SECRET}")
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env={**os.environ, **added}, check=True, timeout=60
    )
    assert len([path for path in ours.got if path[0] == "/v1/traces"]) == 2
    assert ours.values("x-token") == {OURS}
    assert ours.values("authorization") == ours.values("x-vendor") == {None}


def test_the_key_reaches_its_host_and_no_other(collector, monkeypatch):
    """Where the standard variables send one signal elsewhere, it goes without the key."""
    ours, other = collector(), collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ours.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{other.url}/v1/metrics")
    assert run_once(api_key=SECRET, api_key_host=ours.host)
    assert (ours.paths, other.paths) == ({"/v1/traces", "/v1/logs"}, {"/v1/metrics"})
    assert ours.values("authorization") == {f"Bearer {SECRET}"}
    assert other.values("authorization") == {None}


def test_the_key_does_not_follow_a_redirect(collector):
    """A collector that sends us elsewhere is not obeyed with the key in hand."""
    other = collector()
    ours = collector(location=other.url)
    run_once(otlp_endpoint=ours.url, api_key=SECRET, api_key_host=ours.host)
    assert ours.values("authorization") == {f"Bearer {SECRET}"}
    assert other.values("authorization") <= {None}


# --- gRPC


@pytest.fixture
def grpc_metadata() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The address of a gRPC collector, and the metadata of each call that it gets."""
    grpc = pytest.importorskip("grpc")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    got: list[dict[str, str]] = []

    def take(_, context) -> bytes:
        got.append(dict(context.invocation_metadata()))
        return b""

    server = grpc.server(ThreadPoolExecutor(4))
    method = grpc.unary_unary_rpc_method_handler(take)
    for signal in ("trace.v1.Trace", "metrics.v1.Metrics", "logs.v1.Logs"):
        service = f"opentelemetry.proto.collector.{signal}Service"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", got
    server.stop(None).wait()


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("headers", [{"x-token": OURS}, {}])
def test_over_grpc_they_are_not_sent_to_our_endpoint_either(grpc_metadata, headers):
    """Also where we have no headers to send, and the exporter would look for some."""
    address, got = grpc_metadata
    assert run_once(otlp_endpoint=f"http://{address}", otlp_protocol="grpc", otlp_headers=headers)
    assert len(got) == 3
    assert {call.get("x-token") for call in got} == {headers.get("x-token")}
    assert SECRET not in str(got)


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("headers", [{"x-token": OURS}, {}])
def test_over_grpc_they_are_sent_to_the_standard_endpoint(grpc_metadata, monkeypatch, headers):
    """Also where there are headers of ours, with which the exporter would look no further."""
    address, got = grpc_metadata
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{address}")
    assert run_once(otlp_protocol="grpc", otlp_headers=headers)
    assert {call.get("x-token") for call in got} == {headers.get("x-token")}
    assert {call["x-vendor"] for call in got} == {SECRET}


@pytest.mark.usefixtures("foreign")
def test_an_address_without_scheme_leaves_tls_to_its_own_variable(grpc_metadata, monkeypatch):
    """OTEL_EXPORTER_OTLP_INSECURE decides for ``host:port``, as for every other exporter."""
    address, got = grpc_metadata
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
    assert run_once(otlp_protocol="grpc")
    assert {call["x-vendor"] for call in got} == {SECRET}


# --- What is said


def test_what_is_not_sent_is_noted(monkeypatch):
    """Who meant a variable for our endpoint must know; without `otlp_endpoint` there is nothing to say."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={SECRET}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS", f"authorization={SECRET}")
    assert BotanuConfig.load().notes == ()
    said = "is not sent to otlp_endpoint; headers that are meant for it are otlp_headers"
    assert BotanuConfig.load(otlp_endpoint="https://otel.example.com").notes == (
        f"OTEL_EXPORTER_OTLP_HEADERS {said}",
        f"OTEL_EXPORTER_OTLP_LOGS_HEADERS {said}",
    )
