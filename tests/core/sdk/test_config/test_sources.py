"""Where values come from, and which of them wins."""

import pytest

from botanu_core.sdk.config import BotanuConfig
from botanu_core.settings import Settings

from . import DEFAULTS, SECRET, refusal


def test_nothing_set_gives_the_documented_defaults():
    """Every field has its documented default."""
    assert BotanuConfig.load().to_dict() == DEFAULTS
    assert BotanuConfig.load().origins == {}
    assert BotanuConfig.load().notes == ()


VARIABLES = [
    ("OTEL_SERVICE_NAME", "checkout", "service_name", "checkout"),
    ("BOTANU_SERVICE_VERSION", " 1.10 ", "service_version", "1.10"),
    ("BOTANU_ENVIRONMENT", "staging", "environment", "staging"),
    ("BOTANU_OTLP_ENDPOINT", "https://c.example.com:4318/", "otlp_endpoint", "https://c.example.com:4318"),
    ("BOTANU_OTLP_PROTOCOL", "GRPC", "otlp_protocol", "grpc"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "otlp_protocol", "grpc"),
    (
        "BOTANU_OTLP_HEADERS",
        f"X-Tenant=a%2Cb, x-key = {SECRET}",
        "otlp_headers",
        {"x-tenant": "***", "x-key": "***"},
    ),
    ("BOTANU_API_KEY_HOST", "Otel.Example.com", "api_key_host", "otel.example.com"),
    ("BOTANU_INSTRUMENT", "httpx, requests,,httpx", "instrument", ["httpx", "requests"]),
    ("BOTANU_INSTRUMENT", "None", "instrument", "none"),
    ("BOTANU_INSTRUMENT", "all,logging", "instrument", ["all", "logging"]),
    ("BOTANU_SKIP_INSTRUMENTS", "redis", "skip_instruments", ["redis"]),
    ("BOTANU_PRICE_CONTRACTS", "prices.yaml", "price_contracts", ["prices.yaml"]),
    ("BOTANU_CONTENT_CAPTURE_RATE", "0.25", "content_capture_rate", 0.25),
    ("BOTANU_MAX_CONTENT_CHARS", "100", "max_content_chars", 100),
    ("BOTANU_SCRUB_SPANS", "No", "scrub_spans", False),
    ("BOTANU_SCRUB_OFF", "ip, phone", "scrub_off", ["ip", "phone"]),
    ("BOTANU_SCRUB_REPLACEMENT", "[REMOVED]", "scrub_replacement", "[REMOVED]"),
    ("BOTANU_SCRUB_PSEUDONYM_KEY", SECRET * 2, "scrub_pseudonym_key", "***"),
    ("BOTANU_DETECTORS", "presidio,shop.privacy:names", "detectors", ["presidio", "shop.privacy:names"]),
    ("BOTANU_DETECTOR_TIMEOUT_S", "0.2", "detector_timeout_s", 0.2),
    ("BOTANU_PROPAGATE_TO", "Never", "propagate_to", ["never"]),
    (
        "BOTANU_PROPAGATE_TO",
        "*.Example.com,10.1.0.0/16",
        "propagate_to",
        ["inside", "*.example.com", "10.1.0.0/16"],
    ),
    ("BOTANU_TRUST_INBOUND", "always", "trust_inbound", "always"),
    ("BOTANU_TRUSTED_PROXIES", "2", "trusted_proxies", 2),
    ("BOTANU_BAGGAGE_KEY", f"{SECRET * 3},{SECRET * 4}", "baggage_key", ["***", "***"]),
    ("BOTANU_SIGNATURE_LIFETIME_S", "60", "signature_lifetime_s", 60.0),
    ("BOTANU_CLOCK_SKEW_S", "5", "clock_skew_s", 5.0),
    ("BOTANU_WITHHOLD_TRACE_CONTEXT", "yes", "withhold_trace_context", True),
    ("BOTANU_CUSTOMER_ID", "plain", "customer_id_form", "plain"),
    ("BOTANU_CUSTOMER_ID_KEY", SECRET * 3, "customer_id_key", "***"),
    ("BOTANU_CONTENT_CAPTURE_RATES", "Support=0.5,Refund=0", "content_capture_rates", {"Support": 0.5, "Refund": 0.0}),
    ("BOTANU_CAPTURE_INPUT", "false", "capture_input", False),
    ("BOTANU_CAPTURE_OUTPUT", "off", "capture_output", False),
    ("BOTANU_SEMCONV", "OTel", "semconv", "otel"),
    ("BOTANU_CUSTOMER_METRIC_LIMIT", "50", "customer_metric_limit", 50),
    ("BOTANU_STRICT_PRICES", "true", "strict_prices", True),
    ("BOTANU_MAX_QUEUE_SIZE", "64", "max_queue_size", 64),
    ("BOTANU_EXPORT_INTERVAL_S", "0.5", "export_interval_s", 0.5),
    ("BOTANU_METRIC_INTERVAL_S", "10", "metric_interval_s", 10.0),
    ("OTEL_METRIC_EXPORT_INTERVAL", "1500", "metric_interval_s", 1.5),
    ("BOTANU_SHUTDOWN_TIMEOUT_S", "2", "shutdown_timeout_s", 2.0),
]


