"""`BotanuConfig`: what people set, checked when the process starts, with the source of every value.

Code beats environment beats file beats default, field by field. A wrong value is a `ConfigError` that names where
it came from (keyword, variable, or ``file:line: key``) and the mend. Secrets appear in no error, `repr` or dict.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, cast, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr
from pydantic import ValidationError as Invalid

from botanu_core.errors import ConfigError
from botanu_core.pricing import Contract
from botanu_core.sdk import scrub_options, values
from botanu_core.sdk.sources import HEADER_VARIABLES, METRIC_INTERVAL_MS, FilePath, Found, Signal, env, gather, target
from botanu_core.settings import CAPTURE_VARIABLE, PropagateMode, Settings, captures_on_spans

__all__ = ["BotanuConfig", "Signal"]

_SILENT: Final = frozenset(
    {"otlp_headers", "api_key", "api_key_host", "baggage_key", "customer_id_key", "scrub_pseudonym_key"}
)  # errors do not show what came
_ALIASES: Final = {"deployment_environment": "environment"}
_USER_NOTE: Final = "{}: user and password were taken out of the URL and are not sent; give them as otlp_headers"
_HEADERS_NOTE: Final = "{} is not sent to otlp_endpoint; headers that are meant for it are otlp_headers"


def _explain(error: Invalid, found: Mapping[str, Found]) -> str:
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
_Float = Annotated[float, BeforeValidator(values.not_bool), Field(allow_inf_nan=False)]
_Int = Annotated[int, BeforeValidator(values.not_bool)]
_Protocol = Annotated[Literal["http/protobuf", "grpc"], BeforeValidator(values.protocol)]
_Headers = Annotated[dict[str, SecretStr], BeforeValidator(values.headers)]
_Instruments = Annotated[Literal["all", "none"] | tuple[str, ...], BeforeValidator(values.instruments)]
_Words = Annotated[tuple[str, ...], BeforeValidator(values.words)]
_Contracts = Annotated[tuple[Contract | str, ...], BeforeValidator(values.contracts)]
_Destinations = Annotated[tuple[str, ...], BeforeValidator(values.destinations)]
_Trust = Annotated[Literal["auto", "signed", "always", "never"], BeforeValidator(values.trust)]
_Keys = Annotated[tuple[SecretStr, ...], BeforeValidator(values.hmac_keys)]
_Key = Annotated[SecretStr, BeforeValidator(values.hmac_key)]
_Form = Annotated[Literal["plain", "hashed"], BeforeValidator(values.customer_form)]
_Rates = Annotated[dict[str, float], BeforeValidator(values.rates)]
_Truth = Annotated[bool, BeforeValidator(values.truth)]
_Patterns = Annotated[tuple[Any, ...], BeforeValidator(scrub_options.patterns)]
_Detectors = Annotated[tuple[Any, ...], BeforeValidator(scrub_options.detectors)]
_Semconv = Annotated[Literal["botanu", "otel"], BeforeValidator(values.lower)]


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
    otlp_endpoint: Annotated[str, AfterValidator(values.endpoint)] | None = None
    otlp_protocol: _Protocol = "http/protobuf"
    otlp_headers: _Headers = {}
    api_key: Annotated[SecretStr, AfterValidator(values.key)] | None = None
    api_key_host: Annotated[str, AfterValidator(values.bare_host)] | None = None
    instrument: _Instruments = "all"
    skip_instruments: _Words = ()
    price_contracts: _Contracts = ()
    strict_prices: _Truth = False
    content_capture_rate: _Float = Field(0.0, ge=0, le=1, description="lie in 0.0-1.0")
    content_capture_rates: _Rates = {}
    capture_input: _Truth = True
    capture_output: _Truth = True
    max_content_chars: _Int = Field(4096, ge=1, le=1_000_000, description="be a whole number, 1 to 1000000")
    scrub_spans: _Truth = True
    scrub_off: _Words = ()
    scrub_patterns: _Patterns = ()
    scrub_replacement: _Text | None = Field(None, description=_TEXT)
    scrub_pseudonym_key: SecretStr | None = None
    detectors: _Detectors = ()
    detector_timeout_s: _Float = Field(1.0, gt=0, le=60, description="be above 0 and at most 60 seconds")
    propagate_to: _Destinations = ("inside",)
    withhold_trace_context: _Truth = False
    trust_inbound: _Trust = "auto"
    trusted_proxies: _Int = Field(0, ge=0, le=64, description="be a whole number, 0 to 64")
    baggage_key: _Keys = ()
    signature_lifetime_s: _Float = Field(300.0, ge=1, le=86_400, description="be 1 to 86400 seconds")
    clock_skew_s: _Float = Field(30.0, ge=0, le=3600, description="be 0 to 3600 seconds")
    customer_id_form: _Form = "plain"
    customer_id_key: _Key | None = None
    semconv: _Semconv = Field("botanu", description="be 'botanu' or 'otel'")
    customer_metric_limit: _Int = Field(0, ge=0, le=100_000, description="be a whole number, 0 to 100000")
    max_queue_size: _Int = Field(8192, ge=1, le=1_000_000, description="be a whole number, 1 to 1000000")
    export_interval_s: _Float = Field(1.0, gt=0, le=3600, description=_INTERVAL)
    metric_interval_s: _Float = Field(
        30.0, gt=0, le=3600, description=f"{_INTERVAL} ({METRIC_INTERVAL_MS}: milliseconds)"
    )
    shutdown_timeout_s: _Float = Field(5.0, gt=0, le=60, description="be above 0 and at most 60 seconds")

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _targets: dict[Signal, str] = PrivateAttr(default_factory=dict)
    _notes: tuple[str, ...] = PrivateAttr(default=())

    def __init__(self, *, file: FilePath | None = None, **fields: Any) -> None:
        found, problem = gather(_NAMES, fields, file), ""
        try:
            super().__init__(**{name: value for name, (value, _) in found.items()})
        except Invalid as error:
            problem = _explain(error, found)
        if problem:  # not raised up there: pydantic's error holds the values and would be the context of ours
            raise ConfigError(problem)
        self._check_trust()
        targets = {signal: target(self.otlp_endpoint, self.otlp_protocol, signal) for signal in get_args(Signal)}
        self._origins = {name: source for name, (_, source) in found.items()}
        self._targets = {signal: url for signal, (url, _) in targets.items()}
        raw, source = found.get("otlp_endpoint", ("", ""))
        users = [source] if "@" in str(raw) else [variable for _, variable in targets.values() if variable]
        notes = [*dict.fromkeys(map(_USER_NOTE.format, users)), *self._check_key()]
        if self.otlp_endpoint is not None:
            notes += [_HEADERS_NOTE.format(variable) for variable in HEADER_VARIABLES if env(variable)]
        self._notes = (*notes, *self._check_capture())

    @classmethod
    def load(cls, *, file: FilePath | None = None, **fields: Any) -> "BotanuConfig":
        """The same as calling the class, for those who like to see that files and variables are read."""
        return cls(file=file, **fields)

    def _check_trust(self) -> None:
        if self.trust_inbound == "signed" and not self.baggage_key:
            raise ConfigError(
                "trust_inbound='signed' (BOTANU_TRUST_INBOUND) needs baggage_key (BOTANU_BAGGAGE_KEY): "
                "set the key that your services share, or use 'auto'"
            )
        if self.customer_id_form == "hashed" and self.customer_id_key is None:
            raise ConfigError(
                "customer_id_form='hashed' (BOTANU_CUSTOMER_ID) needs customer_id_key (BOTANU_CUSTOMER_ID_KEY): "
                "set the key that your services share; make one with 'openssl rand -hex 32'"
            )

    def _check_capture(self) -> tuple[str, ...]:
        if captures_on_spans(env(CAPTURE_VARIABLE)) is False and (
            self.content_capture_rate or self.content_capture_rates
        ):
            return (f"content_capture_rate has no effect: {CAPTURE_VARIABLE} asks for no content on spans",)
        return ()

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
        targets = [url for url in self._targets.values() if values.is_on(url, host)]
        if not all(map(values.is_private, targets)):
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

        OTEL_EXPORTER_OTLP_HEADERS is not in it: the exporter reads that by itself, unless `otlp_endpoint` is set.
        """
        headers = {name: value.get_secret_value() for name, value in self.otlp_headers.items()}
        host = self.api_key_host
        if self.api_key and host and values.is_on(endpoint, host) and values.is_private(endpoint):
            headers["authorization"] = f"Bearer {self.api_key.get_secret_value()}"
        return headers

    def settings(self) -> Settings:
        """The part that running code asks for."""
        mode = self.propagate_to[0]
        rate, rates = self._capture_rates()
        return Settings(
            environment=self.environment,
            semconv=self.semconv,
            content_capture_rate=rate,
            content_capture_rates=rates,
            capture_input=self.capture_input,
            capture_output=self.capture_output,
            max_content_chars=self.max_content_chars,
            propagate_mode=cast(PropagateMode, mode),
            propagate_hosts=self.propagate_to[1:],
            withhold_trace_context=self.withhold_trace_context,
            trust_inbound=self.trust_inbound,
            trusted_proxies=self.trusted_proxies,
            baggage_keys=tuple(key.get_secret_value().encode() for key in self.baggage_key),
            signature_lifetime_s=self.signature_lifetime_s,
            clock_skew_s=self.clock_skew_s,
            customer_id_form=self.customer_id_form,
            customer_id_key=self.customer_id_key.get_secret_value().encode() if self.customer_id_key else None,
            customer_metric_limit=self.customer_metric_limit,
            strict_prices=self.strict_prices,
        )

    def _capture_rates(self) -> tuple[float, dict[str, float]]:
        asked = captures_on_spans(env(CAPTURE_VARIABLE))
        if asked is False:
            return 0.0, {}
        is_said = "content_capture_rate" in self._origins
        return 1.0 if asked and not is_said else self.content_capture_rate, self.content_capture_rates

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain data for a log or a page; keys and header values are ``"***"``."""
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
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_shown(item) for item in value]
    if isinstance(value, SecretStr):
        return "***"
    # A contract, a pattern or a detector is shown by its name.
    return getattr(value, "name", None) or getattr(value, "__qualname__", None) or value


_NAMES: Final = {name: name for name in BotanuConfig.model_fields} | _ALIASES
