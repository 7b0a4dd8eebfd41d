"""`BotanuConfig`: what people set, checked when the process starts, with the source of every value.

Code beats environment beats file beats default, field by field. A wrong value is a `ConfigError` that names where
it came from (keyword, variable, or ``file:line: key``) and the mend. Secrets appear in no error, `repr` or dict.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final, Literal, cast, get_args
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr
from pydantic import ValidationError as Invalid

from botanu_core.errors import ConfigError
from botanu_core.settings import PropagateMode, Settings

__all__ = ["BotanuConfig", "Signal"]

Signal = Literal["traces", "metrics", "logs"]
FilePath = str | os.PathLike[str]
_Found = tuple[object, str]  # a raw value, and where it came from

_SILENT: Final = frozenset({"otlp_headers", "api_key", "api_key_host"})  # errors do not show what came
_ALIASES: Final = {"deployment_environment": "environment"}
_USER_NOTE: Final = "{}: user and password were taken out of the URL and are not sent; give them as otlp_headers"
_HEADERS_NOTE: Final = (
    "OTEL_EXPORTER_OTLP_HEADERS is read by the exporter itself and goes to otlp_endpoint as well: "
    "unset it if it is meant for another host"
)
_METRIC_INTERVAL_MS: Final = "OTEL_METRIC_EXPORT_INTERVAL"
# A field's variable is BOTANU_ and its name; these have others. The first one that is set wins.
_VARIABLES: Final = {
    "service_name": ("OTEL_SERVICE_NAME",),
    "otlp_protocol": ("BOTANU_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    "metric_interval_s": ("BOTANU_METRIC_INTERVAL_S", _METRIC_INTERVAL_MS),
}

_HOST: Final = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_HOST_PATTERN: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_REFERENCE: Final = re.compile(r"\$(\$?)\{(?:([^{}]*)\})?")
_REFERENCE_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_SIGNAL_PATH: Final = re.compile(r"(?:/+v1/(?:traces|metrics|logs))?/*$")


# --- Checks of one value. A ValueError's text is the end of the sentence "<source> must …".


def _not_bool(value: object) -> object:
    # YAML reads `yes` as true, and pydantic true as 1.0: a capture rate of everything.
    if isinstance(value, bool):
        raise ValueError  # without text: the field's description says more
    return value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _words(value: object) -> tuple[str, ...]:
    """Comma-separated text or a collection, as stripped words, each once."""
    if isinstance(value, str):
        value = value.split(",")
    elif isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise ValueError("be a list of words, or words with commas between")
    return tuple(dict.fromkeys(word.strip() for word in value if word.strip()))


def _instruments(value: object) -> object:
    words = _words(value)
    plain = tuple(word.lower() for word in words)
    if "none" in plain and len(plain) > 1:
        raise ValueError("be 'none' alone, or a list without it")
    return plain[0] if plain in (("all",), ("none",)) else words or "none"


def _destinations(value: object) -> tuple[str, ...]:
    """Canonical form: ``("always",)``, ``("never",)``, or ``"inside"`` and then the patterns that are added to it."""
    words = tuple(word.lower() for word in _words(value))
    if words in (("always",), ("never",)):
        return words
    if not words or "always" in words or "never" in words:
        raise ValueError("be 'always' or 'never' alone, or 'inside' with host patterns beside it")
    return ("inside", *(_destination(word) for word in words if word != "inside"))


def _destination(word: str) -> str:
    try:
        return str(ip_network(word)) if "/" in word else str(ip_address(word))
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(f"name a network by its first address, {ip_network(word, strict=False)}") from None
    if not _HOST_PATTERN.fullmatch(word):
        raise ValueError("hold host patterns such as *.example.com, api.example.com or 10.1.0.0/16")
    return word


def _trust(value: object) -> object:
    value = _lower(value)
    if value == "signed":
        raise ValueError(
            "not be 'signed': signatures need BOTANU_BAGGAGE_KEY and are not available in this version; use 'auto'"
        )
    if value not in ("auto", "always", "never"):
        raise ValueError("be 'auto', 'always' or 'never'")
    return value


def _protocol(value: object) -> object:
    if _lower(value) not in ("http/protobuf", "grpc"):
        raise ValueError("be 'http/protobuf' or 'grpc' (BOTANU_OTLP_PROTOCOL sets it for Botanu alone)")
    return _lower(value)


def _headers(value: object) -> dict[str, SecretStr]:
    """Header names in lower case (gRPC takes no other). Errors give positions: a bad split may bare a value."""
    pairs: Iterable[tuple[object, object]]
    if isinstance(value, str):
        items = [item.partition("=") for item in value.split(",") if item.strip()]
        if not all(equals for _, equals, _ in items):
            raise ValueError("be 'name=value,name=value' (a comma in a value is %2C): a part of it has no '='")
        pairs = [(unquote(name).strip(), unquote(text).strip()) for name, _, text in items]
    elif isinstance(value, Mapping):
        pairs = value.items()
    else:
        raise ValueError("be 'name=value,name=value' or a mapping of text to text")
    headers: dict[str, SecretStr] = {}
    for number, (name, secret) in enumerate(pairs, 1):
        text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or name.lower() in headers:
            raise ValueError(f"name each header once, in letters, digits and '-': header {number} does not")
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"hold printable ASCII text as values (a number wants quotes): header {number} does not")
        headers[name.lower()] = SecretStr(text)
    return headers


def _key(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", key := secret.get_secret_value().strip()):
        raise ValueError("be one word of printable ASCII")
    return SecretStr(key)


def _bare_host(text: str) -> str:
    if not _HOST.fullmatch(text) or _split(text) is None:
        raise ValueError("be a host alone, such as otel.example.com, without scheme, path or user")
    return text.lower()


def _endpoint(text: str) -> str:
    text = _without_user(text)
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or "@" in text:
        raise ValueError("be a URL such as http://collector:4318 or https://otel.example.com")
    if "?" in text or "#" in text:
        raise ValueError("be a URL without ? and #; what stands there belongs in otlp_headers")
    return _SIGNAL_PATH.sub("", text, count=1)


# --- Endpoints


def _split(url: str) -> SplitResult | None:
    """The parts of a URL whose host cannot be read in two ways, else None. ``host:port`` alone has no scheme."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        plain = re.fullmatch(r"[\x21-\x5b\x5d-\x7e]+", url) and _HOST.fullmatch(parts.netloc)
        return parts if plain and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _without_user(url: str) -> str:
    return re.sub(r"^(\w[\w+.-]*://)?[^/?#]*@", r"\1", url.strip())


