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
        ("BOTANU_TRUST_INBOUND", "yes", "must be 'auto', 'always' or 'never', got 'yes'"),
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


def test_signed_is_refused_until_there_are_signatures(monkeypatch):
    """Asking for signatures that are not there must not pass for safety."""
    said = "signatures need BOTANU_BAGGAGE_KEY and are not available in this version"
    assert said in refusal(trust_inbound="signed")
    monkeypatch.setenv("BOTANU_BAGGAGE_KEY", SECRET)
    assert BotanuConfig.load().notes == ("BOTANU_BAGGAGE_KEY has no effect: this version does not sign",)


def test_it_is_frozen():
    """A configuration never changes once it is checked."""
    with pytest.raises(ValidationError):
        BotanuConfig.load().environment = "x"
