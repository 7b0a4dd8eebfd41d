"""How OpenAI and Anthropic say things: bodies, streams, errors and usage, as their current clients read them."""

import base64
import hashlib
import itertools
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from demo.invoice import Tokens

__all__ = ["DIALECTS", "Call", "Chunk", "Dialect"]

Json = dict[str, Any]

_ANSWER = "We checked your request against the policy and the history of your order and here is what happens next"
_IDENTIFIER = re.compile(r"\b[A-Z]{2,}-\d+\b")
_CREATED = 1_790_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as the provider sees it."""

    request_id: str
    body: Json
    tokens: Tokens

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits, the same for the same body: what is answered never depends on who came first."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model", "unknown"))

    @property
    def service_tier(self) -> str:
        """How it is served: ``flex`` where that was asked for, else ``default``."""
        return "flex" if self.body.get("service_tier") == "flex" else "default"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One server-sent event.

    Attributes:
        data: The event, with its blank line.
        share: Share of the output that has been generated once this chunk is sent, 0.0 to 1.0.
    """

    data: bytes
    share: float


class Dialect(Protocol):
    """What a provider's interface has to answer."""

    provider: str
    operation: str
    id_prefix: str

    def whole(self, call: Call) -> Json:
        """The body of a plain response."""
        ...

    def chunks(self, call: Call) -> Iterator[Chunk]:
        """The events of a streamed response."""
        ...

    def error(self, status: int) -> Json:
        """The body of a refusal."""
        ...


class OpenAIChat:
    """``POST /v1/chat/completions``."""

    provider = "openai"
    operation = "chat"
    id_prefix = "chatcmpl-"

    def whole(self, call: Call) -> Json:
        """The body of a plain response."""
        tool = _wanted_tool(call.body, answered=_openai_tool_answered(call.body))
        message: Json = {"role": "assistant", "content": _text(call), "refusal": None}
        if tool is not None:
            message |= {"content": None, "tool_calls": [self._tool_call(call, tool["function"])]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if tool else "stop"}
        return self._envelope(call, "chat.completion") | {"choices": [choice], "usage": _openai_usage(call.tokens)}

    def chunks(self, call: Call) -> Iterator[Chunk]:
        """The events of a streamed response; usage only comes when the request asks for it."""
        with_usage = bool((call.body.get("stream_options") or {}).get("include_usage"))
        envelope = self._envelope(call, "chat.completion.chunk") | ({"usage": None} if with_usage else {})
        for delta, finish, share in self._deltas(call):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield Chunk(_event(envelope | {"choices": [choice]}), share)
        if with_usage:
            yield Chunk(_event(envelope | {"choices": [], "usage": _openai_usage(call.tokens)}), 1.0)
        yield Chunk(b"data: [DONE]\n\n", 1.0)

    def error(self, status: int) -> Json:
        """The body of a refusal."""
        return _openai_error(status)

    def _deltas(self, call: Call) -> Iterator[tuple[Json, str | None, float]]:
        tool = _wanted_tool(call.body, answered=_openai_tool_answered(call.body))
        yield {"role": "assistant", "content": None if tool else ""}, None, 0.0
        if tool is not None:
            whole = self._tool_call(call, tool["function"])
            arguments = whole["function"]["arguments"]
            opening = whole | {"index": 0, "function": whole["function"] | {"arguments": ""}}
            yield {"tool_calls": [opening]}, None, 0.5
            yield {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}, None, 1.0
        else:
            for part, share in _parts(_text(call)):
                yield {"content": part}, None, share
        yield {}, "tool_calls" if tool else "stop", 1.0

    @staticmethod
    def _tool_call(call: Call, function: Mapping[str, Any]) -> Json:
        arguments = json.dumps(_arguments(call, function.get("parameters") or {}))
        return {
            "id": f"call_{call.fingerprint}",
            "type": "function",
            "function": {"name": function["name"], "arguments": arguments},
        }

    @staticmethod
    def _envelope(call: Call, kind: str) -> Json:
        return {
            "id": call.request_id,
            "object": kind,
            "created": _CREATED,
            "model": call.model,
            "system_fingerprint": None,
            "service_tier": call.service_tier,
        }


class OpenAIEmbeddings:
    """``POST /v1/embeddings``."""

    provider = "openai"
    operation = "embeddings"
    id_prefix = "emb-"

    def whole(self, call: Call) -> Json:
        """The body of a response: one vector of eight numbers an input."""
        texts = call.body.get("input", "")
        texts = texts if isinstance(texts, list) else [texts]
        encode = base64.b64encode if call.body.get("encoding_format") == "base64" else None
        rows = []
        for index, text in enumerate(texts):
            raw = struct.pack("<8f", *(byte / 255 for byte in hashlib.sha256(str(text).encode()).digest()[:8]))
            vector = encode(raw).decode() if encode else list(struct.unpack("<8f", raw))
            rows.append({"object": "embedding", "index": index, "embedding": vector})
        usage = {"prompt_tokens": call.tokens.input, "total_tokens": call.tokens.input}
        return {"object": "list", "data": rows, "model": call.model, "usage": usage}

    def chunks(self, call: Call) -> Iterator[Chunk]:  # noqa: ARG002  # the shape of a dialect
        """None: vectors are never streamed."""
        return iter(())

    def error(self, status: int) -> Json:
        """The body of a refusal."""
        return _openai_error(status)


