"""The door: all that an adapter may import.

An adapter maps one framework's hooks onto these: read the message (`from_asgi` …), `accept` a run, give it a span,
make it `active` around the call, `finish` it when the response is really over.
"""

from botanu_core.runtime.accept import accept, propagation_fields, server_span, to_header
from botanu_core.runtime.context import RunContext, activate, deactivate
from botanu_core.runtime.guard import failed
from botanu_core.runtime.propagator import SCOPE_KEY, others, without_ours
from botanu_core.runtime.telemetry import farewell
from botanu_core.semconv import (
    BAGGAGE_HEADER,
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    RESPONSE_HEADER,
    URL_PATH,
)
from botanu_core.wire.carrier import Inbound, from_asgi, from_environ, from_header, from_mapping

__all__ = [
    "BAGGAGE_HEADER",
    "HTTP_REQUEST_METHOD",
    "HTTP_RESPONSE_STATUS_CODE",
    "HTTP_ROUTE",
    "RESPONSE_HEADER",
    "SCOPE_KEY",
    "URL_PATH",
    "Inbound",
    "RunContext",
    "accept",
    "activate",
    "deactivate",
    "failed",
    "farewell",
    "from_asgi",
    "from_environ",
    "from_header",
    "from_mapping",
    "others",
    "propagation_fields",
    "server_span",
    "to_header",
    "without_ours",
]
