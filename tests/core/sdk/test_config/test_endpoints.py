"""Where telemetry goes."""

import pytest

from botanu_core.sdk.config import BotanuConfig


@pytest.mark.parametrize(
    ("fields", "variables", "url"),
    [
        ({}, {}, "http://localhost:4318/v1/traces"),
        ({"otlp_protocol": "grpc"}, {}, "http://localhost:4317"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}, "http://t/x"),
        ({"otlp_protocol": "grpc"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}, "c:4317"),
        (
            {"otlp_endpoint": "http://own:4318"},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"},
            "http://own:4318/v1/traces",
        ),
        ({"otlp_endpoint": "http://own/v1/logs/"}, {}, "http://own/v1/traces"),
        ({"otlp_endpoint": "http://own/otlp/"}, {}, "http://own/otlp/v1/traces"),
        ({"otlp_endpoint": "https://own:443", "otlp_protocol": "grpc"}, {}, "https://own:443"),
    ],
)
def test_an_endpoint_is_a_full_url_for_http_and_an_address_for_grpc(monkeypatch, fields, variables, url):
    """Ours goes before the standard variables, which are read as the exporters read them."""
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert BotanuConfig.load(**fields).endpoint_for("traces") == url