class AnthropicMessages:
    """``POST /v1/messages``. Its ``input_tokens`` leave the cached tokens out."""

    provider = "anthropic"
    operation = "chat"
    id_prefix = "msg_"

    def whole(self, call: Call) -> Json:
        """The body of a plain response."""
        block, stop_reason = self._block(call)
        return self._message(call) | {
            "content": [block],
            "stop_reason": stop_reason,
            "usage": self._usage(call.tokens) | {"output_tokens": call.tokens.output},
        }

    def chunks(self, call: Call) -> Iterator[Chunk]:
        """The events of a streamed response: input tokens come first, output tokens at the end."""
        block, stop_reason = self._block(call)
        opening = self._message(call) | {"usage": self._usage(call.tokens) | {"output_tokens": 1}}
        yield self._chunk({"type": "message_start", "message": opening}, 0.0)
        yield self._chunk({"type": "content_block_start", "index": 0, "content_block": self._empty(block)}, 0.0)
        for delta, share in self._deltas(block):
            yield self._chunk({"type": "content_block_delta", "index": 0, "delta": delta}, share)
        yield self._chunk({"type": "content_block_stop", "index": 0}, 1.0)
        closing = {"stop_reason": stop_reason, "stop_sequence": None}
        usage = {"output_tokens": call.tokens.output}
        yield self._chunk({"type": "message_delta", "delta": closing, "usage": usage}, 1.0)
        yield self._chunk({"type": "message_stop"}, 1.0)

    def error(self, status: int) -> Json:
        """The body of a refusal."""
        kinds = {429: "rate_limit_error", 529: "overloaded_error"}
        detail = {"type": kinds.get(status, "api_error"), "message": "The demonstration asked for this refusal."}
        return {"type": "error", "error": detail}

    @staticmethod
    def _block(call: Call) -> tuple[Json, str]:
        tool = _wanted_tool(call.body, answered=_anthropic_tool_answered(call.body))
        if tool is None:
            return {"type": "text", "text": _text(call)}, "end_turn"
        arguments = _arguments(call, tool.get("input_schema") or {})
        identity = f"toolu_{call.fingerprint}"
        return {"type": "tool_use", "id": identity, "name": tool["name"], "input": arguments}, "tool_use"

    @staticmethod
    def _empty(block: Json) -> Json:
        nothing: Json = {"text": ""} if block["type"] == "text" else {"input": {}}
        return block | nothing

    @staticmethod
    def _deltas(block: Json) -> Iterator[tuple[Json, float]]:
        if block["type"] == "text":
            for part, share in _parts(block["text"]):
                yield {"type": "text_delta", "text": part}, share
        else:
            yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}, 1.0

    @staticmethod
    def _message(call: Call) -> Json:
        empty: Json = {"content": [], "stop_reason": None, "stop_sequence": None}
        return {"id": call.request_id, "type": "message", "role": "assistant", "model": call.model} | empty

    @staticmethod
    def _usage(tokens: Tokens) -> Json:
        return {
            "input_tokens": tokens.input - tokens.cached - tokens.cache_write,
            "cache_read_input_tokens": tokens.cached,
            "cache_creation_input_tokens": tokens.cache_write,
            "service_tier": "standard",
        }

    @staticmethod
    def _chunk(event: Json, share: float) -> Chunk:
        return Chunk(f"event: {event['type']}\n".encode() + _event(event), share)


DIALECTS: Mapping[str, Dialect] = {
    "/v1/chat/completions": OpenAIChat(),
    "/v1/embeddings": OpenAIEmbeddings(),
    "/v1/messages": AnthropicMessages(),
}


def _openai_usage(tokens: Tokens) -> Json:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning, "audio_tokens": 0},
    }


def _openai_error(status: int) -> Json:
    code = "rate_limit_exceeded" if status == 429 else "server_error"
    return {"error": {"message": "The demonstration asked for this refusal.", "type": code, "code": code}}


def _wanted_tool(body: Json, *, answered: bool) -> Json | None:
    """The model calls the first tool it is offered, once: when its result is there, it answers."""
    tools: list[Json] = body.get("tools") or []
    return tools[0] if tools and not answered else None


def _openai_tool_answered(body: Json) -> bool:
    return any(message.get("role") == "tool" for message in body.get("messages", []))


def _anthropic_tool_answered(body: Json) -> bool:
    contents = (message.get("content") for message in body.get("messages", []))
    blocks = itertools.chain.from_iterable(content for content in contents if isinstance(content, list))
    return any(block.get("type") == "tool_result" for block in blocks)


def _arguments(call: Call, schema: Mapping[str, Any]) -> Json:
    """Arguments for a tool's required fields: the first identifier such as ``ORD-17`` in the conversation."""
    found = _IDENTIFIER.search(json.dumps(call.body.get("messages", [])))
    value = found.group() if found else f"ID-{call.fingerprint[:4]}"
    return dict.fromkeys(schema.get("required", []), value)


def _text(call: Call) -> str:
    """A sentence, always the same for the same call."""
    return f"{_ANSWER}: case {call.fingerprint[:6]}."


def _parts(text: str) -> Iterator[tuple[str, float]]:
    words = text.split(" ")
    for start in range(0, len(words), 3):
        end = min(start + 3, len(words))
        yield " ".join(words[start:end]) + ("" if end == len(words) else " "), end / len(words)


def _event(value: Json) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
