"""sentry-sdk on an ASGI application, in the process of the others: without its integrations, which would patch them."""

from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.transport import Transport

from benchmarks.asgi import Application

__all__ = ["sentry", "start_sentry"]


class _Nowhere(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        """Take it and forget it."""


def sentry(application: Application) -> Any:
    """`application` with every request a transaction, as a tracing sample rate of 1.0 has it."""
    start_sentry()
    return SentryAsgiMiddleware(application, asgi_version=3)


def start_sentry() -> None:
    """Once a process, with a transport that forgets."""
    if not sentry_sdk.is_initialized():
        sentry_sdk.init(
            dsn="https://key@127.0.0.1/1",
            transport=_Nowhere,
            traces_sample_rate=1.0,
            default_integrations=False,
            auto_enabling_integrations=False,
        )