def _is_on(url: str, host: str) -> bool:
    """Whether `url` goes to exactly `host`, which may name a port."""
    parts, wanted = _split(url), urlsplit(f"//{host}")
    if parts is None or parts.hostname != wanted.hostname:
        return False
    return wanted.port in (None, parts.port or {"https": 443, "http": 80}.get(parts.scheme))


def _is_private(url: str) -> bool:
    """Whether nobody can listen on the way there: https, or loopback."""
    parts = _split(url)
    if parts is None or parts.scheme == "https" or parts.hostname == "localhost":
        return parts is not None
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _env(variable: str) -> str:
    return os.environ.get(variable, "").strip()  # blank is unset, as everywhere in OpenTelemetry


def _target(own: str | None, protocol: str, signal: Signal) -> tuple[str, str]:
    """Where `signal` goes, and which variable had a user and password in it, if one had."""
    exact = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    variable = "" if own else exact if _env(exact) else "OTEL_EXPORTER_OTLP_ENDPOINT"
    text = own or _env(variable) or ("http://localhost:4317" if protocol == "grpc" else "http://localhost:4318")
    url = _without_user(text)
    path = "" if protocol == "grpc" or variable == exact else f"/v1/{signal}"
    return (url.rstrip("/") + path if path else url), variable if url != text else ""


# --- Sources: code, environment, file


def _gather(fields: Mapping[str, object], file: FilePath | None) -> dict[str, _Found]:
    code: dict[str, _Found] = {}
    for keyword, value in fields.items():
        if keyword not in _NAMES:
            raise ConfigError(f"unexpected keyword {keyword!r}{_hint(keyword)}")
        if value is not None:
            _put(code, keyword, value, keyword)
    stored = _from_file(file)
    found = {name: code.get(name) or _from_env(name) or stored.get(name) for name in BotanuConfig.model_fields}
    return {name: item for name, item in found.items() if item is not None}


def _put(found: dict[str, _Found], key: str, value: object, source: str) -> None:
    name = _NAMES[key]
    if name in found:
        raise ConfigError(f"{source} sets {name}, which {found[name][1]} sets already: keep one of them")
    found[name] = (value, source)


def _hint(word: str) -> str:
    close = difflib.get_close_matches(word, _NAMES, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; the settings are {', '.join(BotanuConfig.model_fields)}"


def _from_env(name: str) -> _Found | None:
    for variable in _VARIABLES.get(name, (f"BOTANU_{name.upper()}",)):
        text = _env(variable)
        if text and variable == _METRIC_INTERVAL_MS and re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text) / 1000, variable
        if text:
            return text, variable
    return None


def _from_file(file: FilePath | None) -> dict[str, _Found]:
    path = _env("BOTANU_CONFIG_FILE") if file is None else os.fspath(file)
    if not path and file is None:
        return {}
    import yaml

    try:
        with open(os.path.expanduser(path), encoding="utf-8-sig") as stream:
            loader = yaml.SafeLoader(stream.read())
        return _from_yaml(path, loader, loader.get_single_node())
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


