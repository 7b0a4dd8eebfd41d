"""Ids given as functions of the decorated function's arguments."""

import asyncio
import functools
import operator
import uuid
from decimal import Decimal
from types import SimpleNamespace

import pytest

import botanu


def called(extractor, function, *args, **kwargs):
    """The event id that a call of `function` has, with `extractor` to give it."""
    seen = []

    @functools.wraps(function)
    def noting(*given, **named):
        seen.append(botanu.get_current_run().event_id)
        return function(*given, **named)

    botanu.event("W", event_id=extractor)(noting)(*args, **kwargs)
    return seen[0]


def handle(ticket, priority=1):
    """What is decorated, most of the time."""


def test_the_documented_form():
    """`event_id=lambda data: data["id"]` on a function of one argument."""

    @botanu.event(workflow="W", event_id=lambda data: data["id"], customer_id=lambda data: data["customer_id"])
    async def process(data):
        return botanu.get_current_run()

    run = asyncio.run(process({"id": "T-1", "customer_id": "acme"}))
    assert (run.event_id, run.customer_id) == ("T-1", "acme")


FITTING = {
    "by position": (lambda ticket, priority: ticket, ("T-1", 2), {}),
    "other names, as many": (lambda t, p: t, ("T-1", 2), {}),
    "other names, by keyword": (lambda t, p: t, (), {"ticket": "T-1", "priority": 2}),
    "a default not given": (lambda ticket, priority: f"{ticket}", ("T-1",), {}),
    "a default not given, other names": (lambda t, p: t, ("T-1",), {}),
    "fewer, by name": (lambda ticket: ticket, ("T-1",), {}),
    "fewer, by name and keyword": (lambda ticket: ticket, (), {"ticket": "T-1"}),
    "another order, by name": (lambda priority, ticket: ticket, ("T-1", 2), {}),
    "keyword-only": (lambda *, ticket: ticket, ("T-1",), {}),
    "everything by name": (lambda **everything: everything["ticket"], ("T-1",), {}),
    "one and everything else": (lambda priority, **rest: rest["ticket"], ("T-1",), {}),
    "everything by position": (lambda *everything: everything[0], ("T-1", 2), {}),
    "a default of its own": (lambda ticket, prefix="": prefix + ticket, ("T-1",), {}),
    "a default of its own, before": (lambda prefix="", ticket="": prefix + ticket, ("T-1",), {}),
}


@pytest.mark.parametrize("case", FITTING)
def test_arguments_reach_the_extractor(case):
    """By name where its parameters are some of the function's, else by position; however the call is written."""
    extractor, args, kwargs = FITTING[case]
    assert called(extractor, handle, *args, **kwargs) == "T-1"


def test_positional_and_keyword_only_parameters():
    """Functions with `/` and `*` in their signature."""

    def strict(ticket, /, *, customer):
        pass

    assert called(lambda ticket, customer: f"{ticket}-{customer}", strict, "T-1", customer="acme") == "T-1-acme"
    assert called(lambda customer: customer, strict, "T-1", customer="acme") == "acme"


@pytest.mark.parametrize(
    "extractor",
    [lambda self, ticket: ticket, lambda ticket: ticket, lambda t: t],
    ids=["with self", "by name", "self left out"],
)
def test_methods(extractor):
    """On a method the extractor may take `self`, or leave it out."""

    class Desk:
        @botanu.event("W", event_id=extractor)
        def handle(self, ticket):
            return botanu.get_current_run().event_id

    assert Desk().handle("T-1") == "T-1"
    assert Desk().handle(ticket="T-1") == "T-1"


def test_extractors_that_are_no_lambdas():
    """Bound methods, classes and functions from `operator`."""
    case = SimpleNamespace(prefix="A-")
    case.id_of = lambda ticket: case.prefix + ticket
    assert called(case.id_of, lambda ticket: None, "1") == "A-1"
    assert called(operator.itemgetter("id"), lambda ticket: None, {"id": "T-1"}) == "T-1"
    assert called(str, lambda ticket: None, 17) == "17"
    assert called(uuid.UUID, lambda ticket: None, "0190a000-0000-7000-8000-000000000001").startswith("0190a000")


