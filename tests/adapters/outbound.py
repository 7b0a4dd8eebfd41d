"""What the tests of outgoing calls share: the instrumentors, and a run around a call."""

import re
from collections.abc import Callable
from typing import Any

from opentelemetry import baggage, context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

import botanu

OURS = re.compile(r"botanu", re.IGNORECASE)
INSTRUMENTORS = [
    "httpx",
    "httpx2",
    "requests",
    "urllib",
    "urllib3",
    "aiohttp-client",
    "botocore",
    "grpc_client",
    "grpc_aio_client",
    "confluent_kafka",
]
SAMPLERS = {"sampled": ParentBased(ALWAYS_ON), "unsampled": ParentBased(ALWAYS_OFF)}


def in_a_run(call: Callable[..., Any], *args: Any) -> Any:
    """Inside a run, beside baggage of the application's own."""
    with botanu.event(workflow="Customer Support", event_id="T 1", customer_id="acme") as run:
        token = context.attach(baggage.set_baggage("tier", "gold"))
        try:
            call(*args)
        finally:
            context.detach(token)
    return run
