"""Where values come from: code, environment and file, and the standard variables that say where telemetry goes."""

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from botanu_core.errors import ConfigError
from botanu_core.sdk.values import without_user

__all__ = ["HEADER_VARIABLES", "METRIC_INTERVAL_MS", "FilePath", "Found", "Signal", "env", "gather", "target"]

Signal = Literal["traces", "metrics", "logs"]
FilePath = str | os.PathLike[str]
Found = tuple[object, str]
"""A raw value, and where it came from."""

HEADER_VARIABLES: Final = tuple(
    f"OTEL_EXPORTER_OTLP_{prefix}HEADERS" for prefix in ("", *(f"{signal.upper()}_" for signal in get_args(Signal)))
)
"""What OpenTelemetry's exporters read by themselves and send wherever they send to."""

METRIC_INTERVAL_MS: Final = "OTEL_METRIC_EXPORT_INTERVAL"
# A field's variable is BOTANU_ and its name; these have others. The first one that is set wins.
_VARIABLES: Final = {
    "service_name": ("OTEL_SERVICE_NAME",),
    "customer_id_form": ("BOTANU_CUSTOMER_ID",),
    "otlp_protocol": ("BOTANU_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    "metric_interval_s": ("BOTANU_METRIC_INTERVAL_S", METRIC_INTERVAL_MS),
}
_REFERENCE: Final = re.compile(r"\$(\$?)\{(?:([^{}]*)\})?")
_REFERENCE_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def gather(names: Mapping[str, str], fields: Mapping[str, object], file: FilePath | None) -> dict[str, Found]:
    """The value of each field that is set somewhere: code beats environment beats file.

    Args:
        names: Each spelling of a field, and the field's name.
        fields: What code says; `None` is not said.
        file: YAML file; without it the one that BOTANU_CONFIG_FILE names, if it names one.

    Raises:
        ConfigError: A name or the file is wrong.
    """
    code: dict[str, Found] = {}
    for keyword, value in fields.items():
        if keyword not in names:
            raise ConfigError(f"unexpected keyword {keyword!r}{_hint(keyword, names)}")
        if value is not None:
            _put(code, names[keyword], value, keyword)
    stored = _from_file(file, names)
    found = {name: code.get(name) or _from_env(name) or stored.get(name) for name in names.values()}
    return {name: item for name, item in found.items() if item is not None}


def _put(found: dict[str, Found], name: str, value: object, source: str) -> None:
    if name in found:
        raise ConfigError(f"{source} sets {name}, which {found[name][1]} sets already: keep one of them")
    found[name] = (value, source)


def _hint(word: str, names: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(word, names, 1)
    all_names = ", ".join(dict.fromkeys(names.values()))
    return f"; did you mean {close[0]!r}?" if close else f"; the settings are {all_names}"


def _from_env(name: str) -> Found | None:
    for variable in _VARIABLES.get(name, (f"BOTANU_{name.upper()}",)):
        text = env(variable)
        if text and variable == METRIC_INTERVAL_MS and re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text) / 1000, variable
        if text:
            return text, variable
    return None


def _from_file(file: FilePath | None, names: Mapping[str, str]) -> dict[str, Found]:
    path = env("BOTANU_CONFIG_FILE") if file is None else os.fspath(file)
    if not path and file is None:
        return {}
    import yaml

    try:
        with open(os.path.expanduser(path), encoding="utf-8-sig") as stream:
            loader = yaml.SafeLoader(stream.read())
        return _from_yaml(path, loader, names)
    except ConfigError:
        raise
    except OSError as error:
        named_by = "BOTANU_CONFIG_FILE" if file is None else "file"
        reason = f"{named_by} names {path!r}, which cannot be read ({error.strerror}): name a YAML file that is there"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML's own text quotes the file, and what stands there may be a secret.
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = f"{path}{line}: not YAML in UTF-8: quote values that hold any of : # * & ! % @ {{ }} [ ]"
    raise ConfigError(reason)


def _from_yaml(path: str, loader: Any, names: Mapping[str, str]) -> dict[str, Found]:
    root = loader.get_single_node()
    if root is None or root.id != "mapping" or not root.value:
        raise ConfigError(f"{path} holds no settings: write lines such as 'service_name: checkout', or leave it out")
    found: dict[str, Found] = {}
    for key_node, node in root.value:
        key = str(key_node.value)
        source = f"{path}:{key_node.start_mark.line + 1}: {key}"
        if key not in names:
            raise ConfigError(f"{source} is no setting{_hint(key, names)}")
        if node.tag.endswith(":null") or node.value == "" or (node.id == "mapping" and not node.value):
            raise ConfigError(f"{source} is empty: give it a value or take the line out")
        _put(found, names[key], _filled(loader.construct_object(node, deep=True), source), source)
    return found


def _filled(value: object, source: str) -> object:
    """`value` with its ``${VAR}`` replaced, in text and one level down. What comes in is never read as YAML."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: _referenced(match, source), value)
    if isinstance(value, list):
        return [_filled(item, source) if isinstance(item, str) else item for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, source) if isinstance(item, str) else item for key, item in value.items()}
    return value


def _referenced(match: re.Match[str], source: str) -> str:
    if match[1]:
        return match[0][1:]  # $${X} is the text ${X}
    parts = _REFERENCE_NAME.fullmatch(match[2] or "")
    if parts is None:
        raise ConfigError(f"{source} must write references as ${{NAME}} or ${{NAME:-default}}, and a plain ${{ as $${{")
    text = os.environ.get(parts[1]) or parts[2]
    if text is None:
        raise ConfigError(f"{source} needs the variable {parts[1]}: set it, or write ${{{parts[1]}:-default}}")
    return text


def env(variable: str) -> str:
    """What a variable holds. Blank is unset, as everywhere in OpenTelemetry."""
    return os.environ.get(variable, "").strip()


def target(own: str | None, protocol: str, signal: Signal) -> tuple[str, str]:
    """Where `signal` goes, and which variable had a user and password in it, if one had."""
    exact = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    variable = "" if own else exact if env(exact) else "OTEL_EXPORTER_OTLP_ENDPOINT"
    text = own or env(variable) or ("http://localhost:4317" if protocol == "grpc" else "http://localhost:4318")
    url = without_user(text)
    path = "" if protocol == "grpc" or variable == exact else f"/v1/{signal}"
    return (url.rstrip("/") + path if path else url), variable if url != text else ""
