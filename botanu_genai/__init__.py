"""Botanu for model clients: `OpenAIInstrumentor` and `BedrockInstrumentor`, on OpenTelemetry's own instrumentors.

    from botanu_genai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()

Every call of these clients becomes a span, priced and counted once by the ledger where `botanu.enable()` was called.
Messages, tool calls and tools are flat attributes on it; their content only where capturing is on.
"""

from botanu_core.clients import MissingExtra

try:
    from botanu_genai._bedrock import BedrockInstrumentor
    from botanu_genai._coralogix import setup_export_to_coralogix
    from botanu_genai._openai import OpenAIInstrumentor
except ModuleNotFoundError as error:
    raise MissingExtra("botanu_genai", "genai") from error

__all__ = ["BedrockInstrumentor", "OpenAIInstrumentor", "setup_export_to_coralogix"]
