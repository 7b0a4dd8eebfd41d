"""Model and tool calls."""

from botanu_core.model.vocabulary import ModelOperation as ModelOperation
from botanu_core.tracking.instrumented import llm_instrumented as llm_instrumented
from botanu_core.tracking.llm import LLMTracker as LLMTracker
from botanu_core.tracking.llm import track_llm_call as track_llm_call
from botanu_core.tracking.told import set_llm_attributes as set_llm_attributes
from botanu_core.tracking.told import set_token_usage as set_token_usage
from botanu_core.tracking.tool import ToolTracker as ToolTracker
from botanu_core.tracking.tool import track_tool_call as track_tool_call

__all__ = [
    "LLMTracker",
    "ModelOperation",
    "ToolTracker",
    "llm_instrumented",
    "set_llm_attributes",
    "set_token_usage",
    "track_llm_call",
    "track_tool_call",
]
