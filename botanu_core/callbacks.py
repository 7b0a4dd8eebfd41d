"""The other door: what an adapter of callbacks may import, where there is a beginning and an end and no block.

Such an adapter starts a tracker in the Context of what is around it, keeps it, and finishes it. It makes nothing
current between two callbacks; `called_from` tells the ledger which call the code that follows is in.
"""

from botanu_core.errors import ConfigError
from botanu_core.ledger.call import Call
from botanu_core.log import warn_once
from botanu_core.model.reported import Reported, Reporter, read_reported, reporter_of
from botanu_core.model.vocabulary import provider_at
from botanu_core.runtime.calling import called_from, calling
from botanu_core.runtime.context import RunContext
from botanu_core.runtime.current import composed, current_run, current_step, under
from botanu_core.runtime.guard import failed
from botanu_core.semconv import (
    GEN_AI_AGENT_NAME,
    GEN_AI_DATA_SOURCE,
    GEN_AI_OPERATION,
    GEN_AI_WORKFLOW_NAME,
    STEP,
)
from botanu_core.tracking.llm import LLMTracker, track_llm_call
from botanu_core.tracking.tool import ToolTracker, track_tool_call
from botanu_core.tracking.tracker import Tracker

__all__ = [
    "GEN_AI_AGENT_NAME",
    "GEN_AI_DATA_SOURCE",
    "GEN_AI_OPERATION",
    "GEN_AI_WORKFLOW_NAME",
    "STEP",
    "Call",
    "ConfigError",
    "LLMTracker",
    "Reported",
    "Reporter",
    "RunContext",
    "ToolTracker",
    "Tracker",
    "called_from",
    "calling",
    "composed",
    "current_run",
    "current_step",
    "failed",
    "provider_at",
    "read_reported",
    "reporter_of",
    "track_llm_call",
    "track_tool_call",
    "under",
    "warn_once",
]
