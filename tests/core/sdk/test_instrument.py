"""Instrumentors are switched on through their entry points, reported one by one, and switched off again."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import fastapi
import pytest
import requests

from botanu_core.sdk.instrument import InstrumentReport, switch_off

pytest.importorskip("opentelemetry.instrumentation.httpx")
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor


def test_importing_the_module_needs_no_instrumentation_package():
    """The module can be imported where `opentelemetry.instrumentation` is not installed."""
    code = "import sys, botanu_core.sdk.instrument; print('opentelemetry.instrumentation' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert run.stdout.strip() == "False"


def test_all_switches_on_what_is_installed_and_whose_library_is_there(on):
    """`"all"` reports every installed instrumentor, and those that work are on."""
    states = on("all").states()
    assert states["httpx"] == states["requests"] == states["fastapi"] == states["threading"] == "on"
    assert hasattr(requests.Session.send, "__wrapped__")
    assert fastapi.FastAPI.__name__ == "_InstrumentedFastAPI"


def test_what_was_switched_on_is_switched_off_again(on):
    """After `switch_off` the libraries are as before, and a second one changes nothing."""
    before = fastapi.FastAPI, requests.Session.send
    reports = on("all").all
    switch_off(reports)
    assert (fastapi.FastAPI, requests.Session.send) == before
    switch_off(reports)
    assert (fastapi.FastAPI, requests.Session.send) == before


def test_the_second_enable_after_a_disable_works(on):
    """Instrumentors can be switched on, off and on again."""
    switch_off(on("all").all)
    assert on(["httpx"])["httpx"].state == "on"


def test_a_working_instrumentor_names_its_distribution(on):
    """The report says which distribution is at work, and no more for one that records no content."""
    assert on(["httpx"])["httpx"].detail.startswith("opentelemetry-instrumentation-httpx 0.")
    assert "prompts" not in on(["threading"])["threading"].detail


@pytest.mark.parametrize("wanted", ["none", [], ["none"], ()])
def test_none_switches_on_nothing(on, wanted):
    """`"none"` and an empty list leave everything alone."""
    assert on(wanted).all == []


@pytest.mark.parametrize("name", ["httpx", "HTTPX", " Httpx ", "opentelemetry-instrumentation-httpx"])
def test_names_may_be_spelled_freely(on, name):
    """Case, separators and the distribution's prefix do not matter."""
    assert on([name]).states() == {"httpx": "on"}


def test_one_name_may_stand_without_a_list(on):
    """A bare string is one name and not its letters."""
    assert on("requests").states() == {"requests": "on"}


def test_underscore_and_hyphen_are_the_same(on, installed):
    """An entry point `my_client` answers to `My-Client`."""
    installed("my_client")
    assert on(["My-Client"]).states() == {"my_client": "on"}


def test_skipped_ones_are_left_alone(on):
    """What `skip` names is reported as skipped, whatever its spelling."""
    reports = on("all", ["HTTPX", "thread_ing", "threading"])
    assert reports["httpx"] == InstrumentReport("httpx", "skipped", "in skip_instruments")
    assert reports["threading"].state == "skipped"
    assert not HTTPXClientInstrumentor().is_instrumented_by_opentelemetry


@pytest.mark.parametrize("value", ["httpx", "requests , httpx", "*"])
def test_the_standard_variable_skips_even_what_is_named(on, monkeypatch, value):
    """OTEL_PYTHON_DISABLED_INSTRUMENTATIONS is the operator's word and beats the code's."""
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", value)
    assert on(["httpx"])["httpx"].state == "skipped"


def test_what_the_application_switched_on_stays_its_own(on):
    """An instrumentor that was on before is reported so, and outlives our `switch_off`."""
    RequestsInstrumentor().instrument()
    try:
        reports = on(["requests"])
        assert reports["requests"].state == "already on"
        switch_off(reports.all)
        assert RequestsInstrumentor().is_instrumented_by_opentelemetry
    finally:
        RequestsInstrumentor().uninstrument()


def test_what_the_application_switched_off_meanwhile_is_no_error(on, caplog):
    """`switch_off` passes over an instrumentor that somebody else switched off."""
    reports = on(["requests"]).all
    RequestsInstrumentor().uninstrument()
    switch_off(reports)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("redis", "pip install opentelemetry-instrumentation-redis"),
        ("kafka", "pip install opentelemetry-instrumentation-kafka-python"),
        ("openai", "pip install opentelemetry-instrumentation-genai-openai"),
        ("asgi", "has no switch: use OpenTelemetryMiddleware of opentelemetry-instrumentation-asgi by hand"),
        ("htpx", "no instrumentor of this name is installed; did you mean 'httpx'?"),
        ("zzz", "no instrumentor of this name is installed"),
    ],
)
def test_a_name_that_is_not_installed_is_absent_with_the_way_to_get_it(on, name, detail):
    """An absent one names its `pip install` line; an unknown name gets none, as it would be a guess."""
    assert on([name])[name] == InstrumentReport(name, "absent", detail)


