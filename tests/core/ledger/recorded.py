"""What the real instrumentations wrote of calls whose usage is known.

`spans/*.json` holds the spans, and the version of the package that wrote them, when the provider's own client called a
loopback provider. `OPENAI` and so on is what that provider answered: the reader has to come to the same, or to a part
of it where the instrumentation left something out, and that is named here.
"""

import json
from pathlib import Path

__all__ = ["CASES", "CONTAINERS", "NO_HOUR", "OPENAI", "RECORDED"]

RECORDED = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "spans").glob("*.json")}

# What the provider answered, by bucket.
OPENAI = {"input": 86, "cache_read": 1920, "output": 108, "reasoning": 192}
ANTHROPIC = {"input": 2048, "cache_read": 1800, "cache_write_5m": 456, "cache_write_1h": 100, "output": 503}
BEDROCK = {"input": 3000, "cache_read": 1500, "cache_write_5m": 500, "output": 628}
GEMINI = {"input": 200, "cache_read": 1000, "output": 80, "reasoning": 120}
EMBEDDED = {"input": 8}
COMPLETED = {"input": 20, "output": 5}
UNKNOWN: dict[str, int] = {}
# What the instrumentations leave out of it, or get wrong themselves.
NO_REASONING = {"input": 86, "cache_read": 1920, "output": 300}
NO_PARTS = {"input": 2006, "output": 300}
NO_HOUR = {"input": 2048, "cache_read": 1800, "cache_write_5m": 556, "output": 503}
ADDED_UP = NO_HOUR | {"output": 504}  # the count of the stream's first event, added to that of its last
NO_CACHE = {"input": 2048, "output": 503}

