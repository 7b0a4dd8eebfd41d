"""Ids of spans that are the same in every run of a test."""

import random

from opentelemetry.sdk.trace.id_generator import IdGenerator

__all__ = ["Seeded"]


class Seeded(IdGenerator):
    """Trace ids that do not depend on how many spans there are; `is_random` is what they say of themselves."""

    def __init__(self, *, is_random: bool = False) -> None:
        self._traces, self._spans, self._is_random = random.Random(7), random.Random(8), is_random

    def generate_trace_id(self) -> int:
        return self._traces.getrandbits(128) | 1

    def generate_span_id(self) -> int:
        return self._spans.getrandbits(64) | 1

    def is_trace_id_random(self) -> bool:
        return self._is_random
