"""Which run is current, and how it is made so.

A run is *current* through two carriers that agree: a value in the OpenTelemetry Context, which explicit contexts and
other libraries hand on, and a ContextVar of our own, which survives instrumentations that start from an empty Context.
"""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from botanu_core import semconv as sc
from botanu_core import settings

if TYPE_CHECKING:
    from botanu_core.runtime.context import RunContext

__all__ = [
    "BAGGAGE_KEY", "REFUSED_KEY", "RUN_KEY", "SPAN_KEY", "STEP_KEY", "Activation", "activate", "current_run",
    "current_step", "deactivate", "inhabit", "innermost", "reactivate", "restore", "run_attributes", "span_in",
    "under", "without_step",
]  # fmt: skip

RUN_KEY: Final = otel.create_key("botanu-run")
STEP_KEY: Final = otel.create_key("botanu-step")
REFUSED_KEY: Final = otel.create_key("botanu-refused")
"""The lines of a run that was refused: an adapter inside of another instrumentation meets them a second time."""
# Where OpenTelemetry keeps the current span and the baggage, learnt from its public functions: with the keys in
# hand, one new Context holds all three instead of one copy each.
SPAN_KEY: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
BAGGAGE_KEY: Final = next(iter(baggage.set_baggage("k", "v", Context())))


class Activation:
    """One block in which a run, a step or both are current, with what is needed to leave it."""

    __slots__ = (
        "context", "is_left", "mode", "owner", "previous", "previous_context", "run", "span", "token", "var_token",
    )  # fmt: skip

    run: "RunContext | None"
    span: Span
    owner: object
    mode: str
    is_left: bool
    context: Context
    previous_context: Context
    previous: "Activation | None"
    token: Token[Any]
    var_token: Token["Activation | None"]


_innermost: Final[ContextVar[Activation | None]] = ContextVar("botanu_activation", default=None)


def current_run(context: Context | None = None) -> "RunContext | None":
    """The run that `context`, or the code that asks, is in.

    Args:
        context: An explicit OpenTelemetry Context; without one the current Context.
    """
    found = (otel.get_current() if context is None else context).get(RUN_KEY)
    if found is None:
        activation = _innermost.get()
        return activation.run if activation is not None else None
    return found  # type: ignore[return-value]  # only `composed` and the propagator write under RUN_KEY


def run_attributes(context: Context | None = None) -> Mapping[str, str | int] | None:
    """What a span started in `context` carries; `None` outside a run."""
    # Every span of the process passes here, so `current_run` is not called but written out.
    found = otel.get_current() if context is None else context
    run: RunContext | None = found.get(RUN_KEY)  # type: ignore[assignment]
    if run is None:
        activation = _innermost.get()
        if activation is None or (run := activation.run) is None:
            return None
    step = found.get(STEP_KEY)
    return run.attributes if step is None else {**run.attributes, sc.STEP: step}  # type: ignore[dict-item]


def span_in(context: Context) -> Span | None:
    """The span that is current in `context`."""
    return context.get(SPAN_KEY)  # type: ignore[return-value]  # OpenTelemetry's own key


def current_step(context: Context) -> str | None:
    """The step that `context` is in."""
    return context.get(STEP_KEY)  # type: ignore[return-value]  # only `composed` writes under STEP_KEY


def without_step(context: Context) -> Context:
    """`context` outside any step: a step belongs to the run it was taken in, not to one that is opened inside it."""
    if STEP_KEY not in context:
        return context
    return Context({key: value for key, value in context.items() if key != STEP_KEY})


def composed(run: "RunContext | None", span: Span, base: Context, step: str | None = None) -> Context:
    """`base` with the run, its span, its step and its baggage, in one copy."""
    values: dict[str, object] = {**base, SPAN_KEY: span}
    if step is not None:
        values[STEP_KEY] = step
    if run is not None:
        values[RUN_KEY] = run
        if settings.current().in_baggage:
            members, others = run.members(), base.get(BAGGAGE_KEY)
            if others or run.carried or step is not None:
                members = {**run.carried, **(others if isinstance(others, Mapping) else {}), **members}
                if step is not None:
                    members[sc.STEP] = step
            values[BAGGAGE_KEY] = members
    return Context(values)