# (file, call, name of the span): operation, provider, model, response id, buckets, whether streamed
CASES: dict[tuple[str, str, str], tuple[str, str, str, str | None, dict[str, int], bool]] = {
    ("otel-genai-openai", "chat", "chat gpt-5"): ("chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, False),
    ("otel-genai-openai", "chat streamed", "chat gpt-5"): ("chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, True),
    ("otel-genai-openai", "chat streamed without usage", "chat gpt-5"): (
        "chat", "openai", "gpt-5", "chatcmpl-1", UNKNOWN, True,
    ),
    ("otel-genai-openai", "embeddings", "embeddings text-embedding-3-small"): (
        "embeddings", "openai", "text-embedding-3-small", None, EMBEDDED, False,
    ),
    ("otel-genai-openai", "responses", "chat gpt-5"): ("chat", "openai", "gpt-5", "resp_1", OPENAI, False),
    ("otel-genai-openai", "responses streamed", "chat gpt-5"): ("chat", "openai", "gpt-5", "resp_1", OPENAI, True),
    ("otel-openai-v2", "chat", "chat gpt-5"): ("chat", "openai", "gpt-5", "chatcmpl-1", NO_PARTS, False),
    # The older instrumentation does not say that a call was streamed.
    ("otel-openai-v2", "chat streamed", "chat gpt-5"): ("chat", "openai", "gpt-5", "chatcmpl-1", NO_PARTS, False),
    ("otel-openai-v2", "chat streamed without usage", "chat gpt-5"): (
        "chat", "openai", "gpt-5", "chatcmpl-1", UNKNOWN, False,
    ),
    ("otel-openai-v2", "embeddings", "embeddings text-embedding-3-small"): (
        "embeddings", "openai", "text-embedding-3-small", None, EMBEDDED, False,
    ),
    ("openllmetry-openai", "chat", "openai.chat"): ("chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, False),
    ("openllmetry-openai", "chat streamed", "openai.chat"): (
        "chat", "openai", "gpt-5", "chatcmpl-1", NO_REASONING, True,
    ),
    ("openllmetry-openai", "chat streamed without usage", "openai.chat"): (
        "chat", "openai", "gpt-5", "chatcmpl-1", UNKNOWN, True,
    ),
    ("openllmetry-openai", "embeddings", "openai.embeddings"): (
        "embeddings", "openai", "text-embedding-3-small", None, EMBEDDED | {"cache_read": 0}, False,
    ),
    ("openllmetry-openai", "responses", "openai.response"): ("chat", "openai", "gpt-5", "resp_1", OPENAI, False),
    ("openllmetry-openai", "responses streamed", "openai.response"): (
        "chat", "openai", "gpt-5", "resp_1", OPENAI, True,
    ),
    ("openllmetry-openai", "completion", "openai.completion"): (
        "text_completion", "openai", "gpt-3.5-turbo-instruct", "chatcmpl-1", COMPLETED, False,
    ),
    ("openinference-openai", "chat", "ChatCompletion"): ("chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, False),
    ("openinference-openai", "chat streamed", "ChatCompletion"): (
        "chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, True,
    ),
    ("openinference-openai", "chat streamed without usage", "ChatCompletion"): (
        "chat", "openai", "gpt-5", "chatcmpl-1", UNKNOWN, True,
    ),
    ("openinference-openai", "embeddings", "CreateEmbeddings"): (
        "embeddings", "openai", "text-embedding-3-small", None, EMBEDDED, False,
    ),
    ("openinference-openai", "responses", "Response"): ("chat", "openai", "gpt-5", "resp_1", OPENAI, False),
    ("openinference-openai", "responses streamed", "Response"): ("chat", "openai", "gpt-5", "resp_1", OPENAI, True),
    ("openinference-openai", "completion", "Completion"): (
        "chat", "openai", "gpt-3.5-turbo-instruct", "chatcmpl-1", COMPLETED, False,
    ),
    # It keeps the counts of images in the answer only.
    ("openinference-openai", "image", "ImagesResponse"): (
        "chat", "openai", "gpt-image-1", None, {"input": 12, "output": 1056}, False,
    ),
    **{
        (file, call, "anthropic.messages.create"): (
            "chat", "anthropic", "claude-sonnet-4-5", "msg_1", ANTHROPIC, call != "messages",
        )
        for file in ("anthropic-native", "openllmetry-anthropic", "openinference-anthropic")
        for call in ("messages", "messages streamed", "messages stream helper")
    },
    ("openllmetry-anthropic", "messages", "anthropic.chat"): (
        "chat", "anthropic", "claude-sonnet-4-5", "msg_1", NO_HOUR, False,
    ),
    ("openllmetry-anthropic", "messages streamed", "anthropic.chat"): (
        "chat", "anthropic", "claude-sonnet-4-5", "msg_1", ADDED_UP, True,
    ),
    ("openllmetry-anthropic", "messages stream helper", "anthropic.chat"): (
        "chat", "anthropic", "claude-sonnet-4-5", "msg_1", ADDED_UP, False,
    ),
    ("openinference-anthropic", "messages", "messages.create"): (
        "chat", "anthropic", "claude-sonnet-4-5", "msg_1", ANTHROPIC, False,
    ),
    ("openinference-anthropic", "messages streamed", "messages.create"): (
        "chat", "anthropic", "claude-sonnet-4-5", "msg_1", ANTHROPIC, True,
    ),
    ("openinference-anthropic", "messages stream helper", "messages.stream"): (
        "chat", "anthropic", "claude-sonnet-4-5", "msg_1", ANTHROPIC, True,
    ),
    ("otel-botocore", "converse", "chat us.anthropic.claude-sonnet-4-5-20250929-v1:0"): (
        "chat", "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, BEDROCK, False,
    ),
    ("otel-botocore", "invoke", "chat us.anthropic.claude-sonnet-4-5-20250929-v1:0"): (
        "chat", "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, NO_CACHE, False,
    ),
    ("openllmetry-bedrock", "converse", "chat claude-sonnet-4-5-20250929-v1:0"): (
        "chat", "aws.bedrock", "claude-sonnet-4-5-20250929-v1:0", None, BEDROCK, False,
    ),
    ("openllmetry-bedrock", "invoke", "chat claude-sonnet-4-5-20250929-v1:0"): (
        "chat", "aws.bedrock", "claude-sonnet-4-5", "msg_1", NO_CACHE, False,
    ),
    ("openinference-bedrock", "converse", "bedrock.converse"): (
        "chat", "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, BEDROCK, False,
    ),
    ("openinference-bedrock", "invoke", "bedrock.invoke_model"): (
        "chat", "aws.bedrock", "claude-sonnet-4-5", "msg_1", ANTHROPIC, False,
    ),
    ("otel-gemini", "generate", "generate_content gemini-2.5-pro"): (
        "generate_content", "gcp.vertex_ai", "gemini-2.5-pro", "gem-1", GEMINI, False,
    ),
    ("otel-gemini", "generate streamed", "generate_content gemini-2.5-pro"): (
        "generate_content", "gcp.vertex_ai", "gemini-2.5-pro", "gem-1", GEMINI, True,
    ),
    # The thoughts are only in its total.
    ("openllmetry-gemini", "generate", "generate_content gemini-2.5-pro"): (
        "generate_content", "gcp.vertex_ai", "gemini-2.5-pro", "gem-1", GEMINI, False,
    ),
    ("openllmetry-gemini", "generate streamed", "generate_content gemini-2.5-pro"): (
        "generate_content", "gcp.vertex_ai", "gemini-2.5-pro", "gem-1", GEMINI, False,
    ),
    ("openinference-gemini", "generate", "GenerateContent"): (
        "chat", "gcp.vertex_ai", "gemini-2.5-pro", None, GEMINI, False,
    ),
    ("openinference-gemini", "generate streamed", "GenerateContentStream"): (
        "chat", "gcp.vertex_ai", "gemini-2.5-pro", None, GEMINI, False,
    ),
    ("openllmetry-cohere", "chat", "cohere.chat"): (
        "chat", "cohere", "command-r-plus-08-2024", "co-1", {"input": 50, "output": 7}, False,
    ),
    ("openllmetry-cohere", "rerank", "cohere.rerank"): ("rerank", "cohere", "rerank-v3.5", "rr-1", UNKNOWN, False),
    ("openllmetry-cohere", "embed", "cohere.embed"): ("embeddings", "cohere", "embed-v4.0", "em-1", UNKNOWN, False),
    ("pydantic-ai", "run", "chat gpt-5"): ("chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, False),
    # Strands names itself where the provider should stand: the model's name tells.
    ("strands", "agent", "chat"): ("chat", "openai", "gpt-5", None, NO_REASONING, False),
    ("langfuse", "chat", "OpenAI-generation"): ("chat", "openai", "gpt-5", None, OPENAI, False),
    ("langfuse", "chat streamed", "OpenAI-generation"): ("chat", "openai", "gpt-5", None, OPENAI, True),
    ("langfuse", "embeddings", "OpenAI-embedding"): (
        "embeddings", "openai", "text-embedding-3-small", None, EMBEDDED, False,
    ),
    ("langsmith", "chat", "ChatOpenAI"): ("chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, False),
    # LiteLLM writes to the span that is current, here the application's own.
    ("litellm", "completion", "app"): ("chat", "openai", "gpt-5", "chatcmpl-1", OPENAI, False),
    ("openinference-litellm", "completion", "completion"): ("chat", "openai", "openai/gpt-5", None, OPENAI, False),
    ("openinference-litellm", "streamed", "completion"): ("chat", "openai", "openai/gpt-5", None, OPENAI, True),
    ("openinference-litellm", "embedding", "CreateEmbeddings"): (
        "embeddings", "openai", "text-embedding-3-small", None, EMBEDDED, False,
    ),
    ("azure-ai-inference", "chat", "chat gpt-5"): (
        "chat", "azure.ai.inference", "gpt-5", "chatcmpl-1", NO_PARTS, False,
    ),
}  # fmt: skip
CONTAINERS = {"POST", "raw_gen_ai_request", "invoke_agent a", "invoke_agent Strands Agents", "execute_event_loop_cycle"}
