"""The file: what it may say, and how a mistake in it is named."""

import pytest

from botanu_core.sdk.config import BotanuConfig

from . import SECRET, refusal


def test_a_file_may_set_everything(write, monkeypatch):
    """YAML numbers, lists, mappings and ``${VAR}`` arrive as what the fields want."""
    monkeypatch.setenv("RATE", "0.5")
    monkeypatch.setenv("SKIP", "redis, celery")
    file = write(
        """
        service_name: checkout-${REGION:-eu}
        otlp_headers: {x-tenant: "${TENANT:-}", x-plain: "$${RATE}"}
        content_capture_rate: ${RATE}
        max_queue_size: 64
        instrument: [httpx, requests]
        skip_instruments: ${SKIP}
        propagate_to: ["*.example.com"]
        """
    )
    config = BotanuConfig.load(file=file)
    assert config.service_name == "checkout-eu"
    assert config.headers_for("http://x") == {"x-tenant": "", "x-plain": "${RATE}"}
    assert (config.content_capture_rate, config.max_queue_size) == (0.5, 64)
    assert (config.instrument, config.skip_instruments) == (("httpx", "requests"), ("redis", "celery"))
    assert config.propagate_to == ("inside", "*.example.com")


@pytest.mark.parametrize("text", ["otlp_headers: {a: b}", "x\nservice_name: evil", "!!python/none", "&a *a", "'", "#"])
def test_environment_text_is_data_and_never_markup(write, monkeypatch, text):
    """What a variable holds is put into the value as it stands."""
    monkeypatch.setenv("TEXT", text)
    file = write("otlp_headers:\n  x-text: 'a${TEXT}b'\n" if "\n" not in text else "environment: ${TEXT}")
    if "\n" in text:
        assert refusal(file=file).startswith(f"{file}:1: environment must be text of 1 to 256 printable characters")
    else:
        assert BotanuConfig.load(file=file).headers_for("http://x") == {"x-text": f"a{text}b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", ":1: not YAML in UTF-8: quote values that hold any of"),
        (f"environment: x\napi_key: *{SECRET}", ":2: not YAML"),
        (f"api_key: '{SECRET}", ":1: not YAML"),
        ("environment: !!python/object:os.system x", ":1: not YAML"),
        ("service_version: 2024-13-45", ": not YAML"),
        ("environment: a\n---\nenvironment: b", ":2: not YAML"),
        (b"environment: \xff", ": not YAML"),
        ("[" * 5000, ": not YAML"),
        ("", " holds no settings: write lines such as 'service_name: checkout'"),
        ("# only a comment", " holds no settings"),
        ("- service_name", " holds no settings"),
        ("{}", " holds no settings"),
        ("environment: x\nservce_name: y", ":2: servce_name is no setting; did you mean 'service_name'?"),
        ("service:\n  name: x", ":1: service is no setting; did you mean"),
        ("? [a, b]\n: x", " is no setting"),
        ("otlp_headers:", ":1: otlp_headers is empty: give it a value or take the line out"),
        ("otlp_headers: {}", ":1: otlp_headers is empty"),
        ("\n\nenvironment: ''", ":3: environment is empty"),
        ("environment: ~", ":1: environment is empty"),
        ("environment: a\nenvironment: b", ":2: environment sets environment, which "),
        ("environment: [a]", ":1: environment must be text of 1 to 256 printable characters"),
        ("content_capture_rate: yes", ":1: content_capture_rate must lie in 0.0-1.0, got True"),
        ("content_capture_rate: 20%", ":1: content_capture_rate must lie in 0.0-1.0, got '20%'"),
        ("service_version: 1.10", ":1: service_version must be text of 1 to 256 printable characters (a number wants "),
        ("instrument: {httpx: on}", ":1: instrument must be a list of words"),
        ("instrument: &a [*a]", ":1: not YAML"),
        ("otlp_headers: {x-tenant: 42}", ":1: otlp_headers must hold printable ASCII text as values (a number wants "),
        ("environment: ${MISSING}", ":1: environment needs the variable MISSING: set it, or write ${MISSING:-default}"),
        ("skip_instruments: ['${MISSING}']", ":1: skip_instruments needs the variable MISSING"),
        ("environment: ${}", ":1: environment must write references as ${NAME} or ${NAME:-default}"),
        ("environment: ${9X}", ":1: environment must write references as ${NAME}"),
        ("environment: ${OPEN", ":1: environment must write references as ${NAME}"),
        (f"api_key: ['{SECRET}']", ":1: api_key must be text (a number wants quotes)"),
        (f"api_key_host: 'https://{SECRET}@host'", ":1: api_key_host must be a host alone"),
    ],
)
def test_a_wrong_file_is_named_with_line_key_and_mend(write, text, said):
    """Every mistake in a file says where it is."""
    file = write(text)
    found = refusal(file=file)
    assert found.startswith(file)
    assert said in found


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_a_missing_file_is_named_by_who_named_it(monkeypatch, tmp_path, how):
    """A path that leads nowhere is an error, not an empty configuration."""
    path = str(tmp_path / "none.yaml")
    monkeypatch.setenv("BOTANU_CONFIG_FILE", path)
    said = refusal(file=path if how == "argument" else None)
    assert said.startswith(f"{'file' if how == 'argument' else 'BOTANU_CONFIG_FILE'} names {path!r}, which cannot be")
    assert "No such file" in said


@pytest.mark.parametrize("file", ["", "."])
def test_an_empty_path_and_a_directory_are_no_files(file):
    """`file=` says that there is a file."""
    assert refusal(file=file).startswith(f"file names {file!r}, which cannot be read")


def test_a_byte_order_mark_is_no_mistake(write):
    """Files saved by Windows editors are read."""
    assert BotanuConfig.load(file=write(b"\xef\xbb\xbfenvironment: x\r\n")).environment == "x"
