"""Databases, object storage and queues."""

from typing import Any, Final, Self

from opentelemetry.trace import SpanKind

from botanu_core import semconv as sc
from botanu_core.model.run import clean
from botanu_core.tracking.tracker import Tracker

__all__ = [
    "DBTracker", "MessagingTracker", "StorageTracker",
    "track_db_operation", "track_messaging_operation", "track_storage_operation",
]  # fmt: skip


# What a contract's `units` call the counts.
_DB_COUNTS: Final = {
    "rows": sc.DATA_ROWS_RETURNED,
    "rows_returned": sc.DATA_ROWS_RETURNED,
    "rows_affected": sc.DATA_ROWS_AFFECTED,
    "bytes_read": sc.DATA_BYTES_READ,
    "bytes_written": sc.DATA_BYTES_WRITTEN,
    "bytes_scanned": sc.WAREHOUSE_BYTES_SCANNED,
}
_STORAGE_COUNTS: Final = {
    "objects": sc.DATA_OBJECTS_COUNT,
    "bytes_read": sc.DATA_BYTES_READ,
    "bytes_written": sc.DATA_BYTES_WRITTEN,
}
_MESSAGING_COUNTS: Final = {
    "messages": sc.MESSAGING_MESSAGE_COUNT,
    "bytes": sc.MESSAGING_BYTES_TRANSFERRED,
}


class DBTracker(Tracker):
    """One database operation. Made by `track_db_operation`."""

    __slots__ = ()

    def set_result(
        self,
        rows_returned: int | None = None,
        rows_affected: int | None = None,
        bytes_read: int | None = None,
        bytes_written: int | None = None,
    ) -> Self:
        """Record what came of it; what is not given stays unknown."""
        self._count(sc.DATA_ROWS_RETURNED, rows_returned)
        self._count(sc.DATA_ROWS_AFFECTED, rows_affected)
        self._count(sc.DATA_BYTES_READ, bytes_read)
        self._count(sc.DATA_BYTES_WRITTEN, bytes_written)
        return self

    def set_table(self, table_name: str, schema: str | None = None) -> Self:
        """Name the table; the span is called ``{operation} {table}`` from then on."""
        table, within = clean(table_name, "table_name"), clean(schema, "schema")
        if table is not None:
            name = self._late[sc.DB_COLLECTION_NAME] = f"{within}.{table}" if within is not None else table
            self._rename(f"{self._attributes[sc.DB_OPERATION_NAME]} {name}")
        return self

    def set_query_id(self, query_id: str) -> Self:
        """Record the warehouse's id of the query."""
        self._text(sc.WAREHOUSE_QUERY_ID, query_id)
        return self

    def set_bytes_scanned(self, bytes_scanned: int) -> Self:
        """Record the bytes that the warehouse scanned, which is what it bills."""
        self._count(sc.WAREHOUSE_BYTES_SCANNED, bytes_scanned)
        return self

    def _close(self, duration_s: float) -> None:
        named = self._attributes
        self._bill("database", f"{named[sc.DB_SYSTEM_NAME]}/{named[sc.DB_OPERATION_NAME]}", duration_s, _DB_COUNTS)


class StorageTracker(Tracker):
    """One object storage operation. Made by `track_storage_operation`."""

    __slots__ = ()

    def set_result(
        self, objects_count: int | None = None, bytes_read: int | None = None, bytes_written: int | None = None
    ) -> Self:
        """Record what came of it; what is not given stays unknown."""
        self._count(sc.DATA_OBJECTS_COUNT, objects_count)
        self._count(sc.DATA_BYTES_READ, bytes_read)
        self._count(sc.DATA_BYTES_WRITTEN, bytes_written)
        return self

    def set_bucket(self, bucket: str) -> Self:
        """Name the bucket; the span is called ``{operation} {bucket}`` from then on."""
        name = clean(bucket, "bucket")
        if name is not None:
            self._late[sc.STORAGE_BUCKET] = name
            self._rename(f"{self._attributes[sc.STORAGE_OPERATION]} {name}")
        return self

    def _close(self, duration_s: float) -> None:
        named = self._attributes
        name = f"{named[sc.STORAGE_SYSTEM]}/{named[sc.STORAGE_OPERATION]}"
        self._bill("storage", name, duration_s, _STORAGE_COUNTS)