def test_functions_of_any_arguments():
    """A function of `*args, **kwargs` hands its extractor what it is given."""
    assert called(lambda ticket: ticket, lambda *args, **kwargs: None, "T-1") == "T-1"
    assert called(lambda ticket: ticket, lambda **kwargs: None, ticket="T-1") == "T-1"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (17, "17"),
        (uuid.UUID("0190a000-0000-7000-8000-000000000001"), "0190a000-0000-7000-8000-000000000001"),
        (Decimal("1.50"), "1.50"),
        ("Müller & Söhne", "Müller & Söhne"),
        ("x" * 256, "x" * 256),
    ],
)
def test_what_an_id_may_be(value, written):
    """Texts, numbers and UUIDs are ids, as they are or from a function."""
    assert called(lambda ticket: value, lambda ticket: None, 1) == written
    if isinstance(value, str | int | uuid.UUID):
        with botanu.event("W", event_id=value) as run:
            assert run.event_id == written


@pytest.mark.parametrize(
    "value", ["", "x" * 257, "a\nb", "a\x00b", "\ud800", pytest.param(object(), id="object")], ids=repr
)
def test_what_is_no_id_is_left_out(value, named, warnings_said):
    """An id that is empty, too long, unprintable, or an object without a text of its own, is absent."""

    @botanu.event("W", event_id=lambda: value, customer_id="acme")
    def work():
        return "done"

    assert work() == work() == "done"
    for span in named("botanu.run/W"):
        assert "botanu.event_id" not in span.attributes
        assert span.attributes["botanu.customer_id"] == "acme"
    assert len(warnings_said()) == (1 if value else 0)


@pytest.mark.parametrize("parameter", ["event_id", "customer_id", "tenant_id"])
@pytest.mark.parametrize("fails", [lambda ticket: 1 / 0, lambda ticket: ticket["id"], lambda ticket: None])
def test_an_extractor_that_fails_costs_the_id_only(parameter, fails, one, warnings_said):
    """One that raises or returns None: the call goes on, the id is absent, and one warning names it."""

    @botanu.event("W", **{parameter: fails})
    def work(ticket):
        return "done"

    assert work("T-1") == "done"
    assert f"botanu.{parameter}" not in one("botanu.run/W").attributes
    work("T-2")
    (said,) = warnings_said()
    assert parameter in said
    assert "T-1" not in said


def test_an_extractor_that_does_not_fit(one, warnings_said):
    """One that takes other arguments than the function has: as one that raises."""

    @botanu.event("W", event_id=lambda a, b, c: a)
    def work(ticket):
        return "done"

    assert work("T-1") == "done"
    assert "botanu.event_id" not in one("botanu.run/W").attributes
    assert len(warnings_said()) == 1


def test_a_call_that_does_not_fit_raises_as_without_us(warnings_said):
    """Wrong arguments to the function get the function's own TypeError, not one of ours."""

    @botanu.event("W", event_id=lambda ticket: ticket)
    def work(ticket, other):
        pass

    with pytest.raises(TypeError, match=r"work\(\) missing 1 required positional argument: 'other'"):
        work("T-1")
    assert len(warnings_said()) == 1


def test_an_async_extractor_is_refused():
    """The id is needed before the call, so a coroutine function cannot give it; that is said when it is written."""

    async def find(ticket):
        return ticket

    with pytest.raises(TypeError, match="event_id must be a plain function, got a coroutine function"):
        botanu.event("W", event_id=find)


def test_an_extractor_that_returns_an_awaitable(one, warnings_said):
    """What is only promised is no id."""

    async def find(ticket):
        raise AssertionError("never awaited")

    promised = []

    @botanu.event("W", event_id=lambda ticket: promised.append(find(ticket)) or promised[-1])
    def work(ticket):
        return "done"

    assert work("T-1") == "done"
    promised[0].close()
    assert "botanu.event_id" not in one("botanu.run/W").attributes
    assert len(warnings_said()) == 1


def test_a_block_calls_its_extractor_without_arguments():
    """In a `with` there are no arguments to hand over; a function of none works."""
    with botanu.event("W", event_id=lambda: "T-1") as run:
        assert run.event_id == "T-1"


def test_extractors_of_generators_and_coroutines():
    """The ids of a generator or coroutine come from its arguments likewise."""

    @botanu.event("W", event_id=lambda ticket: ticket)
    def generator(ticket):
        yield botanu.get_current_run().event_id

    @botanu.event("W", event_id=lambda ticket: ticket)
    async def async_generator(ticket):
        yield botanu.get_current_run().event_id

    async def first():
        return [each async for each in async_generator(ticket="T-1")]

    assert list(generator("T-1")) == asyncio.run(first()) == ["T-1"]


def test_an_extractor_outside_the_run():
    """The function that gives the id is asked before the run exists; in a run, inside the outer one."""
    seen = []

    @botanu.event("W", event_id=lambda: seen.append(botanu.get_run_id()) or "T-1")
    def work():
        pass

    work()
    with botanu.event("Outer") as outer:
        work()
    assert seen == [None, outer.run_id]
