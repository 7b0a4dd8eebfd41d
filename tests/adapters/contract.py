"""The contract suite: what every adapter must do, whatever its framework.

A test class of an adapter takes `AdapterContract` for its base and gives it one fixture, `build`: a function that
makes a `Harness`, an application that serves `PAGES` with the adapter in it.

    class TestFlask(AdapterContract):
        @pytest.fixture
        def build(self):
            return FlaskHarness  # FlaskHarness(exporter, installs=1, **options)

What the options do is in `contract_options`, and comes with it.
"""

import json

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import botanu
from botanu_core.runtime import guard
from demo.receiver import Receiver
from tests.adapters.contract_options import OptionsContract, assert_one_run, outcome
from tests.adapters.crowd import check_crowd
from tests.adapters.harness import OTHER_RUN, RUN, RUN_HEADER, Call, baggage_of, own_span
from tests.adapters.hostile import HOSTILE, MARK, STRANGERS
from tests.adapters.pages import BOOM

__all__ = ["AdapterContract"]

TRUSTED = baggage_of(run_id=RUN, workflow="Customer Support", event_id="T-1", customer_id="acme")
ANONYMOUS = baggage_of(run_id=RUN, workflow="Customer Support")
STATUS = "botanu.outcome.status"


class AdapterContract(OptionsContract):
    """Subclass it with a `build` fixture."""

    # --- which run ----------------------------------------------------------------------------------------------

    def test_a_trusted_run_is_continued(self, web):
        """A run from a neighbour goes on here: page, response header and every span carry its id and its names."""
        answer = web.send(Call(path="/plain", headers=[TRUSTED]))
        assert (answer.status, answer.body) == (200, RUN)
        assert_one_run(answer, RUN)
        named = {
            "botanu.workflow": "Customer Support",
            "botanu.event_id": "T-1",
            "botanu.customer_id": "acme",
            "botanu.run.joined": True,
        }
        assert own_span(answer.spans).attributes.items() >= named.items()

    @pytest.mark.parametrize("name", ["baggage", "Baggage", "BAGGAGE", "X-Botanu-Run"])
    def test_the_case_of_the_header_does_not_matter(self, web, name):
        """A run is found whatever the case of its header, and under the name it has when baggage is full."""
        assert web.send(Call(path="/plain", headers=[(name, TRUSTED[1])])).body == RUN

    def test_a_run_is_opened_where_there_is_none(self, web):
        """Each request without a run gets one of its own: a UUIDv7, on page, header and all spans."""
        first, second = web.send(Call(path="/plain")), web.send(Call(path="/plain"))
        for answer in (first, second):
            assert len(answer.body) == 36
            assert answer.body[14] == "7"
            assert_one_run(answer, answer.body)
            assert "botanu.run.joined" not in own_span(answer.spans).attributes
        assert first.body != second.body

    def test_the_request_has_one_server_span_with_route_method_status_and_path(self, web):
        """The run's own span is an HTTP server span, named by the template and never by the path."""
        answer = web.send(Call(path="/item/kettle-4711"))
        span = own_span(answer.spans)
        assert span.name.startswith("GET /item/")
        assert "4711" not in span.name
        assert "4711" not in span.attributes["http.route"]
        assert span.attributes["url.path"] == "/item/kettle-4711"
        assert (span.attributes["http.request.method"], span.attributes["http.response.status_code"]) == ("GET", 200)
        assert span.attributes["botanu.run.duration_ms"] > 0

    def test_an_event_names_the_run_that_was_opened(self, web):
        """What `event` names is the run of the request, not a second one; the server span learns the names."""
        answer = web.send(Call(path="/named"))
        assert_one_run(answer, answer.body)
        attributes = own_span(answer.spans).attributes
        assert (attributes["botanu.workflow"], attributes["botanu.event_id"]) == ("Customer Support", "T-1")
        assert (attributes["botanu.customer_id"], attributes[STATUS]) == ("acme", "success")

    def test_a_joined_run_without_event_id_is_named_likewise(self, web):
        """A neighbour's run that nobody has given an event id gets it here, under the same run id."""
        answer = web.send(Call(path="/named", headers=[ANONYMOUS]))
        assert answer.body == RUN
        assert_one_run(answer, RUN)
        assert own_span(answer.spans).attributes["botanu.event_id"] == "T-1"

    def test_an_event_with_other_ids_nests(self, web):
        """Another transaction in a neighbour's run has its own id and names its parent; the request keeps its run."""
        answer = web.send(Call(path="/named-otherwise", headers=[TRUSTED]))
        assert answer.run_id == RUN
        assert answer.body != RUN
        (nested,) = [span for span in answer.spans if span.attributes["botanu.run_id"] == answer.body]
        assert nested.attributes["botanu.parent_run_id"] == RUN

    def test_only_the_opener_says_completed(self, build, sdk):
        """Of two requests, one with a neighbour's run, one run is completed here: the one that was opened here."""
        exporter = sdk()
        with Receiver() as receiver:
            botanu.enable(otlp_endpoint=receiver.endpoint, instrument="none")
            web = build(exporter)
            opened = web.send(Call(path="/plain")).run_id
            web.send(Call(path="/plain", headers=[TRUSTED]))
            assert botanu.disable()
            completed = [event for event in receiver.events() if event.event_name == "botanu.run.completed"]
        assert [event.attributes["botanu.run_id"] for event in completed] == [opened]

    # --- how it ended -------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("code", "expected"),
        [(200, "success"), (201, "success"), (302, "success"), (400, None), (404, None), (422, None), (499, None),
         (500, "failed"), (503, "failed")],
    )  # fmt: skip
    def test_the_status_decides_where_nobody_has_said(self, web, code, expected):
        """5xx is a failure of ours; whose fault a 4xx is nobody knows; all else is a success."""
        answer = web.send(Call(path=f"/status/{code}"))
        assert (answer.status, outcome(answer)) == (code, expected)
        assert own_span(answer.spans).status.status_code is (StatusCode.ERROR if code >= 500 else StatusCode.UNSET)
        assert_one_run(answer, answer.body)

    def test_an_exception_is_a_failure_and_passes_unchanged(self, web):
        """The same exception object reaches the server; it is on the server span once, and the run has failed."""
        answer = web.send(Call(path="/boom"))
        assert answer.status == 500
        assert answer.error is (BOOM if web.reraises else None)
        span = own_span(answer.spans)
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes[STATUS], span.attributes["botanu.outcome.error_type"]) == ("failed", "Boom")

    def test_an_exception_is_written_in_full_once(self, web):
        """Of all spans of the run one tells type, message and stack."""
        answer = web.send(Call(path="/boom"))
        told = [event for span in answer.spans for event in span.events if event.name == "exception"]
        assert [event.attributes["exception.message"] for event in told] == ["the kettle is empty"]

    def test_a_timeout_is_a_timeout(self, web):
        """`TimeoutError` has an outcome of its own."""
        assert outcome(web.send(Call(path="/late"))) == "timeout"

    @pytest.mark.parametrize("path", ["/said/200", "/said/404", "/said/500", "/said-boom"])
    def test_the_users_word_wins(self, web, path):
        """What `emit_outcome` said deep inside stands, whatever the status and whatever is raised after it."""
        answer = web.send(Call(path=path))
        assert outcome(answer) == "partial"

    def test_a_client_that_goes_away_cancels(self, web):
        """When the client leaves half-way the run is over and canceled, and the adapter raises nothing."""
        answer = web.send(Call(path="/endless", leaves_after=2))
        assert (outcome(answer), answer.error) == ("canceled", None)

    # --- streams ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("headers", [[], [TRUSTED]], ids=["opened", "joined"])
    def test_a_stream_is_inside_the_run_until_its_end(self, web, headers):
        """Every chunk is made in the run, the spans of chunks are its children, and it ends after the last."""
        answer = web.send(Call(path="/stream", headers=headers))
        assert answer.body.split() == [answer.run_id] * 3
        assert_one_run(answer, answer.run_id)
        own = own_span(answer.spans)
        chunks = [span for span in answer.spans if span.name.startswith("chunk ")]
        assert [span.name for span in chunks] == ["chunk 0", "chunk 1", "chunk 2"]
        assert {span.context.trace_id for span in chunks} == {own.context.trace_id}
        assert all(own.start_time <= span.start_time and span.end_time <= own.end_time for span in chunks)
        assert own.attributes[STATUS] == "success"

    def test_a_stream_that_breaks_is_a_failure(self, web):
        """The status was 200 and half the body is out: the run has failed all the same, and the exception passes."""
        answer = web.send(Call(path="/stream-boom"))
        assert (answer.status, answer.error, outcome(answer)) == (200, BOOM, "failed")
        assert len(answer.body.split()) == 2

    # --- apart --------------------------------------------------------------------------------------------------

    def test_a_hundred_requests_at_once_keep_apart(self, web, exported):
        """Page, log record, span and response header agree on the run of each of a hundred mixed requests."""
        check_crowd(web, exported)

    @pytest.mark.parametrize("path", ["/plain", "/named", "/stream", "/boom", "/stream-boom", "/status/503"])
    def test_nothing_is_left_behind(self, web, path, caplog):
        """However a request ends, run, baggage and span are gone, nobody logs a failed detach, and the next is new."""
        web.send(Call(path=path, headers=[TRUSTED]))
        assert botanu.get_current_run() is None
        assert not trace.get_current_span().get_span_context().is_valid
        assert not otel.get_current()
        assert not baggage.get_all()
        assert web.send(Call(path="/plain")).body != RUN
        assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []

    # --- robust -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("path", ["/plain", "/stream", "/status/500"])
    def test_a_second_install_changes_nothing(self, build, exported, path):
        """Installed twice, there is one server span, one header, one end."""
        once, twice = build(exported).send(Call(path=path)), build(exported, installs=2).send(Call(path=path))
        assert sorted(span.name for span in twice.spans) == sorted(span.name for span in once.spans)
        assert own_span(twice.spans).attributes.keys() == own_span(once.spans).attributes.keys()
        assert_one_run(twice, twice.body.split()[0])

    @pytest.mark.parametrize("broken", ["exporter", "on_start", "on_end"])
    @pytest.mark.parametrize("path", ["/plain", "/boom", "/stream"])
    def test_a_broken_exporter_never_reaches_the_user(self, build, sdk, broken, path):
        """Status, body and exception are what they are without telemetry, whoever of the exporters raises."""
        guard.strict(False)
        exporter = sdk()
        trace.get_tracer_provider().add_span_processor(_broken(broken))
        bare, ours = build(exporter, installs=0).send(Call(path=path)), build(exporter).send(Call(path=path))
        assert (ours.status, repr(ours.error)) == (bare.status, repr(bare.error))
        assert len(ours.body.split()) == len(bare.body.split())

    @pytest.mark.parametrize("headers", HOSTILE)
    def test_hostile_headers_open_a_fresh_run_and_are_not_echoed(self, web, headers, caplog):
        """Whatever stands in the headers: 200, a fresh run, and nothing of it on response, span or log line of ours."""
        caplog.set_level("DEBUG")
        answer = web.send(Call(path="/plain", headers=headers))
        assert answer.status == 200
        assert answer.body not in (RUN, OTHER_RUN)
        assert_one_run(answer, answer.body)
        seen = [*answer.headers, *(value for span in answer.spans for value in span.attributes.values()),
                *(record.getMessage() for record in caplog.records if record.name.startswith("botanu"))]  # fmt: skip
        assert MARK not in repr(seen)

    @pytest.mark.parametrize("call", STRANGERS)
    def test_a_strangers_run_is_refused(self, web, call):
        """A run from a public address, or forwarded for one, is dropped whole, its customer included."""
        answer = web.send(call)
        assert answer.status == 200
        assert answer.body != RUN
        assert_one_run(answer, answer.body)
        assert MARK not in repr([dict(span.attributes) for span in answer.spans])
        assert [value for name, value in answer.headers if name == RUN_HEADER] == [answer.body]

    @pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.7", "::ffff:172.16.0.1", None])
    def test_a_neighbours_run_is_taken(self, web, peer):
        """Loopback and private addresses are neighbours, and so is who has no address at all."""
        assert web.send(Call(path="/plain", headers=[TRUSTED], peer=peer)).body == RUN

    def test_two_baggage_lines_are_one(self, web):
        """A run in the second of two lines is found, and what stands after a `;` is cut off."""
        lines = [("baggage", b"theirs=1"), ("baggage", TRUSTED[1] + b";" + MARK.encode() + b"=1")]
        answer = web.send(Call(path="/plain", headers=lines))
        assert answer.body == RUN
        assert MARK not in repr([dict(span.attributes) for span in answer.spans])

    @pytest.mark.parametrize("ours", [[], [TRUSTED]], ids=["alone", "beside a run"])
    def test_other_peoples_baggage_passes(self, web, ours):
        """Members of others are there inside and go on to a neighbour, beside the run of this request."""
        answer = web.send(Call(path="/members", headers=[("baggage", b"tier=gold"), *ours]))
        told = json.loads(answer.body)
        assert told["inside"]["tier"] == "gold"
        outgoing = told["outgoing"]["baggage"].split(",")
        assert "tier=gold" in outgoing
        assert f"botanu.run_id={answer.run_id}" in outgoing

    def test_a_strangers_members_go_no_further(self, web):
        """What a stranger sends under our prefix is neither inside nor passed on; the rest of his baggage is."""
        header = ("baggage", f"tier=gold,botanu.run_id={RUN},botanu.tenant_id={MARK},botanu.own={MARK}".encode())
        answer = web.send(Call(path="/members", headers=[header], peer="203.0.113.9"))
        assert MARK not in answer.body
        assert RUN not in answer.body
        assert "tier=gold" in json.loads(answer.body)["outgoing"]["baggage"]


def _broken(what: str) -> SpanProcessor:
    class Broken(SpanExporter, SpanProcessor):
        def export(self, spans):
            raise RuntimeError("exporter")

        def on_start(self, span, parent_context=None):
            if what == "on_start" and span.kind is SpanKind.SERVER:
                raise RuntimeError("on_start")

        def on_end(self, span):
            if what == "on_end" and span.kind is SpanKind.SERVER:
                raise RuntimeError("on_end")

        def shutdown(self):
            pass

        def force_flush(self, timeout_millis=30_000):
            return True

    return SimpleSpanProcessor(Broken()) if what == "exporter" else Broken()
