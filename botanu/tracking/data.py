"""Databases, object storage and queues."""

from botanu_core.tracking.data import DBTracker as DBTracker
from botanu_core.tracking.data import MessagingTracker as MessagingTracker
from botanu_core.tracking.data import StorageTracker as StorageTracker
from botanu_core.tracking.data import track_db_operation as track_db_operation
from botanu_core.tracking.data import track_messaging_operation as track_messaging_operation
from botanu_core.tracking.data import track_storage_operation as track_storage_operation

__all__ = [
    "DBTracker",
    "MessagingTracker",
    "StorageTracker",
    "track_db_operation",
    "track_messaging_operation",
    "track_storage_operation",
]
