"""However many spans see a call, however they are nested and in whatever order they end, it is counted once."""

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import context as otel
from opentelemetry import trace

import botanu
from botanu.tracking.llm import track_llm_call
from botanu_core.ledger.open_spans import open_spans

FULL = Decimal("0.003")


@dataclass
class Real:
    """A call that really was made.

    Attributes:
        number: Its own.
        is_known: Whether anybody will know what was used.
        fails: Whether it fails unanswered.
        response_id: Its own, where those who see it are told.
        depth: How many spans, one in the other, are to see it.
        seen: Those that do so far.
        knows: Which of them knows the usage.
    """

    number: int
    is_known: bool
    fails: bool
    is_partial: bool
    response_id: str | None
    depth: int
    knows: int
    seen: list["Seen"] = field(default_factory=list)


@dataclass
class Seen:
    """One span that sees a call, or `None` that is around several and knows nothing of its own."""

    real: Real | None
    around: "Seen | None"
    span: Any
    tracker: Any = None
    is_open: bool = True
    inside: list["Seen"] = field(default_factory=list)

    def subtree_is_over(self) -> bool:
        return all(not each.is_open and each.subtree_is_over() for each in self.inside)

    def is_over_upwards(self) -> bool:
        """Whether what begins here now is nobody's but its own, or a container's."""
        return (self.real is None or not self.is_open) and (self.around is None or self.around.is_over_upwards())