class MessagingTracker(Tracker):
    """One operation on a queue or topic. Made by `track_messaging_operation`."""

    __slots__ = ()

    def set_result(self, message_count: int | None = None, bytes_transferred: int | None = None) -> Self:
        """Record what came of it; what is not given stays unknown."""
        self._count(sc.MESSAGING_MESSAGE_COUNT, message_count)
        self._count(sc.MESSAGING_BYTES_TRANSFERRED, bytes_transferred)
        return self

    def _close(self, duration_s: float) -> None:
        named = self._attributes
        name = f"{named[sc.MESSAGING_SYSTEM]}/{named[sc.MESSAGING_OPERATION]}"
        self._bill("messaging", name, duration_s, _MESSAGING_COUNTS)


def track_db_operation(system: str, operation: str, database: str | None = None, **kwargs: Any) -> DBTracker:
    """Track one database operation: ``with track_db_operation(system="postgresql", operation="SELECT") as db:``.

    Args:
        system: ``postgresql``, ``mongodb``, ``snowflake`` …
        operation: ``SELECT``, ``INSERT`` …
        database: Name of the database.
        kwargs: Further attributes, as `add_metadata` takes them.
    """
    kind, verb, name = _word(system, "system"), _word(operation, "operation"), clean(database, "database")
    attributes: dict[str, Any] = {
        sc.DB_SYSTEM_NAME: kind,
        sc.DB_SYSTEM: kind,
        sc.DB_OPERATION_NAME: verb,
        sc.DB_OPERATION: verb,
    }
    if name is not None:
        attributes[sc.DB_NAMESPACE] = attributes[sc.DB_NAME] = name
    return DBTracker(f"{verb} {name or kind}", SpanKind.CLIENT, attributes, kwargs)


def track_storage_operation(system: str, operation: str, **kwargs: Any) -> StorageTracker:
    """Track one object storage operation: ``with track_storage_operation(system="s3", operation="GET") as s3:``.

    Args:
        system: ``s3``, ``gcs``, ``azure_blob`` …
        operation: ``GET``, ``PUT``, ``DELETE`` …
        kwargs: Further attributes, as `add_metadata` takes them.
    """
    kind, verb = _word(system, "system"), _word(operation, "operation")
    attributes: dict[str, Any] = {sc.STORAGE_SYSTEM: kind, sc.STORAGE_OPERATION: verb}
    return StorageTracker(f"{verb} {kind}", SpanKind.CLIENT, attributes, kwargs)


def track_messaging_operation(system: str, operation: str, destination: str, **kwargs: Any) -> MessagingTracker:
    """Track one operation on a queue: ``with track_messaging_operation("sqs", "publish", "orders") as queue:``.

    Args:
        system: ``sqs``, ``kafka``, ``pubsub`` …
        operation: ``publish``, ``consume`` …; what takes messages is a CONSUMER span, all else a PRODUCER.
        destination: Queue or topic.
        kwargs: Further attributes, as `add_metadata` takes them.
    """
    verb, name = _word(operation, "operation"), _word(destination, "destination")
    attributes: dict[str, Any] = {
        sc.MESSAGING_SYSTEM: _word(system, "system"),
        sc.MESSAGING_OPERATION_NAME: verb,
        sc.MESSAGING_OPERATION: verb,
        sc.MESSAGING_DESTINATION: name,
    }
    kind = SpanKind.CONSUMER if verb.lower() in _CONSUMING else SpanKind.PRODUCER
    return MessagingTracker(f"{verb} {name}", kind, attributes, kwargs)


_CONSUMING: Final = frozenset({"consume", "receive", "process", "poll", "pull", "ack", "settle", "dequeue"})


def _word(value: object, what: str) -> str:
    return clean(value, what) or "unknown"
