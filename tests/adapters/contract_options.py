"""The contract suite's second half: what every option does, in every adapter.

Requests of all frameworks have `headers.get` and `method`; what is asked of them here is no more than that.
"""

import uuid

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import botanu
from tests.adapters.harness import (
    RUN,
    RUN_HEADER,
    Answer,
    Builder,
    Call,
    Harness,
    baggage_of,
    own_span,
    path_parameter,
    touch_body,
)
from tests.adapters.hostile import MARK

__all__ = ["OptionsContract", "assert_one_run", "outcome"]

JOINED = baggage_of(run_id=RUN, workflow="Upstream", event_id="U-1")
CAPTURED = "botanu.eval.input_content"


def outcome(answer: Answer) -> object:
    """How the run of this answer ended."""
    return (own_span(answer.spans).attributes or {}).get("botanu.outcome.status")


def assert_one_run(answer: Answer, run_id: str) -> None:
    """Header and every span tell of this run."""
    assert answer.run_id == run_id
    assert {(span.attributes or {}).get("botanu.run_id") for span in answer.spans} == {run_id}


def assert_no_run(answer: Answer) -> None:
    """Neither page, nor header, nor any span knows of a run."""
    assert RUN_HEADER not in dict(answer.headers)
    assert all("botanu.run_id" not in (span.attributes or {}) for span in answer.spans)


def header(name):
    """An extractor: what the request says in this header."""
    return lambda request: request.headers.get(name)


def said(caplog):
    """What Botanu has logged."""
    return [record.getMessage() for record in caplog.records if record.name == "botanu"]


def fails(*_):
    """A function of the application with a mistake in it, which quotes the request."""
    raise LookupError(MARK)