@pytest.mark.parametrize(("variable", "text", "field", "value"), VARIABLES)
def test_each_field_is_read_from_its_variable(monkeypatch, variable, text, field, value):
    """The environment alone is enough, and the origin names the variable."""
    monkeypatch.setenv(variable, text)
    config = BotanuConfig.load()
    assert config.to_dict() == DEFAULTS | {field: value}
    assert config.origins == {field: variable}


def test_code_beats_environment_beats_file_beats_default(monkeypatch, write):
    """The order holds for each field by itself."""
    file = write("service_name: file\nenvironment: file\nsemconv: otel\n")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "env")
    monkeypatch.setenv("BOTANU_ENVIRONMENT", "env")
    config = BotanuConfig.load(file=file, service_name="code")
    assert (config.service_name, config.environment, config.semconv) == ("code", "env", "otel")
    assert config.max_queue_size == 8192
    assert config.origins == {
        "service_name": "service_name",
        "environment": "BOTANU_ENVIRONMENT",
        "semconv": f"{file}:3: semconv",
    }


def test_our_variable_beats_the_standard_one(monkeypatch):
    """BOTANU_OTLP_PROTOCOL and BOTANU_METRIC_INTERVAL_S go before their OTEL_ counterparts."""
    for name, text in {
        "BOTANU_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "BOTANU_METRIC_INTERVAL_S": "5",
        "OTEL_METRIC_EXPORT_INTERVAL": "9000",
    }.items():
        monkeypatch.setenv(name, text)
    config = BotanuConfig.load()
    assert (config.otlp_protocol, config.metric_interval_s) == ("grpc", 5.0)


def test_calling_the_class_is_the_same_as_load(monkeypatch, write):
    """There is no way to build one that overlooks environment and file."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "env")
    monkeypatch.setenv("BOTANU_CONFIG_FILE", write("environment: file"))
    assert BotanuConfig(semconv="otel") == BotanuConfig.load(semconv="otel")
    assert BotanuConfig(semconv="otel").environment == "file"
    assert BotanuConfig.model_validate({"semconv": "otel"}).service_name == "env"


def test_the_same_values_from_other_sources_are_the_same_configuration(monkeypatch):
    """Equality is about what is in force, and where the telemetry goes is part of it."""
    in_code = BotanuConfig.load(service_name="x")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "x")
    assert BotanuConfig.load() == in_code
    assert BotanuConfig.load(semconv="otel") != in_code
    assert in_code != "x"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere:4318")
    assert BotanuConfig.load() != in_code


def test_the_file_argument_beats_the_variable(monkeypatch, write):
    """`file=` is code, BOTANU_CONFIG_FILE environment."""
    monkeypatch.setenv("BOTANU_CONFIG_FILE", "/nowhere/botanu.yaml")
    assert BotanuConfig.load(file=write("environment: here")).environment == "here"


@pytest.mark.parametrize("text", ["", "   "])
def test_a_blank_variable_is_unset(monkeypatch, text):
    """Blank is unset, as everywhere in OpenTelemetry."""
    for name in ("OTEL_SERVICE_NAME", "BOTANU_CONTENT_CAPTURE_RATE", "BOTANU_CONFIG_FILE"):
        monkeypatch.setenv(name, text)
    assert BotanuConfig.load().to_dict() == DEFAULTS


def test_none_in_code_means_not_said(monkeypatch):
    """A caller may pass its own optional arguments through."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "env")
    assert BotanuConfig.load(service_name=None).service_name == "env"


def test_a_falsy_value_in_code_beats_the_environment(monkeypatch):
    """Zero is a value."""
    monkeypatch.setenv("BOTANU_CONTENT_CAPTURE_RATE", "1")
    assert BotanuConfig.load(content_capture_rate=0).content_capture_rate == 0.0


def test_deployment_environment_is_another_name_of_environment(write):
    """Both spellings work in code and file; giving both is a mistake."""
    assert BotanuConfig.load(deployment_environment="x").environment == "x"
    assert BotanuConfig.load(file=write("deployment_environment: y")).environment == "y"
    assert "keep one of them" in refusal(environment="x", deployment_environment="x")


def test_an_unknown_keyword_is_refused_with_a_suggestion():
    """A typo in code is named, and so is what was probably meant."""
    assert refusal(servce_name="x") == "unexpected keyword 'servce_name'; did you mean 'service_name'?"
    assert "the settings are service_name, " in refusal(zzz=1)


def test_settings_are_what_running_code_asks_for():
    """`settings()` hands over the part that matters in flight."""
    config = BotanuConfig.load(
        environment="staging",
        semconv="otel",
        content_capture_rate=0.5,
        max_content_chars=10,
        propagate_to="*.example.com",
        trust_inbound="never",
        customer_metric_limit=7,
    )
    assert config.settings() == Settings(
        environment="staging",
        semconv="otel",
        content_capture_rate=0.5,
        max_content_chars=10,
        propagate_mode="inside",
        propagate_hosts=("*.example.com",),
        trust_inbound="never",
        customer_metric_limit=7,
    )
    assert BotanuConfig.load(propagate_to=["always"]).settings().propagate_mode == "always"
    assert BotanuConfig.load().settings() == Settings()
