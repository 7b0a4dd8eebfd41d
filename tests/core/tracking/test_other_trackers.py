"""Tools, databases, object storage and queues: names, kinds and attributes of their spans."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from botanu.tracking.data import track_db_operation, track_messaging_operation, track_storage_operation
from botanu.tracking.llm import track_tool_call

Only = Callable[[], ReadableSpan]
WRONG: list[Any] = [None, -1, 1.5, "7", True, float("nan"), 10**30, [], b"x", "a\nb", "x" * 300]


def _name(value: object) -> str:
    return repr(value)[:12]


# --- tools -----------------------------------------------------------------------------------------------------


def test_a_tool_call_is_an_internal_span(only: Only):
    with track_tool_call(tool_name="search_database", tool_call_id="call_1", provider="AWS Bedrock") as tool:
        tool.set_result(success=True, items_returned=10, bytes_processed=2048)
    span = only()
    assert (span.name, span.kind) == ("execute_tool search_database", SpanKind.INTERNAL)
    attributes = dict(span.attributes)
    assert attributes.pop("botanu.tool.duration_ms") >= 0
    assert attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search_database",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.provider.name": "aws.bedrock",
        "botanu.vendor": "aws.bedrock",
        "botanu.tool.success": True,
        "botanu.tool.items_returned": 10,
        "botanu.tool.bytes_processed": 2048,
    }


def test_a_tool_call_id_may_come_later(only: Only):
    with track_tool_call("search", tool_call_id="call_1") as tool:
        tool.set_tool_call_id("call_2")
    assert only().attributes["gen_ai.tool.call.id"] == "call_2"


def test_a_tool_that_says_nothing_of_success_leaves_it_unknown(only: Only):
    with track_tool_call("search"):
        pass
    assert "botanu.tool.success" not in only().attributes
    assert only().status.status_code is StatusCode.UNSET


def test_a_tool_without_success_has_failed_though_nothing_was_raised(only: Only):
    with track_tool_call("search") as tool:
        tool.set_result(success=False)
    span = only()
    assert span.attributes["botanu.tool.success"] is False
    assert span.attributes["error.type"] == "_OTHER"
    assert span.status.status_code is StatusCode.ERROR
    assert not span.events


def test_the_last_word_about_success_counts(only: Only):
    with track_tool_call("search") as tool:
        tool.set_result(success=False).set_result(success=True)
    assert only().attributes["botanu.tool.success"] is True
    assert only().status.status_code is StatusCode.UNSET


def test_an_exception_is_no_success_whatever_was_said_before(only: Only):
    with track_tool_call("search") as tool:
        tool.set_result(success=True).set_error(KeyError("order"))
    assert only().attributes["botanu.tool.success"] is False
    assert only().attributes["error.type"] == "KeyError"


# --- databases -------------------------------------------------------------------------------------------------


def test_a_database_operation_is_a_client_span_in_both_spellings(only: Only):
    with track_db_operation(system="postgresql", operation="SELECT", database="shop") as db:
        db.set_result(rows_returned=3, rows_affected=0, bytes_read=10, bytes_written=20)
        db.set_query_id("q-1").set_bytes_scanned(4096)
    span = only()
    assert (span.name, span.kind) == ("SELECT shop", SpanKind.CLIENT)
    assert span.attributes == {
        "db.system.name": "postgresql",
        "db.system": "postgresql",
        "db.operation.name": "SELECT",
        "db.operation": "SELECT",
        "db.namespace": "shop",
        "db.name": "shop",
        "botanu.data.rows_returned": 3,
        "botanu.data.rows_affected": 0,
        "botanu.data.bytes_read": 10,
        "botanu.data.bytes_written": 20,
        "botanu.warehouse.query_id": "q-1",
        "botanu.warehouse.bytes_scanned": 4096,
    }


def test_without_a_database_the_system_is_the_name(only: Only):
    with track_db_operation("postgresql", "SELECT"):
        pass
    assert only().name == "SELECT postgresql"
    assert not {"db.namespace", "db.name"} & only().attributes.keys()


@pytest.mark.parametrize(
    ("table", "schema", "written"),
    [("users", None, "users"), ("users", "public", "public.users"), ("users", "a\nb", "users")],
)
def test_the_span_is_renamed_after_its_table(table, schema, written, only: Only):
    with track_db_operation("postgresql", "SELECT", "shop") as db:
        db.set_table(table, schema)
    assert only().name == f"SELECT {written}"
    assert only().attributes["db.collection.name"] == written


def test_a_table_may_be_named_before_the_span_starts(only: Only):
    track_db_operation("postgresql", "SELECT").set_table("users").start().finish()
    assert only().name == "SELECT users"


def test_a_table_that_is_no_name_leaves_the_span_as_it_was(only: Only):
    with track_db_operation("postgresql", "SELECT") as db:
        db.set_table("a\nb").set_table("")
    assert only().name == "SELECT postgresql"


# --- object storage --------------------------------------------------------------------------------------------


def test_a_storage_operation_is_a_client_span_named_after_its_bucket(only: Only):
    with track_storage_operation(system="s3", operation="PUT") as storage:
        storage.set_bucket("invoices").set_result(objects_count=2, bytes_read=0, bytes_written=300)
    span = only()
    assert (span.name, span.kind) == ("PUT invoices", SpanKind.CLIENT)
    assert span.attributes == {
        "botanu.storage.system": "s3",
        "botanu.storage.operation": "PUT",
        "botanu.storage.bucket": "invoices",
        "botanu.data.objects_count": 2,
        "botanu.data.bytes_read": 0,
        "botanu.data.bytes_written": 300,
    }


def test_without_a_bucket_the_storage_system_is_the_name(only: Only):
    with track_storage_operation("gcs", "GET"):
        pass
    assert only().name == "GET gcs"


def test_a_bucket_may_be_named_before_the_span_starts(only: Only):
    track_storage_operation("s3", "GET").set_bucket("invoices").start().finish()
    assert only().name == "GET invoices"


# --- queues ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("publish", SpanKind.PRODUCER),
        ("send", SpanKind.PRODUCER),
        ("consume", SpanKind.CONSUMER),
        ("Receive", SpanKind.CONSUMER),
        ("process", SpanKind.CONSUMER),
        ("poll", SpanKind.CONSUMER),
    ],
)
def test_what_takes_messages_is_a_consumer_and_all_else_a_producer(operation, kind, only: Only):
    with track_messaging_operation(system="kafka", operation=operation, destination="orders") as queue:
        queue.set_result(message_count=5, bytes_transferred=640)
    span = only()
    assert (span.name, span.kind) == (f"{operation} orders", kind)
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation": operation,
        "messaging.destination.name": "orders",
        "botanu.messaging.message_count": 5,
        "botanu.messaging.bytes_transferred": 640,
    }


# --- what will not do ------------------------------------------------------------------------------------------

SETTERS: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Any]]] = {
    "tool result": (lambda: track_tool_call("t"), lambda t, v: t.set_result(v, v, v)),
    "tool call id": (lambda: track_tool_call("t"), lambda t, v: t.set_tool_call_id(v)),
    "db result": (lambda: track_db_operation("pg", "SELECT"), lambda t, v: t.set_result(v, v, v, v)),
    "table": (lambda: track_db_operation("pg", "SELECT"), lambda t, v: t.set_table(v, v)),
    "query id": (lambda: track_db_operation("pg", "SELECT"), lambda t, v: t.set_query_id(v)),
    "bytes scanned": (lambda: track_db_operation("pg", "SELECT"), lambda t, v: t.set_bytes_scanned(v)),
    "storage result": (lambda: track_storage_operation("s3", "GET"), lambda t, v: t.set_result(v, v, v)),
    "bucket": (lambda: track_storage_operation("s3", "GET"), lambda t, v: t.set_bucket(v)),
    "messages": (lambda: track_messaging_operation("sqs", "send", "q"), lambda t, v: t.set_result(v, v)),
}


@pytest.mark.parametrize("wrong", WRONG, ids=_name)
@pytest.mark.parametrize(("track", "setter"), SETTERS.values(), ids=SETTERS)
def test_no_setter_raises_or_writes_a_count_that_is_none(track, setter, wrong, only: Only):
    with track() as tracker:
        assert setter(tracker, wrong) is tracker
    counts = ("rows_", "bytes_", "objects_", "items_", "message_count")
    assert not any(counted in key for key in only().attributes for counted in counts)


@pytest.mark.parametrize("wrong", WRONG, ids=_name)
@pytest.mark.parametrize(
    "track",
    [
        lambda v: track_tool_call(v, v, v),
        lambda v: track_db_operation(v, v, v),
        lambda v: track_storage_operation(v, v),
        lambda v: track_messaging_operation(v, v, v),
    ],
    ids=["tool", "database", "storage", "messaging"],
)
def test_no_tracker_raises_for_a_name_that_will_not_do(track, wrong, only: Only):
    with track(wrong):
        pass
    assert only().name


def test_a_flag_that_is_neither_true_nor_false_is_left_out(only: Only):
    class Neither:
        def __bool__(self) -> bool:
            raise ValueError("ambiguous, like an array")

    with track_tool_call("search") as tool:
        tool.set_result(success=Neither(), items_returned=1)  # type: ignore[arg-type]  # on purpose
    assert "botanu.tool.success" not in only().attributes
    assert only().attributes["botanu.tool.items_returned"] == 1
