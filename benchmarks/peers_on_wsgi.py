"""sentry-sdk on a WSGI application, as `peers_on_asgi` has it."""

from typing import Any

from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

from benchmarks.peers_on_asgi import start_sentry
from benchmarks.wsgi import Application

__all__ = ["sentry"]


def sentry(application: Application) -> Any:
    """`application` with every request a transaction."""
    start_sentry()
    return SentryWsgiMiddleware(application)
