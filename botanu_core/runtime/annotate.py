"""What the application says about the run it is in, and asks of it."""

import math
from collections.abc import Callable, Mapping
from contextvars import Token, copy_context
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.trace import Span
from opentelemetry.trace import get_current_span as _otel_current_span

from botanu_core import semconv as sc
from botanu_core import settings
from botanu_core.ledger.explain import Explanation, explanation_of
from botanu_core.log import warn_once
from botanu_core.model.outcome import STATUSES, Outcome
from botanu_core.model.pseudonym import known_as
from botanu_core.model.run import RUN_MEMBERS, clean
from botanu_core.privacy.content import safe_text
from botanu_core.runtime import billing, guard
from botanu_core.runtime.context import RunContext
from botanu_core.runtime.current import current_run, current_step
from botanu_core.wire.baggage import is_token

__all__ = [
    "bind", "emit_outcome", "explain", "get_baggage", "get_current_run", "get_current_span", "get_run_id",
    "get_workflow", "set_baggage", "set_business_context", "set_correlation",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")

_MAX_TEXT: Final = 1024
_MAX_METADATA: Final = 32


def explain(run: RunContext | None = None) -> Explanation:
    """For each cent of a run, where it comes from; print it: ``print(botanu.explain())``.

    Args:
        run: The run, also one that has ended; without it the current one, and outside any what belongs to none.

    Returns:
        What this process has seen of the run: spans, tokens as reported and as read, price row, discount; and what
        was left out, and why.

    Raises:
        TypeError: `run` is something else.
    """
    chosen = current_run() if run is None else run
    if chosen is None:
        return explanation_of(billing.outside())
    if not isinstance(chosen, RunContext):
        raise TypeError(f"explain() takes the RunContext that `event` gives, got {type(chosen).__name__}")
    return explanation_of(chosen.ledger(), chosen.run_id, chosen.workflow or "")


def emit_outcome(
    status: str | None = None,
    *,
    value_type: str | None = None,
    value_amount: float | None = None,
    confidence: float | None = None,
    reason: str | None = None,
    error_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Say how the run ended, in business words, from wherever in the run you are. The last word counts.

    Never raises: what will not do is left out and warned about once.

    Args:
        status: ``success``, ``partial``, ``failed``, ``timeout``, ``canceled`` or ``abandoned``; `None` leaves it
            to the way the run ends.
        value_type: What was achieved, such as ``"tickets_resolved"``.
        value_amount: How much of it.
        confidence: 0.0 to 1.0.
        reason: Why. Scrubbed, at most 1,024 characters.
        error_type: Class of the error.
        metadata: Further facts, at most 32. Scrubbed.
    """
    try:
        outcome = Outcome(
            status=_status(status),
            value_type=clean(value_type, "value_type"),
            value_amount=_number(value_amount, "value_amount"),
            confidence=_number(confidence, "confidence", 0.0, 1.0),
            reason=_text(reason, "reason") if reason is not None else None,
            error_type=clean(error_type, "error_type"),
            metadata=_texts(metadata),
        )
        run = current_run()
        if run is not None:
            run.set_outcome(outcome)
        _write(run, outcome.attributes())
    except Exception as error:
        guard.failed("emit_outcome", error)


def set_business_context(
    *,
    customer_id: str | None = None,
    team: str | None = None,
    cost_center: str | None = None,
    region: str | None = None,
) -> None:
    """Say whom the run is for and where it is booked: on the current span, the run's own, and all later ones.

    Args:
        customer_id: Customer identifier; replaces the one the run has.
        team: Team or department.
        cost_center: Cost center.
        region: Geographic region.
    """
    try:
        customer = clean(customer_id, "customer_id")
        given = ((sc.TEAM, team, "team"), (sc.COST_CENTER, cost_center, "cost_center"), (sc.REGION, region, "region"))
        business = {key: text for key, value, name in given if (text := clean(value, name)) is not None}
        run = current_run()
        if run is not None:
            run.set_business(customer, **business)
        customer = known_as(customer, settings.current()) if customer is not None else None
        _write(run, {**business, sc.CUSTOMER_ID: customer} if customer is not None else business)
    except Exception as error:
        guard.failed("set_business_context", error)


def set_correlation(**ids: str) -> None:
    """Put ids of other systems beside the run: ``set_correlation(zendesk="4711")`` is ``botanu.correlation.zendesk``.

    Args:
        ids: At most 32; on the current span and on the run's own. Scrubbed.
    """
    try:
        _write(current_run(), {sc.CORRELATION + name: text for name, text in _texts(ids).items()})
    except Exception as error:
        guard.failed("set_correlation", error)


def get_current_run() -> RunContext | None:
    """The run this code is in; `None` outside one."""
    return current_run()


def get_run_id() -> str | None:
    """The id of the run this code is in; `None` outside one."""
    run = current_run()
    return run.run_id if run is not None else None


def get_workflow() -> str | None:
    """The workflow of the run this code is in; `None` outside one and while nobody has named it."""
    run = current_run()
    return run.workflow if run is not None else None


def get_baggage(key: str) -> str | None:
    """A baggage value: the run's own members (``botanu.…``) and everybody else's.

    Args:
        key: The member's name, such as ``"botanu.tenant_id"``.
    """
    run = current_run()
    if run is not None and key in RUN_MEMBERS:
        member = run.run.members().get(key) if key != sc.STEP else current_step(otel.get_current())
        if member is not None:
            return member
    value = baggage.get_baggage(key)
    if value is None and run is not None:
        value = run.carried.get(key)
    return str(value) if value is not None else None


def set_baggage(key: str, value: str) -> Token[Any] | None:
    """Set a baggage value for the rest of the current block; it goes wherever baggage goes.

    Members named ``botanu.…`` leave only towards destinations inside the trust domain, like the run itself.

    Args:
        key: The member's name: letters, digits, ``.``, ``-``, ``_``. The run's own members cannot be set this way.
        value: At most 256 printable characters.

    Returns:
        A token for `opentelemetry.context.detach`, if it is to end earlier; `None` where the value will not do.
    """
    text = clean(value, "baggage value")
    if text is None or not isinstance(key, str) or not is_token(key) or key in RUN_MEMBERS:
        warn_once("baggage.refused", "a baggage member was refused: the name is the run's own, or the value unfit")
        return None
    return otel.attach(baggage.set_baggage(key, text))


def get_current_span() -> Span:
    """The current OpenTelemetry span; one that records nothing where there is none."""
    return _otel_current_span()


def bind(function: Callable[P, R]) -> Callable[P, R]:
    """Let `function` run in the context of this moment, wherever it is called.

    For what copies no context: ``executor.submit(bind(work), item)``, ``loop.run_in_executor(None, bind(work))``,
    ``Thread(target=bind(work))``. Each call gets a copy of its own.
    """
    context = copy_context()

    @wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return bound


def _write(run: RunContext | None, attributes: Mapping[str, Any]) -> None:
    span = _otel_current_span()
    if attributes and span.is_recording():
        span.set_attributes(attributes)
    if attributes and run is not None and run.span is not span and run.span.is_recording():
        run.span.set_attributes(attributes)


def _status(status: str | None) -> str | None:
    if status is None or (isinstance(status, str) and status in STATUSES):
        return status
    warn_once("outcome.status", "an outcome status was ignored: it must be one of %s", ", ".join(STATUSES))
    return None


def _number(value: object, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever is no number raises, arrays their own errors
    except Exception:
        number = math.nan
    if isinstance(value, bool) or not (low <= number <= high) or math.isinf(number):
        warn_once(f"outcome.{name}", "%s of an outcome was ignored: it must be a finite number in its range", name)
        return None
    return number


def _text(value: object, name: str) -> str | None:
    try:
        return safe_text(value if isinstance(value, str) else str(value), _MAX_TEXT)
    except Exception as error:
        warn_once(f"text.{name}", "%s could not be written as text and is left out", name, error=error)
        return None


def _texts(metadata: Mapping[str, str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if metadata is not None and not isinstance(metadata, Mapping):
        warn_once("metadata.mapping", "metadata was ignored: it must be a mapping, got %s", type(metadata).__name__)
        return found
    for key, value in (metadata or {}).items():
        if len(found) >= _MAX_METADATA:
            warn_once("metadata.full", "only the first %d metadata items are kept", _MAX_METADATA)
            break
        name = clean(key, "metadata key")
        if name is not None and value is not None and (text := _text(value, "metadata")) is not None:
            found[name] = text
    return found
