"""The door: all that an adapter may import.

A web adapter makes an `Exchange` of a request, makes its run current around the call, and tells it how things end;
`docs/adapters.md` shows one. Others map their framework's hooks onto `accept` and the verbs of `RunContext`.
"""

from botanu_core import semconv
from botanu_core.errors import ConfigError, MissingExtra
from botanu_core.log import warn_once
from botanu_core.model.run import MAX_ID_CHARS, clean
from botanu_core.runtime.accept import accept, propagation_fields, server_span, to_header
from botanu_core.runtime.context import RunContext, activate, current_run, deactivate, record_error
from botanu_core.runtime.current import Activation
from botanu_core.runtime.guard import failed
from botanu_core.runtime.parent import extracted
from botanu_core.runtime.propagator import SCOPE_KEY, inner_propagator, others, without_ours
from botanu_core.runtime.telemetry import end_span, farewell, start_span
from botanu_core.semconv import (
    BAGGAGE_HEADER,
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    RESPONSE_HEADER,
    URL_PATH,
)
from botanu_core.web.body import AsyncBody, Body, body_of
from botanu_core.web.environ import EnvironExchange, bodiless
from botanu_core.web.exchange import Exchange, is_excluded, is_preflight
from botanu_core.web.headers import EXPOSE, exposing, with_run
from botanu_core.web.options import OPTIONS, Options, Problem, WebOptions, prefixed, problems_of
from botanu_core.wire.carrier import Inbound, from_asgi, from_environ, from_header, from_mapping

__all__ = [
    "BAGGAGE_HEADER",
    "EXPOSE",
    "HTTP_REQUEST_METHOD",
    "HTTP_RESPONSE_STATUS_CODE",
    "HTTP_ROUTE",
    "MAX_ID_CHARS",
    "OPTIONS",
    "RESPONSE_HEADER",
    "SCOPE_KEY",
    "URL_PATH",
    "Activation",
    "AsyncBody",
    "Body",
    "ConfigError",
    "EnvironExchange",
    "Exchange",
    "Inbound",
    "MissingExtra",
    "Options",
    "Problem",
    "RunContext",
    "WebOptions",
    "accept",
    "activate",
    "bodiless",
    "body_of",
    "clean",
    "current_run",
    "deactivate",
    "end_span",
    "exposing",
    "extracted",
    "failed",
    "farewell",
    "from_asgi",
    "from_environ",
    "from_header",
    "from_mapping",
    "inner_propagator",
    "is_excluded",
    "is_preflight",
    "others",
    "prefixed",
    "problems_of",
    "propagation_fields",
    "record_error",
    "semconv",
    "server_span",
    "start_span",
    "to_header",
    "warn_once",
    "with_run",
    "without_ours",
]
