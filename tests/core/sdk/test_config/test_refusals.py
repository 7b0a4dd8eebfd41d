"""What is refused, and in which words."""

import pytest
from pydantic import ValidationError

from botanu_core.sdk.config import BotanuConfig

from . import SECRET, refusal


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("BOTANU_CONTENT_CAPTURE_RATE", "20%", "must lie in 0.0-1.0, got '20%'"),
        ("BOTANU_CONTENT_CAPTURE_RATE", "1.5", "must lie in 0.0-1.0, got '1.5'"),
        ("BOTANU_CONTENT_CAPTURE_RATE", "nan", "must lie in 0.0-1.0, got 'nan'"),
        ("BOTANU_MAX_CONTENT_CHARS", "4k", "must be a whole number, 1 to 1000000, got '4k'"),
        ("BOTANU_MAX_QUEUE_SIZE", "0", "must be a whole number, 1 to 1000000, got '0'"),
        ("BOTANU_EXPORT_INTERVAL_S", "inf", "must be above 0 and at most 3600 seconds, got 'inf'"),
        ("BOTANU_SHUTDOWN_TIMEOUT_S", "600", "must be above 0 and at most 60 seconds, got '600'"),
        ("BOTANU_SEMCONV", "old", "must be 'botanu' or 'otel', got 'old'"),
        ("BOTANU_TRUST_INBOUND", "yes", "must be 'auto', 'signed', 'always' or 'never', got 'yes'"),
        ("BOTANU_INSTRUMENT", "none,httpx", "must be 'none' alone, or a list without it, got 'none,httpx'"),
        ("BOTANU_OTLP_ENDPOINT", "collector:4318", "must be a URL such as http://collector:4318 or "),
        ("BOTANU_OTLP_ENDPOINT", "http://", "must be a URL such as "),
        ("BOTANU_OTLP_ENDPOINT", "ftp://collector", "must be a URL such as "),
        ("BOTANU_OTLP_ENDPOINT", "http://a b", "must be a URL such as "),
        ("BOTANU_OTLP_ENDPOINT", "http://a:99999", "must be a URL such as "),
        ("BOTANU_OTLP_ENDPOINT", "http://a\\b", "must be a URL such as "),
        ("BOTANU_OTLP_ENDPOINT", "https://a?token=1", "must be a URL without ? and #; what stands there belongs in"),
        ("BOTANU_API_KEY_HOST", "https://a.example.com", "must be a host alone, such as otel.example.com"),
        ("BOTANU_API_KEY_HOST", "*.example.com", "must be a host alone"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "must be 'http/protobuf' or 'grpc' (BOTANU_OTLP_PROTOCOL sets it"),
        (
            "OTEL_METRIC_EXPORT_INTERVAL",
            "60s",
            "must be above 0 and at most 3600 seconds (OTEL_METRIC_EXPORT_INTERVAL: ",
        ),
        ("BOTANU_ENVIRONMENT", "x" * 257, "must be text of 1 to 256 printable characters"),
        ("BOTANU_ENVIRONMENT", "a\x1bb", "must be text of 1 to 256 printable characters"),
        ("BOTANU_PROPAGATE_TO", "*", "must hold host patterns such as *.example.com"),
        ("BOTANU_PROPAGATE_TO", "https://a.example.com", "must hold host patterns such as *.example.com"),
        ("BOTANU_PROPAGATE_TO", "a.example.com:443", "must hold host patterns such as *.example.com"),
        ("BOTANU_PROPAGATE_TO", "10.1.2.3/16", "must name a network by its first address, 10.1.0.0/16, got "),
        ("BOTANU_PROPAGATE_TO", "always,inside", "must be 'always' or 'never' alone"),
        ("BOTANU_PROPAGATE_TO", ",", "must be 'always' or 'never' alone"),
    ],
)
def test_a_wrong_variable_is_named_with_what_was_wanted_and_what_came(monkeypatch, variable, text, said):
    """The message starts with the variable's name and says the mend."""
    monkeypatch.setenv(variable, text)
    assert refusal().startswith(f"{variable} {said}")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"content_capture_rate": True}, "content_capture_rate must lie in 0.0-1.0, got True"),
        ({"content_capture_rate": "0,5"}, "content_capture_rate must lie in 0.0-1.0, got '0,5'"),
        (
            {"service_name": 7},
            "service_name must be text of 1 to 256 printable characters (a number wants quotes), got 7",
        ),
        ({"service_name": " "}, "service_name must be text of 1 to 256 printable characters"),
        ({"service_version": 1.1}, "service_version must be text of 1 to 256 printable characters"),
        ({"instrument": 3}, "instrument must be a list of words, or words with commas between, got 3"),
        ({"skip_instruments": [1]}, "skip_instruments must be a list of words"),
        ({"otlp_endpoint": 4318}, "otlp_endpoint must be text (a number wants quotes), got 4318"),
        ({"otlp_headers": 1}, "otlp_headers must be 'name=value,name=value' or a mapping of text to text"),
        ({"deployment_environment": ""}, "deployment_environment must be text of 1 to 256"),
        (
            {"service_name": "y" * 5000},
            "service_name must be text of 1 to 256 printable characters (a number wants quotes), got 'yyy",
        ),
    ],
)
def test_a_wrong_keyword_is_named_likewise(fields, said):
    """The message starts with the keyword as it was written, and is short."""
    text = refusal(**fields)
    assert text.startswith(said)
    assert len(text) < 200