class World:
    """A run, the calls made in it, and the spans that see them."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.run: Any = None
        self.base = otel.get_current()
        self.foreign = trace.get_tracer("somebody.elses")
        self.reals: list[Real] = []
        self.all: list[Seen] = []
        self.between: list[Any] = []

    def begin(self, real: Real | None, around: Seen | None) -> None:
        context = trace.set_span_in_context(around.span, self.base) if around is not None else self.base
        if self.draw(st.booleans(), "is ours"):
            token = otel.attach(context)
            tracker = track_llm_call("openai", "priced").start()
            otel.detach(token)
            seen = Seen(real, around, tracker.span, tracker)
        else:
            if self.draw(st.booleans(), "has a plain span between"):
                between = self.foreign.start_span("retry", context)
                context = trace.set_span_in_context(between, context)
                self.between.append(between)
            attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "priced"}
            span = self.foreign.start_span("chat priced", context, attributes=attributes)
            span.set_attribute("gen_ai.provider.name", "openai")
            seen = Seen(real, around, span)
        while around is not None and not around.is_open:
            around = around.around
        if around is not None:
            around.inside.append(seen)
        if real is not None:
            real.seen.append(seen)
        self.all.append(seen)

    def step(self) -> None:
        open_ones = [seen for seen in self.all if seen.is_open]
        deeper = [real for real in self.reals if len(real.seen) < real.depth and real.seen[-1].is_open]
        over = [seen for seen in open_ones if seen.real is not None or seen.subtree_is_over()]
        choices = ["new", *(["deeper"] * 3 if deeper else []), *(["end"] * 3 if over else [])]
        match self.draw(st.sampled_from(choices), "step"):
            case "new":
                places = [None, *(seen for seen in self.all if seen.is_over_upwards())]
                self.begin(self.new_real(), self.draw(st.sampled_from(places), "place"))
            case "deeper":
                real = self.draw(st.sampled_from(deeper), "real")
                self.begin(real, real.seen[-1])
            case "end":
                self.end(self.draw(st.sampled_from(over), "ending"))

    def end_all(self) -> None:
        while open_ones := [s for s in self.all if s.is_open and (s.real is not None or s.subtree_is_over())]:
            self.end(self.draw(st.sampled_from(open_ones), "ending"))

    def new_real(self) -> Real | None:
        if self.draw(st.integers(0, 5), "is a container") == 0:
            return None
        number, depth = len(self.reals), self.draw(st.integers(1, 3), "depth")
        fails = self.draw(st.booleans(), "fails")
        real = Real(
            number,
            not fails and self.draw(st.booleans(), "is known"),
            fails,
            self.draw(st.booleans(), "is partial"),
            self.draw(st.sampled_from([None, f"response-{number}"]), "response id"),
            depth,
            self.draw(st.integers(0, depth - 1), "who knows"),
        )
        self.reals.append(real)
        return real

    def end(self, seen: Seen) -> None:
        real = seen.real
        knows = real is not None and real.is_known and real.seen.index(seen) == min(real.knows, len(real.seen) - 1)
        others_follow = knows and real is not None and len(real.seen) < real.depth
        if others_follow and real is not None:  # this one knows, and nobody comes after it
            real.depth = len(real.seen)
        error = ConnectionError() if real is not None and real.fails else None
        response_id = real.response_id if real is not None and error is None else None
        seen.is_open = False
        if seen.tracker is not None:
            if knows:
                seen.tracker.set_tokens(1000, 1000)
            if response_id is not None:
                seen.tracker.set_request_id(response_id)
            if real is not None and real.is_partial and knows:
                seen.tracker.set_streaming().set_stream_over()
            seen.tracker.finish(error)
            return
        if knows:
            seen.span.set_attributes({"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 1000})
        if response_id is not None:
            seen.span.set_attribute("gen_ai.response.id", response_id)
        if error is not None:
            seen.span.set_status(trace.StatusCode.ERROR)
            seen.span.set_attribute("error.type", "ConnectionError")
        seen.span.end()


def lived(data: st.DataObject, run: AbstractContextManager[Any], *, outlives: bool) -> World:
    """A world to its end; its last calls end in their run, or after it."""
    world = World(data)
    try:
        with run as world.run:
            world.base = otel.get_current()
            for _ in range(data.draw(st.integers(1, 20), "steps")):
                world.step()
            if not outlives:
                world.end_all()
        world.end_all()
    finally:  # also of an example that is given up half-way
        for seen in world.all:
            seen.tracker.finish() if seen.tracker is not None else seen.is_open and seen.span.end()
        for span in world.between:
            span.end()
    return world


def expected(world: World) -> tuple[int, int, int, Decimal]:
    """Calls, unpriced ones, sightings left out, dollars."""
    empty = [seen for seen in world.all if seen.real is None and not seen.inside]
    known = [real for real in world.reals if real.is_known]
    unpriced = [real for real in world.reals if not real.is_known and not real.fails]
    calls = len(world.reals) + len(empty)
    return calls, len(unpriced) + len(empty), len(world.all) - calls, FULL * len(known)


# The thread that exports draws the random pause before its next try, which is no affair of the examples.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
def test_every_call_is_counted_once(desk):
    """Random trees, random orders of ending: some know, some are cut short, some fail, some have ids, some do not."""
    here = desk()
    told: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), outlives=st.booleans())
    def holds(data: st.DataObject, outlives: bool) -> None:
        run = botanu.event(workflow="W")
        world = lived(data, run, outlives=outlives)
        found = botanu.explain(world.run)
        totals = found.totals
        calls, unpriced, left_out, usd = expected(world)
        assert totals.cost_usd == usd
        if outlives:  # what had to be judged at the run's end, nobody knowing its usage, may have been known later
            extra = totals.llm_calls - calls
            assert 0 <= extra == totals.unpriced_calls - unpriced == left_out - totals.duplicate_calls
        else:
            assert (totals.llm_calls, totals.unpriced_calls, totals.duplicate_calls) == (calls, unpriced, left_out)
        assert len({entry.entry_id for entry in found.entries}) == len(found.entries) == totals.llm_calls
        told.update(entry.entry_id for entry in found.entries)
        counted = {entry.span_context.span_id for entry in found.entries}
        spans = here.exported.get_finished_spans()
        assert not counted & {span.context.span_id for span in spans if span.attributes.get("botanu.cost.duplicate")}
        here.exported.clear()
        assert open_spans.calls() == []

    holds()
    arrived = Counter(entry.attributes["botanu.entry_id"] for entry in here.entries())
    assert set(arrived.values()) == set(told.values()) == {1}
    assert told.keys() <= arrived.keys()  # examples that were given up have entries too
