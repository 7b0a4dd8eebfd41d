"""`BedrockInstrumentor`: Converse, InvokeModel and InvokeAgent, whole and streamed, of every boto3 client."""

import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from wrapt import ObjectProxy

from botanu_core.clients import failed
from botanu_core.clients import semconv as sc
from botanu_genai._asked import Asked, Tool, begin
from botanu_genai._instrumentor import Instrumentor, Target

__all__ = ["BedrockInstrumentor"]

_SERVICES: Final = frozenset({"bedrock-runtime", "bedrock-agent-runtime"})
_READ: Final = frozenset(
    {
        "Converse",
        "ConverseStream",
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "InvokeAgent",
        "InvokeInlineAgent",
        "RetrieveAndGenerate",
        "RetrieveAndGenerateStream",
    }
)
_STREAMS: Final = ("stream", "body", "completion")
_REASONS: Final = ("stop_reason", "stopReason", "completionReason", "finish_reason")
_LISTS: Final = ("results", "outputs", "generations", "completions")

_Event = Mapping[str, Any]

if TYPE_CHECKING:
    _Proxy = ObjectProxy[Any]
else:
    _Proxy = ObjectProxy  # an older wrapt has no parameters


class BedrockInstrumentor(Instrumentor):
    """Traces boto3's clients of ``bedrock-runtime`` and ``bedrock-agent-runtime``, and aiobotocore's."""

    _package = "opentelemetry.instrumentation.genai.bedrock"
    _class = "BedrockInstrumentor"

    def _found_targets(self) -> Iterator[Target]:
        yield Target(import_module("botocore.client").BaseClient, "_make_api_call", self._inner)
        try:
            owner = import_module("aiobotocore.client").AioBaseClient
        except ImportError:
            return
        yield Target(owner, "_make_api_call", self._ainner)

    def _inner(self, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asked = self._read(instance, args)
        response = wrapped(*args, **kwargs)
        if asked is not None:
            _listen(asked, args[0], response)
        return response

    async def _ainner(self, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asked = self._read(instance, args)
        response = await wrapped(*args, **kwargs)
        if asked is not None:
            _listen(asked, args[0], response)
        return response

    def _read(self, client: Any, args: tuple[Any, ...]) -> Asked | None:
        if not self._listens or len(args) < 2 or args[0] not in _READ:
            return None
        if client.meta.service_model.service_name not in _SERVICES:
            return None
        asked = begin(details=self._details)
        if asked is None:
            return None
        try:
            _read_facts(asked, args[1])
        except Exception as error:
            failed("genai", error)
        return asked


def _read_facts(asked: Asked, params: Any) -> None:
    alias = params.get("agentAliasId")
    if isinstance(alias, str):
        asked.attributes[sc.BEDROCK_AGENT_ALIAS] = alias
    given = _dict(params.get("toolConfig")).get("tools") or _parsed(params.get("body")).get("tools")
    if isinstance(given, list):
        asked.tools = [tool for each in given if (tool := _tool(each)) is not None]
        asked.tools_prefix = sc.BEDROCK_TOOLS


def _tool(given: Any) -> Tool | None:
    """A tool of Converse, or of a model's own body; a cache point is none."""
    tool = _dict(given)
    what = _dict(tool.get("toolSpec")) or _dict(tool.get("function")) or tool
    name = what.get("name")
    if not isinstance(name, str):
        return None
    schema = what.get("inputSchema", what.get("input_schema", what.get("parameters")))
    return Tool(name, None, what.get("description"), schema.get("json", schema) if isinstance(schema, dict) else schema)


# --- answers --------------------------------------------------------------------------------------------------------


def _listen(asked: Asked, operation: str, response: Any) -> None:
    """Hear what the answer says that OpenTelemetry's package drops: the stop reason's own word, an agent's usage."""
    if operation == "InvokeModel":
        _keep_body(asked, response)
        return
    reason = response.get("stopReason")
    if isinstance(reason, str):
        asked.stop_reason = reason
    hear = _hear_agent if operation.endswith("Agent") else _hear_model
    for name in _STREAMS:
        stream = response.get(name)
        if hasattr(stream, "__aiter__"):
            response[name] = _AsyncOverheard(stream, lambda event: hear(asked, event))
        elif hasattr(stream, "__iter__"):
            response[name] = _Overheard(stream, lambda event: hear(asked, event))


def _keep_body(asked: Asked, response: Any) -> None:
    body = response.get("body")
    if not hasattr(body, "read") or hasattr(body, "__aiter__"):
        return
    raw = body.read()  # so does OpenTelemetry's layer: an error of it is the call's
    response["body"] = import_module("botocore.response").StreamingBody(io.BytesIO(raw), len(raw))
    asked.stop_reason = _reason_in(_parsed(raw))


def _hear_model(asked: Asked, event: _Event) -> None:
    stopped = event.get("messageStop")
    if stopped is not None:
        asked.stop_reason = stopped.get("stopReason")
        return
    raw = _dict(event.get("chunk")).get("bytes")
    if isinstance(raw, bytes) and b"eason" in raw:
        asked.stop_reason = _reason_in(_parsed(raw)) or asked.stop_reason


def _reason_in(body: dict[str, Any]) -> str | None:
    """The stop reason in an answer, or a piece of one, of any maker's model."""
    places = [body, _dict(body.get("delta"))]
    places += [_dict(found[0]) for name in _LISTS if isinstance(found := body.get(name), list) and found]
    for place in places:
        for name in _REASONS:
            if isinstance(reason := place.get(name), str):
                return reason
    return None


def _hear_agent(asked: Asked, event: _Event) -> None:
    trace = _dict(_dict(event.get("trace")).get("trace"))
    for part in trace.values():
        model = _dict(_dict(part).get("modelInvocationInput")).get("foundationModel")
        if isinstance(model, str):
            asked.agent[sc.GEN_AI_RESPONSE_MODEL] = model
        answered = _dict(_dict(part).get("modelInvocationOutput"))
        usage = _dict(_dict(answered.get("metadata")).get("usage"))
        for key, count in (
            (sc.GEN_AI_INPUT_TOKENS, usage.get("inputTokens")),
            (sc.GEN_AI_OUTPUT_TOKENS, usage.get("outputTokens")),
        ):
            if type(count) is int:
                asked.agent[key] = asked.agent.get(key, 0) + count


class _Overheard(_Proxy):
    """A stream whose events are looked at as they pass."""

    def __init__(self, stream: Any, hear: Callable[[_Event], None]) -> None:
        super().__init__(stream)
        self._self_hear = hear

    def __iter__(self) -> Iterator[Any]:
        for event in self.__wrapped__:
            _heard(self._self_hear, event)
            yield event


class _AsyncOverheard(_Proxy):
    """The same of aiobotocore."""

    def __init__(self, stream: Any, hear: Callable[[_Event], None]) -> None:
        super().__init__(stream)
        self._self_hear = hear

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for event in self.__wrapped__:
            _heard(self._self_hear, event)
            yield event


def _heard(hear: Callable[[_Event], None], event: Any) -> None:
    try:
        hear(event)
    except Exception as error:
        failed("genai", error)


def _dict(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _parsed(body: Any) -> dict[str, Any]:
    try:
        return _dict(json.loads(body)) if isinstance(body, str | bytes | bytearray) else _dict(body)
    except (ValueError, RecursionError):
        return {}
