"""OpenAI's and Bedrock's interfaces on this machine: what the model is called decides how it answers."""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from demo.loopback import Handler, LoopbackServer

__all__ = ["Answers"]

_HOLD_S = 20.0
_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 11,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
_USAGES = {
    "gpt-audio": {
        "prompt_tokens": 450,
        "completion_tokens": 400,
        "total_tokens": 850,
        "prompt_tokens_details": {"audio_tokens": 400, "cached_tokens": 0},
        "completion_tokens_details": {"audio_tokens": 320, "reasoning_tokens": 0},
    }
}
_CALLS = (
    ("call_aaa", '{\n  "location": "Seattle, WA"\n}'),
    ("call_bbb", '{"location": "San Francisco, CA"}'),
)
_ERRORS = {401: "invalid_api_key", 429: "rate_limit_exceeded", 500: "server_error"}
_BEDROCK_USAGE = {"inputTokens": 17, "outputTokens": 8, "totalTokens": 25}


class Answers(LoopbackServer):
    """The server; `openai_url` is for OpenAI's clients, `url` for Azure's and boto3's."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.bodies: list[dict[str, Any]] = []

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"


class _Handler(Handler):
    server: Answers

    def do_POST(self) -> None:
        raw, path = self.read_body(), unquote(self.path.partition("?")[0])
        body = json.loads(raw) if raw else {}
        self.server.bodies.append(body)
        if found := re.fullmatch(r"/model/(.+)/(converse|converse-stream|invoke|invoke-with-response-stream)", path):
            self._bedrock(found[1], found[2], body)
        elif path.startswith("/agents/"):
            self._agent(body)
        elif path.endswith("/chat/completions"):
            self._chat(body)
        elif path.endswith("/embeddings"):
            self._embeddings(body)
        elif path.endswith("/responses"):
            self._responses(body)
        else:
            choice = {"index": 0, "text": "This is a test.", "finish_reason": "stop"}
            whole = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]}
            self.answer_json(200, whole | {"choices": [choice]})

    # --- OpenAI ----------------------------------------------------------------------------------------------------

    def _chat(self, body: dict[str, Any]) -> None:
        model = body.get("model", "")
        if fault := re.fullmatch(r"fail-(\d+)", model):
            self._refuse(int(fault[1]))
        elif model == "slow":
            self.client_left(_HOLD_S)
            self.close_connection = True
        elif body.get("stream"):
            self._chat_stream(body, model)
        else:
            choices = [_choice(number, model, body) for number in range(body.get("n") or 1)]
            usage = {} if model == "nousage-model" else {"usage": _USAGES.get(model, _USAGE)}
            self.answer_json(
                200, _envelope("chat.completion", model) | {"choices": choices, "service_tier": "default"} | usage
            )

    def _refuse(self, status: int) -> None:
        message = f"fake error {status} (prompt said: SECRET-PROMPT)"
        error = {"message": message, "type": _ERRORS[status], "param": None, "code": _ERRORS[status]}
        self.answer_json(status, {"error": error}, headers={"retry-after": "0.01"})

    def _chat_stream(self, body: dict[str, Any], model: str) -> None:
        self._open("text/event-stream")
        for number, (index, delta, finish) in enumerate(_deltas(model, body.get("n") or 1)):
            if number == 3 and model == "trickle":
                self.client_left(_HOLD_S)
                self.close_connection = True
                return
            if number == 3 and model == "midfail-drop":
                self.close_connection = True
                return
            choice = {"index": index, "delta": delta, "finish_reason": finish}
            self._event(_envelope("chat.completion.chunk", model) | {"choices": [choice], "service_tier": "default"})
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = _USAGES.get(model, _USAGE)
            self._event(_envelope("chat.completion.chunk", model) | {"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _embeddings(self, body: dict[str, Any]) -> None:
        if fault := re.fullmatch(r"fail-(\d+)", body["model"]):
            self._refuse(int(fault[1]))
            return
        given = body["input"]
        vectors = [{"object": "embedding", "index": at, "embedding": [0.1, 0.2, 0.3, 0.4]}
                   for at in range(len(given) if isinstance(given, list) else 1)]  # fmt: skip
        usage = {"prompt_tokens": 2, "total_tokens": 2}
        self.answer_json(200, {"object": "list", "model": body["model"], "data": vectors, "usage": usage})

    def _responses(self, body: dict[str, Any]) -> None:
        whole = _response(body)
        if not body.get("stream"):
            self.answer_json(200, whole)
            return
        self._open("text/event-stream")
        [item] = whole["output"]
        [part] = item["content"]
        begun = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": whole | {"status": "in_progress", "output": [], "usage": None}},
            {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
            {"type": "response.content_part.added", **begun, "part": part | {"text": ""}},
            {"type": "response.output_text.delta", **begun, "delta": part["text"], "logprobs": []},
            {"type": "response.output_text.done", **begun, "text": part["text"], "logprobs": []},
            {"type": "response.content_part.done", **begun, "part": part},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": whole},
        ]
        for number, event in enumerate(events):
            self._event(event | {"sequence_number": number})
        self._chunk(b"")

    # --- Bedrock ---------------------------------------------------------------------------------------------------

    def _bedrock(self, model: str, operation: str, body: dict[str, Any]) -> None:
        has_tools = bool(body.get("toolConfig") or body.get("tools"))
        has_answered = any("toolResult" in json.dumps(each) or "tool_result" in json.dumps(each)
                           for each in body.get("messages", ()))  # fmt: skip
        calls = has_tools and not has_answered
        if operation == "converse":
            self.answer_json(200, _converse(calls))
        elif operation == "converse-stream":
            self._event_stream(_converse_events(calls, model))
        elif operation == "invoke":
            headers = {"x-amzn-bedrock-input-token-count": "17", "x-amzn-bedrock-output-token-count": "8"}
            self.answer_json(200, _invoked(model, calls), headers={} if "claude" in model else headers)
        else:
            self._event_stream(("chunk", {"bytes": _encoded(event)}) for event in _invoked_events(model, calls))

    def _agent(self, body: dict[str, Any]) -> None:
        text = "Paris is sunny café ☀.".encode()
        cut = len(text) - 4  # inside the sun
        usage = {"inputTokens": 17, "outputTokens": 8}
        traced = {"orchestrationTrace": {"modelInvocationOutput": {"metadata": {"usage": usage}}}}
        asked = {"orchestrationTrace": {"modelInvocationInput": {"foundationModel": "amazon.nova-lite-v1:0"}}}
        events: list[tuple[str, dict[str, Any]]] = []
        if body.get("enableTrace"):
            events = [("trace", {"trace": asked}), ("trace", {"trace": traced})]
        at = cut if "split" in body["inputText"] else 15
        events += [("chunk", {"bytes": _base64(piece)}) for piece in (text[:at], text[at:])]
        self._event_stream(events, {"x-amz-bedrock-agent-session-id": "s", "x-amzn-bedrock-agent-content-type": "t"})

    # --- the wire --------------------------------------------------------------------------------------------------

    def _open(self, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _event(self, event: dict[str, Any]) -> None:
        name = f"event: {event['type']}\n" if "type" in event else ""
        self._chunk(f"{name}data: {json.dumps(event)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _event_stream(
        self, events: Iterator[tuple[str, Any]] | list[tuple[str, Any]], headers: dict[str, str] | None = None
    ) -> None:
        self._open("application/vnd.amazon.eventstream", headers)
        for kind, payload in events:
            self._chunk(_message(kind, payload))
        self._chunk(b"")


def _envelope(kind: str, asked: str) -> dict[str, Any]:
    answering = asked if asked in _USAGES else "gpt-4o-mini-2024-07-18"
    return {"id": "chatcmpl-fake001", "object": kind, "created": 1, "model": answering}


def _tool_call(call: tuple[str, str]) -> dict[str, Any]:
    return {"id": call[0], "type": "function", "function": {"name": "get_current_weather", "arguments": call[1]}}


def _choice(number: int, model: str, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": f"This is a test {number}.", "refusal": None}
    if body.get("response_format", {}).get("type") == "json_schema":
        message["content"] = '{"city": "Paris"}'
    finish = "stop"
    if model == "tools-model":
        message, finish = message | {"content": None, "tool_calls": [*map(_tool_call, _CALLS)]}, "tool_calls"
    elif model == "refuse-model":
        message |= {"content": None, "refusal": "I will not."}
    return {"index": number, "message": message, "finish_reason": finish, "logprobs": None}


def _deltas(model: str, choices: int) -> Iterator[tuple[int, dict[str, Any], str | None]]:
    if model == "tools-model":
        yield 0, {"role": "assistant", "content": None}, None
        for index, call in enumerate(_CALLS):
            yield 0, {"tool_calls": [_tool_call((call[0], "")) | {"index": index}]}, None
            for piece in (call[1][:9], call[1][9:]):
                yield 0, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None
        yield 0, {}, "tool_calls"
        return
    for index in range(choices):
        yield index, {"role": "assistant", "content": ""}, None
        for word in ("This ", "is ", "a ", "test ", f"{index}."):
            yield index, {"content": word}, None
        yield index, {}, "stop"


def _response(body: dict[str, Any]) -> dict[str, Any]:
    text = '{"city": "Paris"}' if body.get("text", {}).get("format") else "This is a test."
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    details = {"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 3}}
    usage = {"input_tokens": 19, "output_tokens": 11, "total_tokens": 30, **details}
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": body["model"],
            "output": [item], "usage": usage, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "temperature": 1.0,
            "top_p": 1.0}  # fmt: skip


_TOOL_USES = (("tooluse_1", {"location": "Seattle, WA"}), ("tooluse_2", {"location": "San Francisco, CA"}))


def _converse(calls: bool) -> dict[str, Any]:
    uses = [{"toolUse": {"toolUseId": use[0], "name": "get_current_weather", "input": use[1]}} for use in _TOOL_USES]
    content = [{"text": "Let me check."}, *uses] if calls else [{"text": "This is a test."}]
    return {"output": {"message": {"role": "assistant", "content": content}}, "usage": _BEDROCK_USAGE,
            "stopReason": "tool_use" if calls else "end_turn", "metrics": {"latencyMs": 1}}  # fmt: skip


def _converse_events(calls: bool, model: str) -> Iterator[tuple[str, Any]]:
    yield "messageStart", {"role": "assistant"}
    if model == "midfail":
        yield "!modelStreamErrorException", {"message": "boom"}
        return
    for text in ("Let me ", "check.") if calls else ("This is ", "a test."):
        yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    for index, (name, given) in enumerate(_TOOL_USES if calls else (), 1):
        start = {"toolUse": {"toolUseId": name, "name": "get_current_weather"}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": json.dumps(given)}}}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": "tool_use" if calls else "end_turn"}
    yield "metadata", {"usage": _BEDROCK_USAGE, "metrics": {"latencyMs": 1}}


def _invoked(model: str, calls: bool) -> dict[str, Any]:
    if "embed" in model:
        return {"embedding": [0.1, 0.2], "inputTextTokenCount": 2}
    if "nova" in model:
        return _converse(calls)
    if "titan" in model:
        result = {"tokenCount": 8, "outputText": "This is a test.", "completionReason": "FINISH"}
        return {"inputTextTokenCount": 17, "results": [result]}
    if "llama" in model:
        counts = {"prompt_token_count": 17, "generation_token_count": 8}
        return {"generation": "This is a test.", "stop_reason": "stop", **counts}
    if "mistral" in model:
        return {"outputs": [{"text": "This is a test.", "stop_reason": "stop"}]}
    if "cohere" in model:
        return {"generations": [{"text": "This is a test.", "finish_reason": "COMPLETE"}]}
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_current_weather", "input": {"location": "Seattle, WA"}}
    content = [{"type": "text", "text": "Let me check." if calls else "This is a test."}, *([call] if calls else [])]
    return {"id": "msg_bdrk_fake", "type": "message", "role": "assistant", "model": "claude-3-5-sonnet-20240620",
            "content": content, "stop_reason": "tool_use" if calls else "end_turn",
            "usage": {"input_tokens": 17, "output_tokens": 8}}  # fmt: skip


def _invoked_events(model: str, calls: bool) -> Iterator[dict[str, Any]]:
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 17, "outputTokenCount": 8}}
    plain = {"llama": ("generation", "stop_reason", "stop"), "titan": ("outputText", "completionReason", "FINISH")}
    for maker, (key, reason, word) in plain.items():
        if maker in model:
            yield {key: "This is ", reason: None}
            yield {key: "a test.", reason: None}
            yield {key: "", reason: word} | metrics
            return
    if "mistral" in model:
        yield {"outputs": [{"text": "This is ", "stop_reason": None}]}
        yield {"outputs": [{"text": "a test.", "stop_reason": "stop"}]} | metrics
        return
    message = {"id": "msg_bdrk_fake", "role": "assistant", "usage": {"input_tokens": 17, "output_tokens": 1}}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for text in ("Let me ", "check.") if calls else ("This is ", "a test."):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    yield {"type": "content_block_stop", "index": 0}
    if calls:
        use = {"type": "tool_use", "id": "toolu_1", "name": "get_current_weather", "input": {}}
        yield {"type": "content_block_start", "index": 1, "content_block": use}
        given = '{"location": "Seattle, WA"}'
        for piece in (given[:12], given[12:]):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield {"type": "content_block_delta", "index": 1, "delta": delta}
        yield {"type": "content_block_stop", "index": 1}
    stop = "tool_use" if calls else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 8}}
    yield {"type": "message_stop"} | metrics


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def _encoded(event: dict[str, Any]) -> str:
    return _base64(json.dumps(event).encode())


def _message(kind: str, payload: Any) -> bytes:
    """One message of AWS's event stream: lengths, headers, payload, and two checksums."""
    is_error = kind.startswith("!")
    names = {":message-type": "exception", ":exception-type": kind[1:]} if is_error else {
        ":message-type": "event", ":event-type": kind}  # fmt: skip
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in (names | {":content-type": "application/json"}).items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    start = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return start + struct.pack("!I", zlib.crc32(start))