def _from_yaml(path: str, loader: Any, root: Any) -> dict[str, _Found]:
    if root is None or root.id != "mapping" or not root.value:
        raise ConfigError(f"{path} holds no settings: write lines such as 'service_name: checkout', or leave it out")
    found: dict[str, _Found] = {}
    for key_node, node in root.value:
        key = str(key_node.value)
        source = f"{path}:{key_node.start_mark.line + 1}: {key}"
        if key not in _NAMES:
            raise ConfigError(f"{source} is no setting{_hint(key)}")
        if node.tag.endswith(":null") or node.value == "" or (node.id == "mapping" and not node.value):
            raise ConfigError(f"{source} is empty: give it a value or take the line out")
        _put(found, key, _filled(loader.construct_object(node, deep=True), source), source)
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


def _explain(error: Invalid, found: Mapping[str, _Found]) -> str:
    sentences: dict[str, str] = {}
    for item in error.errors(include_url=False):
        name = str(item["loc"][0])
        value, source = found[name]
        wanted = str(item["ctx"]["error"]) if item["type"] == "value_error" else ""
        got = "" if name in _SILENT or "@" in str(value) else f", got {repr(value)[:80]}"
        wanted = wanted or BotanuConfig.model_fields[name].description or _ANY_TEXT
        sentences.setdefault(name, f"{source} must {wanted}{got}")
    return "\n".join(sentences.values())


# --- The fields. A description ends that same sentence, where pydantic does the check.

_TEXT: Final = "be text of 1 to 256 printable characters (a number wants quotes)"
_ANY_TEXT: Final = "be text (a number wants quotes)"
_INTERVAL: Final = "be above 0 and at most 3600 seconds"
_Text = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
_Float = Annotated[float, BeforeValidator(_not_bool), Field(allow_inf_nan=False)]
_Int = Annotated[int, BeforeValidator(_not_bool)]
_Protocol = Annotated[Literal["http/protobuf", "grpc"], BeforeValidator(_protocol)]
_Headers = Annotated[dict[str, SecretStr], BeforeValidator(_headers)]
_Instruments = Annotated[Literal["all", "none"] | tuple[str, ...], BeforeValidator(_instruments)]
_Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
_Destinations = Annotated[tuple[str, ...], BeforeValidator(_destinations)]
_Trust = Annotated[Literal["auto", "always", "never"], BeforeValidator(_trust)]
_Semconv = Annotated[Literal["botanu", "otel"], BeforeValidator(_lower)]


