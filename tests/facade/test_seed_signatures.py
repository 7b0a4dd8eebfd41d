"""Every signature of the API reference: names, order, kinds, defaults, and that its documented call works."""

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from documents import Block, name_of, of_kind, signature_of

import botanu
import botanu.tracking.data
import botanu.tracking.llm

MODULES = (botanu, botanu.tracking.llm, botanu.tracking.data)
TRACKERS: dict[str, Callable[[], Any]] = {
    "LLMTracker": lambda: botanu.tracking.llm.track_llm_call(provider="openai", model="gpt-4"),
    "ToolTracker": lambda: botanu.tracking.llm.track_tool_call(tool_name="search"),
    "DBTracker": lambda: botanu.tracking.data.track_db_operation(system="postgresql", operation="SELECT"),
    "StorageTracker": lambda: botanu.tracking.data.track_storage_operation(system="s3", operation="GET"),
    "MessagingTracker": lambda: botanu.tracking.data.track_messaging_operation(
        system="sqs", operation="publish", destination="orders"
    ),
}
SAMPLES = {
    "str": "text",
    "Optional[str]": "text",
    "int": 7,
    "Optional[int]": 7,
    "Optional[float]": 0.5,
    "bool": True,
    "Optional[List[str]]": ["END"],
    "Exception": ValueError("no"),
    "Optional[dict[str, str]]": {"key": "value"},
}

# What the receiver gets for each documented parameter: the attribute, with the sample as its value if not said.
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "track_llm_call": {
        "provider": {"gen_ai.provider.name": "text", "botanu.vendor": "text"},
        "model": {"gen_ai.request.model": "text"},
        "operation": {"gen_ai.operation.name": "text"},
        "client_request_id": {"botanu.vendor.client_request_id": "text"},
    },
    "LLMTracker.set_tokens": {
        # 7 read and 7 written cannot be parts of 7: they stand beside it.
        "input_tokens": {"gen_ai.usage.input_tokens": 21},
        "output_tokens": {"gen_ai.usage.output_tokens": 7},
        "cached_tokens": {"botanu.usage.cached_tokens": 7},
        "cache_read_tokens": {"botanu.usage.cache_read_tokens": 7, "gen_ai.usage.cache_read.input_tokens": 7},
        "cache_write_tokens": {"botanu.usage.cache_write_tokens": 7, "gen_ai.usage.cache_write.input_tokens": 7},
    },
    "LLMTracker.set_request_id": {
        "provider_request_id": {"gen_ai.response.id": "text", "botanu.vendor.request_id": "text"},
        "client_request_id": {"botanu.vendor.client_request_id": "text"},
    },
    "LLMTracker.set_response_model": {"model": {"gen_ai.response.model": "text"}},
    "LLMTracker.set_finish_reason": {"reason": {"gen_ai.response.finish_reasons": ["text"]}},
    "LLMTracker.set_streaming": {"is_streaming": {"botanu.request.streaming": True}},
    "LLMTracker.set_cache_hit": {"cache_hit": {"botanu.request.cache_hit": True}},
    "LLMTracker.set_attempt": {"attempt_number": {"botanu.request.attempt": 7}},
    "LLMTracker.set_request_params": {
        "temperature": {"gen_ai.request.temperature": 0.5},
        "top_p": {"gen_ai.request.top_p": 0.5},
        "max_tokens": {"gen_ai.request.max_tokens": 7},
        "stop_sequences": {"gen_ai.request.stop_sequences": ["END"]},
        "frequency_penalty": {"gen_ai.request.frequency_penalty": 0.5},
        "presence_penalty": {"gen_ai.request.presence_penalty": 0.5},
    },
    "track_tool_call": {
        "tool_name": {"gen_ai.tool.name": "text"},
        "tool_call_id": {"gen_ai.tool.call.id": "text"},
        "provider": {"gen_ai.provider.name": "text", "botanu.vendor": "text"},
    },
    "track_db_operation": {
        "system": {"db.system": "text", "db.system.name": "text"},
        "operation": {"db.operation": "text", "db.operation.name": "text"},
        "database": {"db.name": "text", "db.namespace": "text"},
    },
    "DBTracker.set_result": {
        "rows_returned": {"botanu.data.rows_returned": 7},
        "rows_affected": {"botanu.data.rows_affected": 7},
        "bytes_read": {"botanu.data.bytes_read": 7},
        "bytes_written": {"botanu.data.bytes_written": 7},
    },
    "DBTracker.set_table": {"table_name": {"db.collection.name": "text.text"}, "schema": {}},
    "DBTracker.set_query_id": {"query_id": {"botanu.warehouse.query_id": "text"}},
    "DBTracker.set_bytes_scanned": {"bytes_scanned": {"botanu.warehouse.bytes_scanned": 7}},
    "track_storage_operation": {
        "system": {"botanu.storage.system": "text"},
        "operation": {"botanu.storage.operation": "text"},
    },
    "StorageTracker.set_result": {
        "objects_count": {"botanu.data.objects_count": 7},
        "bytes_read": {"botanu.data.bytes_read": 7},
        "bytes_written": {"botanu.data.bytes_written": 7},
    },
    "StorageTracker.set_bucket": {"bucket": {"botanu.storage.bucket": "text"}},
    "track_messaging_operation": {
        "system": {"messaging.system": "text"},
        "operation": {"messaging.operation": "text", "messaging.operation.name": "text"},
        "destination": {"messaging.destination.name": "text"},
    },
    "MessagingTracker.set_result": {
        "message_count": {"botanu.messaging.message_count": 7},
        "bytes_transferred": {"botanu.messaging.bytes_transferred": 7},
    },
    "emit_outcome": {
        "status": {"botanu.outcome.status": "partial"},
        "value_type": {"botanu.outcome.value_type": "text"},
        "value_amount": {"botanu.outcome.value_amount": 0.5},
        "confidence": {"botanu.outcome.confidence": 0.5},
        "reason": {"botanu.outcome.reason": "text"},
        "error_type": {"botanu.outcome.error_type": "text"},
        "metadata": {"botanu.outcome.metadata.key": "value"},
    },
    "set_business_context": {
        "customer_id": {"botanu.customer_id": "text"},
        "team": {"botanu.team": "text"},
        "cost_center": {"botanu.cost_center": "text"},
        "region": {"botanu.region": "text"},
    },
    **{f"{tracker}.set_error": {"error": {"error.type": "ValueError"}} for tracker in TRACKERS},
    **{f"{tracker}.add_metadata": {"kwargs": {"botanu.kwargs": "text"}} for tracker in TRACKERS},
}