def test_an_instrumentor_without_its_library_is_absent(on, installed):
    """The library is looked for before anything is imported, as the official auto-instrumentation does."""
    installed("lost", requires="Requires-Dist: no-such-library>=2; extra == 'instruments'\n", module="raise OSError")
    assert on("all")["lost"] == InstrumentReport("lost", "absent", "needs no-such-library>=2")


def test_a_library_of_the_wrong_version_is_absent_with_what_was_found(on, installed):
    """A version conflict names both versions."""
    installed("old", requires="Requires-Dist: requests<1; extra == 'instruments'\n")
    detail = on("all")["old"].detail
    assert detail.startswith("needs requests<1, found requests 2.")


def test_one_of_several_libraries_is_named_when_none_is_there(on, installed):
    """Instrumentors that serve any of several libraries say so."""
    requires = "".join(f"Requires-Dist: no-such-{n}; extra == 'instruments-any'\n" for n in "ab")
    installed("either", requires=requires)
    assert on("all")["either"].detail == "needs no-such-a or no-such-b"


def test_an_instrumentor_that_names_its_library_itself_is_absent_without_it(on, installed, caplog):
    """One whose metadata is silent says it when switched on; that is no error and writes no log."""
    installed("silent", library="no-such-library > 1")
    assert on("all")["silent"] == InstrumentReport("silent", "absent", "needs no-such-library > 1")
    assert caplog.records == []


def test_a_missing_module_is_absent(on, installed):
    """An instrumentor that misses a module when loaded counts as not installed."""
    installed("gone", module="import no_such_module_at_all")
    assert on("all")["gone"] == InstrumentReport("gone", "absent", "No module named 'no_such_module_at_all'")


@pytest.mark.parametrize(
    ("broken", "detail"),
    [
        ({"on": "raise RuntimeError('no\\nluck')"}, "RuntimeError: no luck"),
        ({"on": "raise KeyError()"}, "KeyError"),
        ({"module": "raise SystemExit('bye')"}, "SystemExit: bye"),
        ({"module": "Instrumentor = 3"}, "TypeError: 'int' object is not callable"),
        ({"module": "x = 1"}, "AttributeError: module 'fake_instrumentor_bad' has no attribute 'Instrumentor'"),
        ({"requires": "Requires-Dist: ==; extra == 'instruments'\n"}, "InvalidRequirement: "),
    ],
)
def test_a_broken_one_is_reported_and_the_others_work(on, installed, broken, detail):
    """Whatever an instrumentor raises becomes one line; it does not get out, and the rest is switched on."""
    installed("bad", **broken)
    reports = on("all")
    assert reports["bad"].state == "broken"
    assert reports["bad"].detail.startswith(detail)
    assert reports["httpx"].state == "on"


def test_a_broken_entry_points_file_does_not_hide_the_others(on, installed, tmp_path):
    """One distribution whose entry_points.txt cannot be read leaves those of the others."""
    installed("fine")
    info = tmp_path / "garbled-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: garbled\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(b"[opentelemetry_instrumentor]\n\xff\xfe = \n[]]\nx\n")
    with pytest.raises(ValueError):
        entry_points(group="opentelemetry_instrumentor")
    assert on(["fine", "httpx"]).states() == {"fine": "on", "httpx": "on"}


def test_one_that_raises_when_switched_off_does_not_stop_the_rest(on, installed, caplog):
    """`switch_off` logs what raised and goes on."""
    installed("sticky", off="raise RuntimeError('stuck')")
    switch_off(on(["requests", "sticky"]).all)
    assert not RequestsInstrumentor().is_instrumented_by_opentelemetry
    assert "sticky instrumentor raised when switched off (RuntimeError" in caplog.text


OPENLLMETRY = "Requires-Dist: opentelemetry-semantic-conventions-ai>=0.4\n"
OPENINFERENCE = "Requires-Dist: openinference-instrumentation (>=0.1)\n"
HIDE = [f"OPENINFERENCE_HIDE_{name}" for name in ("INPUTS", "OUTPUTS", "EMBEDDINGS_TEXT")]