class BotanuConfig(BaseModel):
    """The whole configuration, frozen: ``BotanuConfig(environment="staging")`` reads all else from its surroundings.

    docs/configuration.md says what each field does. `None` as a keyword means "not said in code".

    Args:
        file: YAML file; default is the one that BOTANU_CONFIG_FILE names, if it names one.
        fields: Values that beat environment and file. `deployment_environment` is another name of `environment`.

    Raises:
        ConfigError: A value, a name or the file is wrong. One line for each wrong value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    service_name: _Text = Field("unknown_service", description=_TEXT)
    service_version: _Text | None = Field(None, description=_TEXT)
    environment: _Text = Field("production", description=_TEXT)
    otlp_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    otlp_protocol: _Protocol = "http/protobuf"
    otlp_headers: _Headers = {}
    api_key: Annotated[SecretStr, AfterValidator(_key)] | None = None
    api_key_host: Annotated[str, AfterValidator(_bare_host)] | None = None
    instrument: _Instruments = "all"
    skip_instruments: _Words = ()
    content_capture_rate: _Float = Field(0.0, ge=0, le=1, description="lie in 0.0-1.0")
    max_content_chars: _Int = Field(4096, ge=1, le=1_000_000, description="be a whole number, 1 to 1000000")
    propagate_to: _Destinations = ("inside",)
    trust_inbound: _Trust = "auto"
    semconv: _Semconv = Field("botanu", description="be 'botanu' or 'otel'")
    customer_metric_limit: _Int = Field(0, ge=0, le=100_000, description="be a whole number, 0 to 100000")
    max_queue_size: _Int = Field(8192, ge=1, le=1_000_000, description="be a whole number, 1 to 1000000")
    export_interval_s: _Float = Field(1.0, gt=0, le=3600, description=_INTERVAL)
    metric_interval_s: _Float = Field(
        30.0, gt=0, le=3600, description=f"{_INTERVAL} ({_METRIC_INTERVAL_MS}: milliseconds)"
    )
    shutdown_timeout_s: _Float = Field(5.0, gt=0, le=60, description="be above 0 and at most 60 seconds")

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _targets: dict[Signal, str] = PrivateAttr(default_factory=dict)
    _notes: tuple[str, ...] = PrivateAttr(default=())

    def __init__(self, *, file: FilePath | None = None, **fields: Any) -> None:
        found, problem = _gather(fields, file), ""
        try:
            super().__init__(**{name: value for name, (value, _) in found.items()})
        except Invalid as error:
            problem = _explain(error, found)
        if problem:  # not raised up there: pydantic's error holds the values and would be the context of ours
            raise ConfigError(problem)
        targets = {signal: _target(self.otlp_endpoint, self.otlp_protocol, signal) for signal in get_args(Signal)}
        self._origins = {name: source for name, (_, source) in found.items()}
        self._targets = {signal: url for signal, (url, _) in targets.items()}
        raw, source = found.get("otlp_endpoint", ("", ""))
        users = [source] if "@" in str(raw) else [variable for _, variable in targets.values() if variable]
        notes = [*dict.fromkeys(map(_USER_NOTE.format, users)), *self._check_key()]
        if self.otlp_endpoint and _env("OTEL_EXPORTER_OTLP_HEADERS"):
            notes.append(_HEADERS_NOTE)
        if _env("BOTANU_BAGGAGE_KEY"):
            notes.append("BOTANU_BAGGAGE_KEY has no effect: this version does not sign")
        self._notes = tuple(notes)

    @classmethod
    def load(cls, *, file: FilePath | None = None, **fields: Any) -> "BotanuConfig":
        """The same as calling the class, for those who like to see that files and variables are read."""
        return cls(file=file, **fields)

    def _check_key(self) -> tuple[str, ...]:
        host = self.api_key_host
        if self.api_key is None:
            return ()
        if host is None:
            raise ConfigError(
                "api_key (BOTANU_API_KEY) needs api_key_host (BOTANU_API_KEY_HOST): the one host it may be sent to"
            )
        if "authorization" in self.otlp_headers:
            raise ConfigError("api_key (BOTANU_API_KEY) and an authorization header in otlp_headers: keep one of them")
        targets = [url for url in self._targets.values() if _is_on(url, host)]
        if not all(map(_is_private, targets)):
            raise ConfigError(
                f"api_key (BOTANU_API_KEY) is sent over https or loopback only: write the endpoint on api_key_host "
                f"(BOTANU_API_KEY_HOST) as https://{host}"
            )
        return () if targets else (f"api_key is never sent: no endpoint is on api_key_host, {host}",)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was mended or has no effect, for `doctor()` to say. Holds no secret."""
        return self._notes

    @property
    def origins(self) -> dict[str, str]:
        """Where each value came from: keyword, variable or ``file:line: key``. A default is not in it."""
        return dict(self._origins)

    def endpoint_for(self, signal: Signal) -> str:
        """Where `signal` goes, by `otlp_endpoint` or else the standard variables, and without user and password.

        With HTTP a full URL such as ``http://collector:4318/v1/traces``, with gRPC the collector's address.
        """
        return self._targets[signal]

    def headers_for(self, endpoint: str) -> dict[str, str]:
        """What we send to `endpoint`, in plain text: `otlp_headers`, and the key if the endpoint is on its host.

        OTEL_EXPORTER_OTLP_HEADERS is not in it: the exporter reads that by itself.
        """
        headers = {name: value.get_secret_value() for name, value in self.otlp_headers.items()}
        if self.api_key and self.api_key_host and _is_on(endpoint, self.api_key_host) and _is_private(endpoint):
            headers["authorization"] = f"Bearer {self.api_key.get_secret_value()}"
        return headers

    def settings(self) -> Settings:
        """The part that running code asks for."""
        mode = self.propagate_to[0]
        return Settings(
            environment=self.environment,
            semconv=self.semconv,
            content_capture_rate=self.content_capture_rate,
            max_content_chars=self.max_content_chars,
            propagate_mode=cast(PropagateMode, mode),
            propagate_hosts=self.propagate_to[1:],
            trust_inbound=self.trust_inbound,
            customer_metric_limit=self.customer_metric_limit,
        )

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain data for a log or a page; the key and all header values are ``"***"``."""
        return {name: _shown(getattr(self, name)) for name in type(self).model_fields}

    def __eq__(self, other: object) -> bool:
        # Pydantic also compares private attributes; the same value from another source is the same value.
        if not isinstance(other, BotanuConfig):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self._targets == other._targets

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        return self.to_dict().items()


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return dict.fromkeys(value, "***")
    if isinstance(value, tuple):
        return list(value)
    return "***" if isinstance(value, SecretStr) else value


_NAMES: Final = {name: name for name in BotanuConfig.model_fields} | _ALIASES