def test_all_wrong_values_are_said_at_once(monkeypatch):
    """One line each, so that nobody mends them one start at a time."""
    monkeypatch.setenv("BOTANU_SEMCONV", "x")
    assert refusal(max_queue_size=-1).splitlines() == [
        "BOTANU_SEMCONV must be 'botanu' or 'otel', got 'x'",
        "max_queue_size must be a whole number, 1 to 1000000, got -1",
    ]


def test_signed_needs_a_key():
    """Asking for signatures that nobody can check must not pass for safety."""
    assert refusal(trust_inbound="signed") == (
        "trust_inbound='signed' (BOTANU_TRUST_INBOUND) needs baggage_key (BOTANU_BAGGAGE_KEY): "
        "set the key that your services share, or use 'auto'"
    )
    assert BotanuConfig.load(trust_inbound="signed", baggage_key="k" * 32).settings().trust_inbound == "signed"


def test_hashed_customers_need_a_key():
    """A hash without a key is undone by whoever has a list of customers."""
    assert "needs customer_id_key (BOTANU_CUSTOMER_ID_KEY)" in refusal(customer_id_form="hashed")
    config = BotanuConfig.load(customer_id_form="Hashed", customer_id_key="k" * 32)
    assert config.settings().customer_id_form == "hashed"


@pytest.mark.parametrize("field", ["baggage_key", "customer_id_key"])
@pytest.mark.parametrize("text", [SECRET, "", 7, "é" * 15, [SECRET], ["k" * 32, SECRET]], ids=repr)
def test_a_key_that_is_too_short_is_refused(field, text):
    """With the length that it takes, and without the key."""
    said = refusal(**{field: text})
    assert said.startswith(f"{field} must ")
    assert "openssl rand -hex 32" in said or "text" in said or "list" in said


def test_a_short_key_in_the_environment(monkeypatch):
    """The variable is named; nothing of the key is, not even between two good ones."""
    monkeypatch.setenv("BOTANU_BAGGAGE_KEY", f"{'k' * 32},{SECRET}")
    assert refusal() == (
        "BOTANU_BAGGAGE_KEY must hold keys of at least 32 bytes, with commas between; the shortest has 12: "
        "make one with 'openssl rand -hex 32'"
    )


def test_keys_stand_nowhere():
    """`repr`, `str` and the plain form show that there are keys, and not which."""
    keys = [SECRET * 3, SECRET * 4]
    config = BotanuConfig.load(baggage_key=keys, customer_id_form="hashed", customer_id_key=SECRET * 3)
    assert config.to_dict()["baggage_key"] == ["***", "***"]
    assert config.to_dict()["customer_id_key"] == "***"
    assert config.settings().baggage_keys == tuple(key.encode() for key in keys)
    assert SECRET not in f"{config!r}{config}{config.to_dict()}{config.settings()!r}{config.notes}"


def test_it_is_frozen():
    """A configuration never changes once it is checked."""
    with pytest.raises(ValidationError):
        BotanuConfig.load().environment = "x"
