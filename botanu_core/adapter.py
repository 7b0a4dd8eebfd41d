"""The door: all that an adapter may import.

An adapter maps one framework's hooks onto these: read the message (`from_asgi` …), `accept` a run, give it a span,
make it `active` around the call, `finish` it when the response is really over.
"""

from botanu_core.runtime.accept import accept, propagation_fields, server_span
from botanu_core.runtime.context import RunContext
from botanu_core.runtime.guard import failed
from botanu_core.runtime.propagator import SCOPE_KEY
from botanu_core.semconv import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    RESPONSE_HEADER,
    URL_PATH,
)
from botanu_core.wire.carrier import Inbound, from_asgi, from_environ, from_mapping

__all__ = [
    "HTTP_REQUEST_METHOD",
    "HTTP_RESPONSE_STATUS_CODE",
    "HTTP_ROUTE",
    "RESPONSE_HEADER",
    "SCOPE_KEY",
    "URL_PATH",
    "Inbound",
    "RunContext",
    "accept",
    "failed",
    "from_asgi",
    "from_environ",
    "from_mapping",
    "propagation_fields",
    "server_span",
]
