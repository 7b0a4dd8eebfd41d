"""The header that carries the run's id, among those of the application."""

import pytest

from botanu_core import adapter

RUN = "0190f8a4-5d9e-7c3b-8f21-9a4b6c2d1e0f"
OURS = ("x-botanu-run-id", RUN)
EXPOSE = "Access-Control-Expose-Headers"


@pytest.mark.parametrize("theirs", ["x-botanu-run-id", "X-Botanu-Run-Id", "X-BOTANU-RUN-ID"])
def test_one_that_the_application_has_set_is_replaced(theirs):
    """One header, one value; the others stay in their order, repeated ones too."""
    headers = [("Set-Cookie", "a=1"), (theirs, "mine"), ("Set-Cookie", "b=2")]
    found = adapter.with_run(headers, adapter.WebOptions(), RUN)
    assert found == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), OURS]
    assert len(headers) == 3


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ([], "x-botanu-run-id"),
        ([(EXPOSE, "X-Total")], "X-Total, x-botanu-run-id"),
        ([(EXPOSE.lower(), "X-Total , ,X-Page")], "X-Total, X-Page, x-botanu-run-id"),
        ([(EXPOSE, "A"), (EXPOSE, "B")], "A, B, x-botanu-run-id"),
        ([(EXPOSE, "X-Botanu-Run-Id")], "X-Botanu-Run-Id"),
        ([(EXPOSE, "*")], "*, x-botanu-run-id"),
        ([(EXPOSE, "")], "x-botanu-run-id"),
    ],
)
def test_what_the_application_exposes_stays_exposed(existing, expected):
    """Ours is added to it, once."""
    found = adapter.with_run(existing, adapter.WebOptions(expose_header=True), RUN)
    assert [value for name, value in found if name == EXPOSE] == [expected]
    assert len([name for name, _ in found if name.lower() == EXPOSE.lower()]) == 1


def test_no_header_is_no_header():
    """The application's are as they were."""
    assert adapter.with_run([("a", "b")], adapter.WebOptions(response_header=None), RUN) == [("a", "b")]


def test_framework_settings_are_options_by_their_prefix():
    """`BOTANU_EVENT_ID` is `event_id`, and a name that is none is left in to be complained about."""
    settings = {"BOTANU_WORKFLOW": "Shop", "DEBUG": True, "BOTANU_WORKFLO": "Shop"}
    options = adapter.prefixed(settings)
    assert options == {"workflow": "Shop", "workflo": "Shop"}
    (problem,) = adapter.problems_of(options)
    assert (problem.option, problem.text) == (
        "workflo",
        "workflo is no option of a web adapter; did you mean workflow?",
    )


def test_all_mistakes_are_told_at_once():
    """Whoever mends one does not start again to hear of the next."""
    with pytest.raises(adapter.ConfigError, match=r"event_id must .*; capture must "):
        adapter.WebOptions.of({"event_id": "T-1", "capture": 1})
