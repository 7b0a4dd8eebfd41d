"""The door: all that an adapter may import.

An adapter maps one framework's hooks onto these: read the message (`from_asgi` …), `accept` a run, give it a span,
make it `active` around the call, `finish` it when the response is really over.
"""

from botanu_core.errors import ConfigError
from botanu_core.log import warn_once
from botanu_core.model.reported import Reported, Reporter, read_reported, reporter_of
from botanu_core.runtime.accept import accept, propagation_fields, server_span
from botanu_core.runtime.billing import called_from
from botanu_core.runtime.context import RunContext, activate, deactivate
from botanu_core.runtime.current import composed, current_run
from botanu_core.runtime.guard import failed
from botanu_core.runtime.propagator import SCOPE_KEY, others, without_ours
from botanu_core.runtime.telemetry import farewell
from botanu_core.semconv import (
    BAGGAGE_HEADER,
    GEN_AI_AGENT_NAME,
    GEN_AI_DATA_SOURCE,
    GEN_AI_OPERATION,
    GEN_AI_WORKFLOW_NAME,
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    RESPONSE_HEADER,
    STEP,
    URL_PATH,
)
from botanu_core.tracking.llm import LLMTracker, track_llm_call
from botanu_core.tracking.tool import ToolTracker, track_tool_call
from botanu_core.tracking.tracker import Tracker
from botanu_core.wire.carrier import Inbound, from_asgi, from_environ, from_mapping

__all__ = [
    "BAGGAGE_HEADER",
    "GEN_AI_AGENT_NAME",
    "GEN_AI_DATA_SOURCE",
    "GEN_AI_OPERATION",
    "GEN_AI_WORKFLOW_NAME",
    "HTTP_REQUEST_METHOD",
    "HTTP_RESPONSE_STATUS_CODE",
    "HTTP_ROUTE",
    "RESPONSE_HEADER",
    "SCOPE_KEY",
    "STEP",
    "URL_PATH",
    "ConfigError",
    "Inbound",
    "LLMTracker",
    "Reported",
    "Reporter",
    "RunContext",
    "ToolTracker",
    "Tracker",
    "accept",
    "activate",
    "called_from",
    "composed",
    "current_run",
    "deactivate",
    "failed",
    "farewell",
    "from_asgi",
    "from_environ",
    "from_mapping",
    "others",
    "propagation_fields",
    "read_reported",
    "reporter_of",
    "server_span",
    "track_llm_call",
    "track_tool_call",
    "warn_once",
    "without_ours",
]