every_signature = pytest.mark.parametrize("block", of_kind("signature"), ids=str)


def tracker_of(block: Block) -> str:
    """The tracker whose method this is; none for a function."""
    return next((name for name in TRACKERS if f"{name} /" in block.title), "")


def full_name(block: Block) -> str:
    return f"{tracker_of(block)}.{name_of(block)}".removeprefix(".")


def real(block: Block) -> Callable[..., Any]:
    """What the block documents, found where the document says it is."""
    if tracker := tracker_of(block):
        [kind] = {getattr(module, tracker) for module in MODULES if hasattr(module, tracker)}
        return getattr(kind, name_of(block))
    if "import" in block.source:
        names: dict[str, Any] = {}
        exec(block.source.partition("\n")[0], names)
        return names[name_of(block)]
    raise LookupError(full_name(block))


def sample_arguments(block: Block) -> dict[str, Any]:
    """A value for each documented parameter, by its documented type."""
    documented = signature_of(block)
    given = {each.arg: SAMPLES[ast.unparse(each.annotation)] for each in (*documented.args, *documented.kwonlyargs)}
    if "status" in given:
        given["status"] = "partial"
    if documented.kwarg is not None and name_of(block) == "add_metadata":
        given["kwargs"] = "text"
    return given


@every_signature
def test_documented_parameters_are_there_in_their_order_and_kind(block: Block):
    documented = signature_of(block)
    ours = inspect.signature(real(block)).parameters
    positional = [name for name, each in ours.items() if each.kind is each.POSITIONAL_OR_KEYWORD and name != "self"]
    keywords = [name for name, each in ours.items() if each.kind is each.KEYWORD_ONLY]
    assert positional == [each.arg for each in documented.args]
    assert [name for name in keywords if not name.startswith("vendor")] == [each.arg for each in documented.kwonlyargs]
    assert any(each.kind is each.VAR_KEYWORD for each in ours.values()) == (documented.kwarg is not None)


@every_signature
def test_documented_defaults_hold_but_for_zero_which_is_unknown(block: Block):
    """The document says ``= 0`` for counts. Unknown is never zero (contract, section 3): ours is None."""
    documented = signature_of(block)
    ours = inspect.signature(real(block)).parameters
    positional = documented.args[len(documented.args) - len(documented.defaults) :]
    pairs = [
        *zip(positional, documented.defaults, strict=True),
        *zip(documented.kwonlyargs, documented.kw_defaults, strict=True),
    ]
    for parameter, default in pairs:
        assert default is not None
        said = ast.unparse(default)
        expected = "chat" if said == "ModelOperation.CHAT" else ast.literal_eval(said)
        assert ours[parameter.arg].default == (None if type(expected) is int else expected)


@every_signature
def test_the_documented_call_works_and_its_attributes_arrive(block: Block, sent):
    function, given, tracker = real(block), sample_arguments(block), tracker_of(block)
    expected = {key: value for said in ATTRIBUTES[full_name(block)].values() for key, value in said.items()}
    assert ATTRIBUTES[full_name(block)].keys() == given.keys()
    with botanu.event(workflow="w", event_id="1"):
        if tracker:
            with TRACKERS[tracker]() as opened:
                assert function(opened, **given) is opened
        elif name_of(block).startswith("track_"):
            with function(**given, further="text") as opened:
                assert type(opened).__name__ in block.source
            expected["botanu.further"] = "text"
        else:
            assert function(**given) is None
    first = sent.spans("botanu")[0]
    assert {key: first.attributes.get(key) for key in expected} == expected


def test_the_facade_exports_what_the_core_has():
    for module in MODULES[1:]:
        assert all(getattr(module, name).__module__.startswith("botanu_core.") for name in module.__all__)


def test_signatures_are_read_from_the_document():
    """So that the comparison above cannot pass by reading nothing."""
    [tokens] = [block for block in of_kind("signature") if full_name(block) == "LLMTracker.set_tokens"]
    assert [each.arg for each in signature_of(tokens).args] == [
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
    ]
