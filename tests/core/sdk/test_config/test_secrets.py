"""Secrets stay in: in no picture, in no error, and on no way but their own."""

import copy
import json
import pickle

import pytest

from botanu_core.sdk.config import BotanuConfig

from . import SECRET, refusal

HOST = "otel.example.com"


@pytest.fixture
def with_secrets() -> BotanuConfig:
    return BotanuConfig.load(
        otlp_endpoint=f"https://{HOST}",
        otlp_headers={"X-Token": SECRET},
        api_key=SECRET,
        api_key_host=HOST,
    )


@pytest.mark.parametrize(
    "show", [repr, str, lambda c: c.to_dict(), lambda c: c.model_dump_json(), lambda c: c.model_dump()]
)
def test_no_picture_of_a_configuration_shows_a_secret(with_secrets, show):
    """Neither key nor header value is in `repr`, `str` or any dump."""
    assert SECRET not in str(show(with_secrets))


def test_to_dict_is_plain_data_with_stars(with_secrets):
    """It can be written as JSON, and says which secrets there are."""
    shown = json.loads(json.dumps(with_secrets.to_dict()))
    assert (shown["api_key"], shown["otlp_headers"]) == ("***", {"x-token": "***"})
    assert "otlp_headers={'x-token': '***'}" in repr(with_secrets)


def test_copies_keep_everything(with_secrets):
    """A copied or pickled configuration is the same one, with its endpoints and notes."""
    for twin in (copy.deepcopy(with_secrets), pickle.loads(pickle.dumps(with_secrets))):
        assert twin == with_secrets
        assert twin.endpoint_for("traces") == with_secrets.endpoint_for("traces")


@pytest.mark.parametrize(
    ("endpoint", "sent"),
    [
        (f"https://{HOST}/v1/traces", True),
        (f"https://{HOST}:4318/v1/traces", True),
        (f"HTTPS://{HOST.upper()}", True),
        (f"http://{HOST}/v1/traces", False),
        (f"https://{HOST}.evil.com/v1/traces", False),
        (f"https://evil.com/{HOST}", False),
        (f"https://evil.com#@{HOST}", False),
        (f"https://evil.com\\@{HOST}/", False),
        (f"https://{HOST}@evil.com/", False),
        (f"https://user@{HOST}/", False),
        (f"https://sub.{HOST}/", False),
        (f"{HOST}:4317", False),
        ("http://localhost:4318/v1/traces", False),
        ("", False),
        ("https://[::1", False),
    ],
)
def test_the_key_goes_only_to_its_host(with_secrets, endpoint, sent):
    """The bearer is added for exactly one host, over https; the other headers are not its business."""
    headers = with_secrets.headers_for(endpoint)
    assert headers.get("authorization") == (f"Bearer {SECRET}" if sent else None)
    assert headers["x-token"] == SECRET


@pytest.mark.parametrize(
    ("host", "endpoint", "sent"),
    [
        ("localhost", "http://localhost:4318", True),
        ("127.0.0.1:4318", "http://127.0.0.1:4318", True),
        ("127.0.0.1:9", "http://127.0.0.1:4318", False),
        ("[::1]", "http://[::1]:4318", True),
        ("a.example.com:443", "https://a.example.com", True),
        ("a.example.com:4318", "https://a.example.com", False),
    ],
)
def test_a_loopback_collector_may_have_the_key_over_http_and_a_port_counts(host, endpoint, sent):
    """Loopback needs no https; a host with a port means that port."""
    config = BotanuConfig.load(api_key=SECRET, api_key_host=host, otlp_endpoint=endpoint)
    assert ("authorization" in config.headers_for(config.endpoint_for("logs"))) is sent
    assert (config.notes == ()) is sent