@pytest.fixture
def content(monkeypatch):
    """What the variables about prompts hold; none is set."""
    names = ["TRACELOOP_TRACE_CONTENT", *HIDE, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    return lambda: {name: os.environ[name] for name in names if name in os.environ}


@pytest.mark.parametrize(
    ("requires", "off", "cure"),
    [
        (OPENLLMETRY, {"TRACELOOP_TRACE_CONTENT": "false"}, "TRACELOOP_TRACE_CONTENT=true"),
        (OPENINFERENCE, dict.fromkeys(HIDE, "true"), ", ".join(f"{name}=false" for name in HIDE)),
    ],
)
def test_one_that_records_prompts_by_default_withholds_them(on, installed, content, requires, off, cure):
    """Its own variable is set before it is switched on, for some read it only then, and taken away at the end."""
    (name,) = off.keys() & {"TRACELOOP_TRACE_CONTENT", "OPENINFERENCE_HIDE_INPUTS"}
    value = off[name]
    installed("chatty", requires=requires, on=f"import os; assert os.environ['{name}'] == '{value}'")
    reports = on(["chatty"])
    assert reports["chatty"].state == "on"
    assert reports["chatty"].detail == f"fake_instrumentor_chatty 1.0, prompts withheld; set {cure} to record them"
    assert content() == off
    switch_off(reports.all)
    assert content() == {}


def test_what_the_user_has_set_about_prompts_stays(on, installed, content, monkeypatch):
    """Each variable by itself; what is set by us is all that the report speaks of."""
    monkeypatch.setenv("TRACELOOP_TRACE_CONTENT", "true")
    monkeypatch.setenv("OPENINFERENCE_HIDE_INPUTS", "false")
    installed("chatty", requires=OPENLLMETRY)
    installed("talker", requires=OPENINFERENCE)
    reports = on(["chatty", "talker"])
    assert reports["chatty"].detail == "fake_instrumentor_chatty 1.0"
    cure = "OPENINFERENCE_HIDE_OUTPUTS=false, OPENINFERENCE_HIDE_EMBEDDINGS_TEXT=false"
    assert reports["talker"].detail == f"fake_instrumentor_talker 1.0, prompts withheld; set {cure} to record them"
    switch_off(reports.all)
    assert content() == {"TRACELOOP_TRACE_CONTENT": "true", "OPENINFERENCE_HIDE_INPUTS": "false"}


def test_two_of_one_family_both_say_so(on, installed, content):
    """That the first has set the variable is not taken for the user's word by the second."""
    for name in ("chatty", "talker"):
        installed(name, requires=OPENLLMETRY)
    reports = on(["chatty", "talker"])
    assert all("prompts withheld" in report.detail for report in reports.all)
    switch_off(reports.all)
    assert content() == {}


def test_what_was_changed_since_is_not_taken_away(on, installed, content, monkeypatch):
    """A value that is not ours any more stays at the end."""
    installed("chatty", requires=OPENLLMETRY)
    reports = on(["chatty"])
    monkeypatch.setenv("TRACELOOP_TRACE_CONTENT", "true")
    switch_off(reports.all)
    assert content() == {"TRACELOOP_TRACE_CONTENT": "true"}


@pytest.mark.parametrize("broken", [{"on": "raise RuntimeError"}, {"module": "import no_such_module_at_all"}])
def test_one_that_did_not_switch_on_leaves_no_variable_behind(on, installed, content, broken):
    """Nothing was withheld, for nothing was recorded."""
    installed("chatty", requires=OPENLLMETRY, **broken)
    assert on(["chatty"])["chatty"].state in ("broken", "absent")
    assert content() == {}


def test_one_that_could_not_be_switched_off_goes_on_withholding(on, installed, content):
    """It may be at work still."""
    installed("chatty", requires=OPENLLMETRY, off="raise RuntimeError")
    installed("talker", requires=OPENLLMETRY)
    switch_off(on(["chatty", "talker"]).all)
    assert content() == {"TRACELOOP_TRACE_CONTENT": "false"}


def test_the_standard_variable_about_prompts_is_left_as_it_is(on, content, monkeypatch):
    """OpenTelemetry's own instrumentors record nothing unless it says so; the word is the user's."""
    on("all")
    assert content() == {}
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    on("all")
    assert content() == {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}


@pytest.mark.parametrize("name", ["logging", "system_metrics", "structlog", "exceptions"])
def test_what_reaches_beyond_spans_is_switched_on_only_when_named(on, installed, name):
    """Instrumentors that export log records or watch the host are not part of `"all"`."""
    if name == "logging":
        pytest.importorskip("opentelemetry.instrumentation.logging")
    else:
        installed(name)
    skipped = on("all")[name]
    assert skipped.state == "skipped"
    assert skipped.detail.endswith("name it to have it")
    assert on([name])[name].state == "on"


def test_all_and_a_name_together_are_all_and_that_one(on, installed):
    """`["all", "structlog"]` is the way to have everything and one that is left alone otherwise."""
    installed("structlog")
    states = on(["all", "structlog"]).states()
    assert states["structlog"] == states["httpx"] == "on"
    assert "all" not in states


def test_without_the_instrumentation_package_everything_is_absent(on, installed, monkeypatch):
    """Entry points without `opentelemetry-instrumentation` itself are reported and raise nothing."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry.instrumentation")]:
        monkeypatch.setitem(sys.modules, name, None)
    installed("orphan")
    assert on(["orphan"])["orphan"].state == "absent"


def test_switching_on_says_nothing_in_the_log(on, caplog):
    """The report is the only output."""
    on("all")
    assert caplog.records == []