class OptionsContract:
    """Every option, on whatever `build` makes."""

    @pytest.fixture
    def web(self, build: Builder, exported: InMemorySpanExporter) -> Harness:
        """The application, the adapter installed once."""
        return build(exported)

    # --- naming the run -----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("workflow", ["Shop", lambda request: f"Shop {request.method}"[:4]])
    def test_workflow_names_the_runs_that_are_opened(self, build, exported, workflow):
        """On every span of the request, the page's own included."""
        answer = build(exported, workflow=workflow).send(Call(path="/plain"))
        assert_one_run(answer, answer.body)
        assert {span.attributes["botanu.workflow"] for span in answer.spans} == {"Shop"}

    @pytest.mark.parametrize("option", ["event_id", "customer_id", "tenant_id"])
    @pytest.mark.parametrize("kind", [str, lambda text: uuid.uuid5(uuid.NAMESPACE_URL, text), len])
    def test_ids_come_from_the_request(self, build, exported, option, kind):
        """A text, a UUID or an integer; it is on every span, and with each request it is another."""
        web = build(exported, **{option: lambda request: kind(request.headers.get("x-id"))})
        for given in ("T-1", "T-22"):
            answer = web.send(Call(path="/plain", headers=[("x-id", given.encode())]))
            assert {span.attributes[f"botanu.{option}"] for span in answer.spans} == {str(kind(given))}
            assert_one_run(answer, answer.body)

    def test_what_only_the_route_knows_is_asked_again(self, build, exported):
        """A path parameter is not there when the request arrives: the run gets it all the same, without a warning."""
        web = build(exported, event_id=lambda request: path_parameter(request, "name"))
        answer = web.send(Call(path="/item/kettle"))
        assert own_span(answer.spans).attributes["botanu.event_id"] == "kettle"

    def test_what_only_the_route_knows_is_no_warning(self, build, exported, caplog):
        """That it was asked before is nobody's mistake."""
        build(exported, event_id=lambda request: path_parameter(request, "name")).send(Call(path="/item/kettle"))
        assert said(caplog) == []

    def test_what_a_neighbour_has_said_stays(self, build, exported):
        """Options fill in what is missing in a run that is joined, and change nothing of it."""
        web = build(exported, workflow="Shop", event_id=header("x-id"), customer_id=header("x-id"))
        answer = web.send(Call(path="/plain", headers=[JOINED, ("x-id", b"mine")]))
        named = {"botanu.workflow": "Upstream", "botanu.event_id": "U-1", "botanu.customer_id": "mine"}
        assert own_span(answer.spans).attributes.items() >= named.items()

    def test_an_event_adopts_a_run_whose_ids_came_from_the_request(self, build, exported):
        """The options know the customer, the page knows the ticket: one run."""
        answer = build(exported, tenant_id=header("x-id")).send(Call(path="/named", headers=[("x-id", b"t-1")]))
        assert_one_run(answer, answer.body)
        attributes = own_span(answer.spans).attributes
        assert (attributes["botanu.event_id"], attributes["botanu.tenant_id"]) == ("T-1", "t-1")

    @pytest.mark.parametrize(
        "extractor",
        [
            fails,
            touch_body,
            lambda request: True,
            lambda request: 1.5,
            lambda request: {"id": MARK},
            lambda request: request,
            lambda request: MARK * 65,
            lambda request: f"{MARK}\r\nset-cookie: a=b",
        ],
        ids=["raises", "body", "bool", "float", "dict", "request", "long", "line feed"],
    )
    @pytest.mark.parametrize("option", ["workflow", "event_id", "customer_id", "tenant_id"])
    def test_an_extractor_that_fails_costs_the_id_only(self, build, exported, option, extractor, caplog):
        """The requests go on and their bodies are whole, the id is absent, and one warning for all quotes nothing."""
        web = build(exported, **{option: extractor})
        for _ in range(3):
            answer = web.send(Call(path="/upload", method="POST", body=b"x" * 1000))
            assert (answer.status, answer.body) == (200, "1000")
            attributes = own_span(answer.spans).attributes
            assert attributes.get(f"botanu.{option}", "unnamed") == "unnamed"
            assert MARK not in repr((answer.headers, dict(attributes)))
        (warning,) = said(caplog)
        assert option in warning
        assert MARK not in caplog.text

    # --- which requests -----------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("excluded", "path"),
        [
            ("/plain", "/plain"),
            ("/plain", "/plain?verbose=1"),
            ("/item/*", "/item/kettle"),
            (lambda request: request.headers.get("x-probe") == "1", "/plain"),
        ],
    )
    def test_what_is_excluded_has_no_run(self, build, exported, excluded, path):
        """No run, no header, no span of ours; the response is what it is without us, a neighbour's run or not."""
        web = build(exported, exclude=["/elsewhere", excluded])
        answer = web.send(Call(path=path, headers=[JOINED, ("x-probe", b"1")]))
        assert (answer.status, answer.body) == (200, "none")
        assert_no_run(answer)

    @pytest.mark.parametrize(
        ("excluded", "path"),
        [
            ("/plai", "/plain"),
            ("/plain/*", "/plain"),
            ("/item", "/item/kettle"),
            ("/ite/*", "/item/kettle"),
            ("/plain", "/item/plain"),
            ("/plain", "/item/kettle?next=/plain"),
            ("/PLAIN", "/plain"),
            (lambda request: None, "/plain"),
            (fails, "/plain"),
            (lambda request: "false", "/plain"),
        ],
    )
    def test_nothing_is_excluded_by_accident(self, build, exported, excluded, path):
        """No substring, no query, no other case; and a function must say True."""
        answer = build(exported, exclude=[excluded]).send(Call(path=path))
        assert_one_run(answer, answer.body)

    def test_a_browser_that_asks_whether_it_may_ask_opens_no_run(self, web):
        """A CORS preflight belongs to no transaction; any other OPTIONS request does."""
        asking = [("origin", b"https://shop.example"), ("access-control-request-method", b"POST")]
        assert_no_run(web.send(Call(path="/plain", method="OPTIONS", headers=asking)))
        assert len(web.send(Call(path="/plain", method="OPTIONS", headers=asking[:1])).run_id) == 36

    # --- the response -------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("path", ["/plain", "/stream", "/status/503"])
    def test_the_response_header_has_whatever_name_is_wanted(self, build, exported, path):
        """That one, and not the usual one."""
        answer = build(exported, response_header="X-Request-Id").send(Call(path=path))
        headers = dict(answer.headers)
        assert headers["x-request-id"] == answer.body.split()[0]
        assert RUN_HEADER not in headers

    @pytest.mark.parametrize("off", [None, False])
    def test_the_response_header_can_be_left_out(self, build, exported, off):
        """The run is there all the same."""
        answer = build(exported, response_header=off).send(Call(path="/plain"))
        assert RUN_HEADER not in dict(answer.headers)
        assert own_span(answer.spans).attributes["botanu.run_id"] == answer.body

    def test_the_header_is_shown_to_scripts_when_asked(self, build, exported):
        """Once, and not without being asked."""
        exposing = "access-control-expose-headers"
        answer = build(exported, expose_header=True).send(Call(path="/plain"))
        assert [value for name, value in answer.headers if name == exposing] == [RUN_HEADER]
        assert exposing not in dict(build(exported).send(Call(path="/plain")).headers)

    # --- trust and capture --------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("trust", "peer", "is_joined"), [("never", "127.0.0.1", False), ("always", "203.0.113.9", True)]
    )
    def test_trust_inbound_overrides_what_is_configured(self, build, exported, trust, peer, is_joined):
        """For this adapter only: the configured answer is `auto`."""
        answer = build(exported, trust_inbound=trust).send(Call(path="/plain", headers=[JOINED], peer=peer))
        assert (answer.run_id == RUN) is is_joined
        assert_one_run(answer, answer.body)

    @pytest.fixture
    def capturing(self, sdk, monkeypatch):
        """An exporter; all content is captured."""
        for signal in ("METRICS", "LOGS"):
            monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
        found = sdk()
        botanu.enable(instrument="none", content_capture_rate=1.0)
        return found

    @pytest.mark.parametrize(
        ("capture", "is_captured"),
        [
            (True, True),
            (False, False),
            (lambda request: request.headers.get("x-consent") == "yes", True),
            (lambda request: request.headers.get("x-consent") == "no", False),
            (lambda request: "yes", False),
            (fails, False),
        ],
    )
    def test_capture_says_whether_content_may_be_kept(self, build, capturing, capture, is_captured):
        """Of these runs, where it is configured at all; a function that fails withholds."""
        web = build(capturing, capture=capture)
        answer = web.send(Call(path="/model", headers=[("x-consent", b"yes")]))
        assert answer.status == 200
        assert any(CAPTURED in span.attributes for span in answer.spans) is is_captured

    def test_what_is_not_to_be_captured_is_so_in_every_service(self, build, capturing):
        """The run says it to its neighbours, and a neighbour that joins it keeps to it."""
        outgoing = build(capturing, capture=False).send(Call(path="/members")).body
        assert "botanu.capture=off" in outgoing
        came = baggage_of(run_id=RUN, capture="off")
        answer = build(capturing).send(Call(path="/model", headers=[came]))
        assert answer.run_id == RUN
        assert not any(CAPTURED in span.attributes for span in answer.spans)

    # --- errors -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("said", "expected"),
        [("canceled", "canceled"), ("partial", "partial"), ("success", "success"), (None, "failed"),
         ("excellent", "failed"), (503, "failed"), ({}, "failed")],
    )  # fmt: skip
    @pytest.mark.parametrize("path", ["/boom", "/stream-boom"])
    def test_on_error_says_what_an_exception_means(self, build, exported, said, expected, path):
        """It is asked once, with the exception and the request; the exception is on the span whatever it says."""
        asked = []

        def on_error(error, request):
            asked.append((type(error).__name__, request.headers.get("x-id")))
            return said

        answer = build(exported, on_error=on_error).send(Call(path=path, headers=[("x-id", b"7")]))
        assert (asked, outcome(answer)) == ([("Boom", "7")], expected)
        assert own_span(answer.spans).attributes["error.type"].endswith("Boom")

    @pytest.mark.parametrize("path", ["/boom", "/late"])
    def test_on_error_that_fails_changes_nothing(self, build, exported, path):
        """The usual outcome stands, and the exception is the page's."""
        bare, ours = build(exported, installs=0), build(exported, on_error=fails)
        assert repr(ours.send(Call(path=path)).error) == repr(bare.send(Call(path=path)).error)
        assert outcome(ours.send(Call(path=path))) == ("failed" if path == "/boom" else "timeout")

    @pytest.mark.parametrize("path", ["/plain", "/status/404", "/status/503", "/said-boom"])
    def test_on_error_is_not_asked_without_need(self, build, exported, path):
        """An answer is no exception; and what the user has said deep inside wins over it."""
        web = build(exported, on_error=lambda error, request: "canceled")
        usual = {"/plain": "success", "/status/503": "failed", "/said-boom": "partial"}
        assert outcome(web.send(Call(path=path))) == usual.get(path)

    # --- wrong --------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("options", "named", "mend"),
        [
            ({"workflow": ""}, "workflow", "printable"),
            ({"workflow": 7}, "workflow", "int"),
            ({"event_id": "T-1"}, "event_id", "lambda request: 'T-1'"),
            ({"customer_id": 7}, "customer_id", "function"),
            ({"tenant_id": lambda: "t"}, "tenant_id", "called with the request"),
            ({"exclude": "/health"}, "exclude", "['/health']"),
            ({"exclude": ["health"]}, "exclude", "'/health'"),
            ({"exclude": ["/*"]}, "exclude", "every request"),
            ({"exclude": ["/a*"]}, "exclude", "'/*'"),
            ({"exclude": ["/a?b=c"]}, "exclude", "'/a'"),
            ({"exclude": [7]}, "exclude", "int"),
            ({"response_header": "x y"}, "response_header", "x-botanu-run-id"),
            ({"response_header": "Set-Cookie"}, "response_header", "x-botanu-run-id"),
            ({"response_header": 7}, "response_header", "int"),
            ({"expose_header": "yes"}, "expose_header", "True or False"),
            ({"expose_header": True, "response_header": None}, "expose_header", "leave one"),
            ({"trust_inbound": "sometimes"}, "trust_inbound", "'auto'"),
            ({"trust_inbound": True}, "trust_inbound", "bool"),
            ({"capture": 0.5}, "capture", "True, False or a function"),
            ({"on_error": "failed"}, "on_error", "function"),
            ({"on_error": lambda error: None}, "on_error", "the exception and the request"),
            ({"worflow": "Shop"}, "worflow", "workflow"),
        ],
    )
    def test_a_wrong_option_is_an_error_at_start_up(self, build, exported, options, named, mend):
        """It names the option, what came, and the mend."""
        with pytest.raises(Exception) as caught:
            build(exported, **options).start()
        assert named in str(caught.value)
        assert mend in str(caught.value)

    @pytest.mark.parametrize("option", ["event_id", "workflow", "capture", "on_error"])
    def test_an_async_function_is_an_error_at_start_up(self, build, exported, option):
        """Its answer would come too late."""

        async def ask(*_):
            return "T-1"

        with pytest.raises(Exception, match=f"{option} must be a plain function"):
            build(exported, **{option: ask}).start()

    def test_right_options_start(self, build, exported):
        """All of them at once."""
        options = {
            "workflow": "Shop", "event_id": header("a"), "customer_id": header("b"), "tenant_id": header("c"),
            "exclude": ("/health", "/metrics/*", fails), "response_header": "X-Run", "expose_header": True,
            "trust_inbound": "auto", "capture": False, "on_error": lambda error, request: None,
        }  # fmt: skip
        build(exported, **options).start()
