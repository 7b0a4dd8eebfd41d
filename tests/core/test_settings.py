"""The settings in force: the environment read without ever failing, in the meaning that `BotanuConfig` gives it."""

import os

import pytest

from botanu_core import log, settings
from botanu_core.errors import ConfigError
from botanu_core.sdk.config import BotanuConfig
from botanu_core.settings import Settings


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
        ("BOTANU_TRUST_INBOUND", "yes", "must be 'auto', 'always' or 'never'"),
        ("BOTANU_TRUST_INBOUND", "signed", "must not be 'signed': signatures need BOTANU_BAGGAGE_KEY"),
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