@pytest.mark.parametrize("source", ["code", "environment", "file", "standard variable"])
def test_a_key_without_its_host_or_over_plain_http_is_refused(monkeypatch, write, source):
    """Wherever the endpoint comes from."""
    fields = {"api_key": SECRET}
    assert "api_key (BOTANU_API_KEY) needs api_key_host (BOTANU_API_KEY_HOST)" in refusal(**fields)
    endpoint, file = "http://otel.example.com:4318", None
    if source == "code":
        fields["otlp_endpoint"] = endpoint
    elif source == "file":
        file = write(f"otlp_endpoint: {endpoint}")
    else:
        monkeypatch.setenv(
            "BOTANU_OTLP_ENDPOINT" if source == "environment" else "OTEL_EXPORTER_OTLP_ENDPOINT", endpoint
        )
    said = refusal(file=file, api_key_host=HOST, **fields)
    assert "over https or loopback only" in said
    assert "BOTANU_API_KEY)" in said
    assert "BOTANU_API_KEY_HOST) as https://otel.example.com" in said


def test_a_key_that_no_endpoint_gets_is_noted():
    """Nothing is wrong, but nothing is sent either."""
    config = BotanuConfig.load(api_key=SECRET, api_key_host=HOST)
    assert config.notes == (f"api_key is never sent: no endpoint is on api_key_host, {HOST}",)


def test_key_and_authorization_header_exclude_each_other():
    """Two authorizations for one request is a mistake."""
    said = refusal(api_key=SECRET, api_key_host=HOST, otlp_headers=f"Authorization={SECRET}")
    assert "keep one of them" in said


@pytest.mark.parametrize("key", [f"{SECRET} {SECRET}", f"{SECRET}\n{SECRET}", f"{SECRET}é", 5, [SECRET]])
def test_a_key_that_is_none_is_refused_unseen(key):
    """The key is one word; what came is not shown."""
    assert refusal(api_key=key, api_key_host=HOST).startswith("api_key must be ")


@pytest.mark.parametrize(
    "headers",
    [
        f"authorization={SECRET},{SECRET}",
        f"={SECRET}",
        f"a={SECRET},A={SECRET}",
        f"a={SECRET}%0d%0ax: y",
        f"{SECRET} {SECRET}=x",
        {"a": f"{SECRET}\n"},
        {"a": 5, "b": SECRET},
        {"a": f"{SECRET}é"},
        [SECRET],
    ],
)
def test_wrong_headers_are_refused_unseen(headers):
    """The message gives a position at most."""
    assert refusal(otlp_headers=headers).startswith("otlp_headers must ")


@pytest.mark.parametrize("source", ["BOTANU_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint", "file"])
def test_user_and_password_are_taken_out_of_an_endpoint_and_reported(monkeypatch, write, source):
    """They are sent nowhere and stand in no picture, whether the endpoint is ours or the standard one."""
    endpoint, fields = f"https://me:{SECRET}@{HOST}:4318/base", {}
    if source == "file":
        fields["file"] = write(f"otlp_endpoint: {endpoint}")
        source = f"{fields['file']}:1: otlp_endpoint"
    elif source == "otlp_endpoint":
        fields["otlp_endpoint"] = endpoint
    else:
        monkeypatch.setenv(source, endpoint)
    config = BotanuConfig.load(**fields)
    assert config.endpoint_for("metrics") == f"https://{HOST}:4318/base/v1/metrics"
    assert config.headers_for(config.endpoint_for("metrics")) == {}
    assert config.notes == (
        f"{source}: user and password were taken out of the URL and are not sent; give them as otlp_headers",
    )
    assert SECRET not in f"{config!r}{config.to_dict()}{config.origins}{config.notes}"


@pytest.mark.parametrize(
    "endpoint",
    [f"https://me:1/{SECRET}@host", f"https://me:{SECRET}#@host", f"ftp://me:{SECRET}@host", f"me:{SECRET}@"],
)
def test_an_endpoint_with_a_password_in_the_wrong_place_is_refused_unseen(endpoint):
    """A password with a slash in it must not become a path, nor an error's text."""
    assert refusal(otlp_endpoint=endpoint).startswith("otlp_endpoint must be a URL")
