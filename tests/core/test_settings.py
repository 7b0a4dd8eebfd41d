"""The settings in force: the environment read without ever failing, in the meaning that `BotanuConfig` gives it."""

import os

import pytest

from botanu_core import log, settings
from botanu_core.errors import ConfigError
from botanu_core.sdk.config import BotanuConfig
from botanu_core.settings import Settings

KEY, OLD_KEY = "k" * 32, "a-key-that-was-in-use-until-yesterday"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    """No variable of the machine that runs the tests is seen."""
    for name in os.environ:
        if name.startswith(("BOTANU_", "OTEL_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("BOTANU_ENVIRONMENT", " staging ", "environment", "staging"),
        ("BOTANU_SEMCONV", "OTel", "semconv", "otel"),
        ("BOTANU_CONTENT_CAPTURE_RATE", "0.25", "content_capture_rate", 0.25),
        ("BOTANU_MAX_CONTENT_CHARS", " 100 ", "max_content_chars", 100),
        ("BOTANU_PROPAGATE_TO", "Never", "propagate_mode", "never"),
        ("BOTANU_PROPAGATE_TO", "always", "propagate_mode", "always"),
        ("BOTANU_PROPAGATE_TO", "*.Example.com, 10.1.0.0/16,", "propagate_hosts", ("*.example.com", "10.1.0.0/16")),
        ("BOTANU_PROPAGATE_TO", "inside,a.example.com", "propagate_hosts", ("a.example.com",)),
        ("BOTANU_TRUST_INBOUND", "Always", "trust_inbound", "always"),
        ("BOTANU_TRUST_INBOUND", "never", "trust_inbound", "never"),
        ("BOTANU_CUSTOMER_METRIC_LIMIT", "50", "customer_metric_limit", 50),
        ("BOTANU_TRUSTED_PROXIES", "2", "trusted_proxies", 2),
        ("BOTANU_BAGGAGE_KEY", f"{KEY}, {OLD_KEY},", "baggage_keys", (KEY.encode(), OLD_KEY.encode())),
        ("BOTANU_SIGNATURE_LIFETIME_S", "60", "signature_lifetime_s", 60.0),
        ("BOTANU_CLOCK_SKEW_S", "0.5", "clock_skew_s", 0.5),
        ("BOTANU_WITHHOLD_TRACE_CONTEXT", "True", "withhold_trace_context", True),
        ("BOTANU_CUSTOMER_ID_KEY", KEY, "customer_id_key", KEY.encode()),
        ("BOTANU_CAPTURE_INPUT", "no", "capture_input", False),
        ("BOTANU_CAPTURE_OUTPUT", "0", "capture_output", False),
        (
            "BOTANU_CONTENT_CAPTURE_RATES",
            "Customer Support=0.5, a=b=1",
            "content_capture_rates",
            {"Customer Support": 0.5, "a=b": 1.0},
        ),
    ],
)
def test_the_environment_alone_means_what_it_means_to_enable(monkeypatch, variable, text, field, value):
    """Before `enable()` as after it."""
    monkeypatch.setenv(variable, text)
    assert getattr(Settings.from_env(), field) == value
    assert Settings.from_env() == BotanuConfig.load().settings()
    assert log.counted() == {}


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("BOTANU_SEMCONV", "old", "must be 'botanu' or 'otel'"),
        ("BOTANU_CONTENT_CAPTURE_RATE", "20%", "must lie in 0.0-1.0"),
        ("BOTANU_CONTENT_CAPTURE_RATE", "nan", "must lie in 0.0-1.0"),
        ("BOTANU_MAX_CONTENT_CHARS", "4k", "must be a whole number, 1 to 1000000"),
        ("BOTANU_MAX_CONTENT_CHARS", "0", "must be a whole number, 1 to 1000000"),
        ("BOTANU_PROPAGATE_TO", "*", "must hold host patterns such as *.example.com"),
        ("BOTANU_PROPAGATE_TO", "always,inside", "must be 'always' or 'never' alone"),
        ("BOTANU_PROPAGATE_TO", "10.1.2.3/16", "must name a network by its first address, 10.1.0.0/16"),
        ("BOTANU_TRUST_INBOUND", "yes", "must be 'auto', 'signed', 'always' or 'never'"),
        ("BOTANU_TRUSTED_PROXIES", "two", "must be a whole number, 0 to 64"),
        ("BOTANU_SIGNATURE_LIFETIME_S", "0", "must be 1 to 86400 seconds"),
        ("BOTANU_CLOCK_SKEW_S", "-1", "must be 0 to 3600 seconds"),
        ("BOTANU_WITHHOLD_TRACE_CONTEXT", "maybe", "must be true or false"),
        ("BOTANU_CAPTURE_INPUT", "2", "must be true or false"),
        ("BOTANU_CONTENT_CAPTURE_RATES", "Support", "must be 'workflow=rate,workflow=rate'"),
        ("BOTANU_CONTENT_CAPTURE_RATES", "Support=2", "must be 'workflow=rate,workflow=rate'"),
        ("BOTANU_CONTENT_CAPTURE_RATES", "A=0.1,A=0.2", "must be 'workflow=rate,workflow=rate'"),
        ("BOTANU_CUSTOMER_METRIC_LIMIT", "-1", "must be a whole number, 0 to 100000"),
    ],
)
def test_a_wrong_variable_is_named_once_and_the_default_taken(monkeypatch, caplog, variable, text, said):
    """In the words with which `enable()` refuses it."""
    monkeypatch.setenv(variable, text)
    assert Settings.from_env() == Settings.from_env() == Settings()
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{variable} {said}")
    assert log.counted() == {f"settings.{variable}": 2}
    with pytest.raises(ConfigError) as caught:
        BotanuConfig.load()
    assert str(caught.value).startswith(f"{variable} {said}")


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("BOTANU_BAGGAGE_KEY", "brief", "trust_inbound", "signed"),
        ("BOTANU_BAGGAGE_KEY", f"{KEY},brief", "trust_inbound", "signed"),
        ("BOTANU_CUSTOMER_ID", "hsh", "customer_id_form", "hashed"),
    ],
)
def test_a_guard_that_cannot_be_read_stands(monkeypatch, caplog, variable, text, field, value):
    """A key that will not do lets nobody in, and a form that nobody knows names no customer."""
    monkeypatch.setenv(variable, text)
    found = Settings.from_env()
    assert getattr(found, field) == value
    assert (found.baggage_keys, found.customer_id_key) == ((), None)
    said = caplog.records[0].getMessage()
    assert said.startswith(f"{variable} must ")
    assert "the default is in force" not in said
    assert text not in caplog.text
    with pytest.raises(ConfigError):
        BotanuConfig.load()


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("true", 1.0), ("TRUE", 1.0), ("1", 1.0), ("span_only", 1.0), ("SPAN_AND_EVENT", 1.0), ("", 0.0), (" ", 0.0),
        ("false", 0.0), ("no_content", 0.0), ("event_only", 0.0), ("whatever", 0.0),
    ],
)  # fmt: skip
def test_the_standard_switch_for_content(monkeypatch, text, rate):
    """It captures where nothing of ours is said; ours says how much; and where it says no, nothing is captured."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", text)
    assert Settings.from_env().capture_rate("A") == rate
    assert BotanuConfig.load().settings() == Settings.from_env()
    monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATE", "0.25")
    monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATES", "A=0.5")
    said = BotanuConfig.load().settings()
    assert said == Settings.from_env()
    is_refused = bool(text.strip()) and rate == 0.0
    assert [said.capture_rate(name) for name in ("A", "B", None)] == [
        0.0 if is_refused else x for x in (0.5, 0.25, 0.25)
    ]
    assert any("has no effect" in note for note in BotanuConfig.load().notes) is is_refused


def test_no_key_is_shown():
    """Neither in `repr` of what running code asks."""
    found = Settings(baggage_keys=(KEY.encode(),), customer_id_key=OLD_KEY.encode())
    assert KEY not in repr(found)
    assert OLD_KEY not in repr(found)


def test_one_wrong_variable_leaves_the_others(monkeypatch):
    """Each is read by itself."""
    monkeypatch.setenv("BOTANU_MAX_CONTENT_CHARS", "4k")
    monkeypatch.setenv("BOTANU_TRUST_INBOUND", "never")
    assert Settings.from_env() == Settings(trust_inbound="never")


@pytest.mark.parametrize("text", ["", "  "])
def test_a_blank_variable_is_unset(monkeypatch, text):
    """Nothing is warned about, and the default holds."""
    for name in ("ENVIRONMENT", "SEMCONV", "CONTENT_CAPTURE_RATE", "PROPAGATE_TO", "TRUST_INBOUND"):
        monkeypatch.setenv(f"BOTANU_{name}", text)
    assert Settings.from_env() == Settings()
    assert log.counted() == {}


def test_what_is_activated_is_in_force_until_it_is_taken_back(monkeypatch):
    """`None` goes back to the environment, read anew."""
    settings.activate(Settings(environment="code"))
    assert settings.current().environment == "code"
    monkeypatch.setenv("BOTANU_ENVIRONMENT", "env")
    settings.activate(None)
    assert settings.current().environment == "env"