def under(run: "RunContext | None", span: Span, base: Context) -> Context:
    """`base` with a span inside it; where the run is in it already, its baggage is as well."""
    if run is not None and base.get(RUN_KEY) is not run:
        return composed(run, span, base)
    return Context({**base, SPAN_KEY: span})


def activate(
    run: "RunContext | None",
    span: Span,
    owner: object,
    *,
    step: str | None = None,
    mode: str = "",
    base: Context | None = None,
) -> Activation:
    """Make `run`, `span` and `step` current, on top of `base`. Every call is paired with `deactivate`."""
    activation = Activation()
    activation.is_left = False
    activation.run, activation.span, activation.owner, activation.mode = run, span, owner, mode
    activation.previous_context = otel.get_current()
    activation.previous = _innermost.get()
    activation.context = composed(run, span, activation.previous_context if base is None else base, step)
    activation.token = otel.attach(activation.context)
    activation.var_token = _innermost.set(activation)
    return activation


def inhabit(run: "RunContext", span: Span, owner: object, base: Context) -> None:
    """Make `run` and `span` current for as long as the context lives that this is called in: it is never left.

    A context that held what it takes to leave it would be a cycle, and wait for the garbage collector.
    """
    activation = activate(run, span, owner, base=base)
    del activation.token, activation.var_token


def deactivate(activation: Activation) -> None:
    """Restore what was current before, also from a copied context and out of order. Twice counts once."""
    if not hasattr(activation, "token"):
        return
    top = _innermost.get()
    if top is not activation and _is_below(activation, top):
        # Two generators of the application that are asked by turns: the other's block goes on, and when it is left,
        # what was before this one becomes current.
        activation.is_left = True
        vars(activation.context)[_LEFT_FOR] = activation.previous_context
        return
    previous, context = activation.previous, activation.previous_context
    while previous is not None and previous.is_left:
        context = previous.previous_context
        previous = previous.previous
    restore(activation.token, activation.context, activation.previous_context)
    try:
        _innermost.reset(activation.var_token)
    except (ValueError, RuntimeError):
        if top is activation:
            _innermost.set(previous)
    if top is activation and previous is not activation.previous:
        _innermost.set(previous)
        otel.attach(_still_open(context))
    # A task that goes on holds this activation, and would hold all before it: tasks that start each other, for ever.
    activation.previous = None
    del activation.previous_context, activation.token, activation.var_token


def _is_below(activation: Activation, top: Activation | None) -> bool:
    while top is not None and top is not activation:
        top = top.previous
    return top is not None


def reactivate(activation: Activation) -> Activation:
    """Make the same run, span and step current again, here."""
    step = activation.context.get(STEP_KEY)
    return activate(activation.run, activation.span, activation.owner, step=step, mode=activation.mode)  # type: ignore[arg-type]


def restore(token: Token[Any], mine: Context, previous: Context) -> None:
    """Detach `mine`. In a context copied from the one that attached it, put `previous` back by hand.

    `opentelemetry.context.detach` would log an error there, for something that frameworks do every day: they enter
    a block in one thread and leave it in another.
    """
    is_orderly = otel.get_current() is mine
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError, AttributeError):
        if is_orderly:
            otel.attach(previous)
        return
    if not is_orderly:
        # Something entered later is still open. Its own end will come back to `mine`, and is to go on from there.
        vars(mine)[_LEFT_FOR] = previous
    if hasattr(previous, _LEFT_FOR):
        otel.attach(_still_open(previous))


def _still_open(context: Context) -> Context:
    while (further := getattr(context, _LEFT_FOR, None)) is not None:
        context = further
    return context


_LEFT_FOR: Final = "botanu_left_for"


def innermost(owner: object) -> Activation | None:
    """The innermost activation that `owner` made in this context."""
    activation = _innermost.get()
    while activation is not None and activation.owner is not owner:
        activation = activation.previous
    return activation
