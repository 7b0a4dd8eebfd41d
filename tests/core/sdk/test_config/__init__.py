"""`BotanuConfig`, seen from outside: what it is told, what it refuses, and what is sent because of it."""

import traceback

import pytest

from botanu_core.errors import ConfigError
from botanu_core.sdk.config import BotanuConfig

SECRET = "s3cr3t-value"

DEFAULTS = {
    "service_name": "unknown_service",
    "service_version": None,
    "environment": "production",
    "otlp_endpoint": None,
    "otlp_protocol": "http/protobuf",
    "otlp_headers": {},
    "api_key": None,
    "api_key_host": None,
    "instrument": "all",
    "skip_instruments": [],
    "price_contracts": [],
    "content_capture_rate": 0.0,
    "content_capture_rates": {},
    "capture_input": True,
    "capture_output": True,
    "max_content_chars": 4096,
    "scrub_spans": True,
    "scrub_off": [],
    "scrub_patterns": [],
    "scrub_replacement": None,
    "scrub_pseudonym_key": None,
    "detectors": [],
    "detector_timeout_s": 1.0,
    "propagate_to": ["inside"],
    "withhold_trace_context": False,
    "trust_inbound": "auto",
    "trusted_proxies": 0,
    "baggage_key": [],
    "signature_lifetime_s": 300.0,
    "clock_skew_s": 30.0,
    "customer_id_form": "plain",
    "customer_id_key": None,
    "semconv": "botanu",
    "customer_metric_limit": 0,
    "strict_prices": False,
    "max_queue_size": 8192,
    "export_interval_s": 1.0,
    "metric_interval_s": 30.0,
    "shutdown_timeout_s": 5.0,
}


def refusal(*, file=None, **fields) -> str:
    """The words of the `ConfigError` that this configuration raises; no secret may be anywhere in it."""
    with pytest.raises(ConfigError) as caught:
        BotanuConfig.load(file=file, **fields)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None or SECRET not in str(caught.value.__context__)
    return str(caught.value)
