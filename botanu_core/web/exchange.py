"""One HTTP request and its response: the run that an adapter holds for it, and how that ends.

An adapter makes an `Exchange` when a request arrives, makes its run current while the framework serves, and tells it
what it sees: the status, exceptions, the last byte, the end. What follows from that is decided here, once for all.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, ClassVar, Final
from uuid import UUID

from opentelemetry.context import Context, get_current
from opentelemetry.trace import SpanKind, StatusCode

from botanu_core import semconv as sc
from botanu_core.log import warn_once
from botanu_core.model.outcome import STATUSES, status_of
from botanu_core.model.run import clean
from botanu_core.runtime import guard
from botanu_core.runtime.accept import accept, server_span
from botanu_core.runtime.current import Activation, activate, inhabit
from botanu_core.runtime.propagator import SCOPE_KEY, without_ours
from botanu_core.web.options import WebOptions
from botanu_core.wire.carrier import Inbound

__all__ = ["Exchange", "is_excluded", "is_preflight"]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})


class Exchange(ABC):
    """A request and its response. All state of a request is here: an adapter itself holds none.

    A framework's own exchange says how its request looks (`native`), which route served it (`route`), and what is
    read off its headers (`extracted`).

    Args:
        options: Of the adapter.
        carrier: The framework's own dict of the request: holds the run, so that a second adapter steps aside.
        inbound: What the headers say about a run.
        method: HTTP method.
        path: As the server has it; goes on the span.

    Attributes:
        run: Of this request; it has its span.
        context: What is to be current beside the run while the request is served.
        status: Of the response; 0 before there is one.
        is_complete: Set it when all of the response is out, where that is known before the framework returns.
        client_is_gone: Set it when that is heard of.
    """

    framework: ClassVar[str] = "web"

    __slots__ = (
        "_caught",
        "_native",
        "_unasked",
        "client_is_gone",
        "context",
        "is_complete",
        "method",
        "options",
        "run",
        "status",
    )

    def __init__(
        self, options: WebOptions, carrier: MutableMapping[str, Any], inbound: Inbound, method: str, path: str
    ) -> None:
        self.options = options
        # A method that nobody has heard of would make a span name, and a series, of its own.
        is_known = method in _METHODS
        self.method = method if is_known else "HTTP"
        self.status = 0
        self.client_is_gone = self.is_complete = False
        self._caught: BaseException | None = None
        self._native: Any = None
        self._unasked = options.ids != ()
        self.run = run = accept(inbound, trust=options.trust_inbound)
        if options.workflow is not None and run.workflow is None:
            run.fill(workflow=options.workflow)
        if options.capture is not True and not self._may_capture(options.capture):
            run.carried = {**run.carried, sc.CAPTURE: "off"}
        if self._unasked:
            self._identify()
        theirs = server_span()
        if theirs is not None:
            self.context = without_ours(get_current())
            run.borrow(theirs)
        else:
            self.context = without_ours(self.extracted())
            run.start(
                self.method,
                SpanKind.SERVER,
                {sc.HTTP_REQUEST_METHOD: method if is_known else "_OTHER", sc.URL_PATH: path},
                self.context,
            )
        carrier[SCOPE_KEY] = run

    # --- what a framework says ----------------------------------------------------------------------------------

    @abstractmethod
    def native(self) -> object:
        """The framework's request, for the application's functions. Its body must not be reachable through it."""

    @abstractmethod
    def route(self) -> str | None:
        """The template of the route that served the request; `None` where there is none, or not yet."""

    def extracted(self) -> Context:
        """The current context with what the global propagator reads off the request."""
        return get_current()

    @property
    def has_body(self) -> bool:
        """Whether HTTP lets this response have a body."""
        return self.method != "HEAD" and self.status not in (204, 304)

    # --- what an adapter does -----------------------------------------------------------------------------------

    def activate(self) -> Activation:
        """Make the run current; `deactivate` is called on the result, in the same frame."""
        return activate(self.run, self.run.span, self, base=self.context)

    def inhabit(self) -> None:
        """Make the run current for as long as the context lives that this is called in: one made for this request."""
        inhabit(self.run, self.run.span, self, self.context)

    def routed(self) -> None:
        """The route is known, and the application has not been called: its spans are to carry what the route knows."""
        if self._unasked:
            self._native = None
            self._identify()

    def started(self, status: int) -> None:
        """The response begins. The route is known by now: what could not be answered before is asked once more."""
        self.status = status
        if self._unasked:
            self._identify_rest()

    def caught(self, error: BaseException) -> None:
        """The framework answers for `error`; if its answer is a 5xx, that is why."""
        self._caught = error

    def ended(self, error: BaseException | None = None) -> None:
        """It is over: the framework has returned or raised. The response may have been over long before.

        Args:
            error: What the framework raised to its server.
        """
        if self.run.ended:
            return
        if error is None:
            # Servers cancel the body of a client that went away, and the application then returns as if all were well.
            incomplete = "canceled" if self.client_is_gone else "failed"
            self.finish(None if self.is_complete else incomplete)
        elif self.client_is_gone and _is_of_leaving(error):
            self.finish("canceled")
        else:
            self._fail(error)

    def finish(self, status: str | None = None) -> None:
        """End the run; twice counts once. HTTP 4xx leaves the outcome open: whose fault it is nobody knows.

        Args:
            status: How it ended; `None` where the response says it.
        """
        if self.run.ended:
            return
        if status is None and self._caught is not None and self.status >= 500:
            self._fail(self._caught)
            return
        if status is None:
            status = "failed" if self.status >= 500 else None if self.status >= 400 else "success"
            status = "canceled" if self.client_is_gone and status != "failed" else status
        self.run.finish(status, None, self._known(None))

    def leave_open(self) -> None:
        """End the run without an outcome, as a 4xx does."""
        self.run.finish(None, None, self._known(None))

    def _fail(self, error: BaseException) -> None:
        self.run.fail(error)
        known = self._known(error)
        if self.options.on_error is not None and status_of(error) not in ("canceled", "success"):
            judged = self._judged(self.options.on_error, error)
            if judged is not None:
                self.run.suggest(judged, error)
        self.run.finish(None, error, known)

    # --- what is written ----------------------------------------------------------------------------------------

    def _known(self, error: BaseException | None) -> dict[str, str | int]:
        """What the span is to carry besides; its name and status are set."""
        known: dict[str, str | int] = {}
        try:
            if self._unasked:
                self._identify_rest()
            run, span = self.run, self.run.span
            if not span.is_recording():
                return known
            if self.status:
                known[sc.HTTP_RESPONSE_STATUS_CODE] = self.status
            if self.status >= 500 and error is None and run.owns_span:
                span.set_status(StatusCode.ERROR)
            route = self.route()
            if route is not None:
                known[sc.HTTP_ROUTE] = route
                if run.owns_span:
                    span.update_name(f"{self.method} {route}")
        except Exception as failure:
            guard.failed(self.framework, failure)
        return known

    # --- what the application's functions say -------------------------------------------------------------------

    def _request(self) -> Any:
        if self._native is None:
            self._native = self.native()
        return self._native

    def _identify_rest(self) -> None:
        self._unasked = False
        self._native = None  # one that is made now may know more
        for name, failure in self._identify().items():
            warn_once(f"extractor.{name}", "the function given for %s %s; the request goes on without", name, failure)

    def _identify(self) -> Mapping[str, str]:
        """Ask for what the run does not know, and return what failed: before it is served, much is not there yet."""
        run = self.run.run
        found: dict[str, str | None] = {}
        failures: dict[str, str] = {}
        for name, ask in self.options.ids:
            if getattr(run, name) is not None:
                continue
            value, failure = self._answer(ask)
            if failure is not None:
                failures[name] = failure
            elif value is not None:
                found[name] = clean(value, name)
        if found:
            self.run.fill(**found)
        return failures

    def _answer(self, ask: Callable[[Any], object]) -> tuple[object, str | None]:
        """What `ask` says of the request, or how it failed. Its exception may quote the request: it is not told."""
        try:
            value = ask(self._request())
        except Exception as error:
            return None, f"raised {type(error).__name__}"
        if value is None or (isinstance(value, str | int | UUID) and not isinstance(value, bool)):
            return value, None
        return None, f"gave a value of type {_dropped(value)}, not a text, an integer or a UUID"

    def _may_capture(self, capture: object) -> bool:
        return capture is not False and is_true("capture", capture, self._request, otherwise=False)

    def _judged(self, on_error: Callable[[BaseException, Any], object], error: BaseException) -> str | None:
        try:
            said = on_error(error, self._request())
        except Exception as failure:
            warn_once("on_error", "the function given for on_error failed; the usual outcome stands", error=failure)
            return None
        if said is None or said in STATUSES:
            return said
        warn_once("on_error", "the function given for on_error must say None or one of %s", ", ".join(STATUSES))
        _dropped(said)
        return None


def is_true(option: str, ask: Any, request: Callable[[], Any], *, otherwise: bool) -> bool:
    """What `ask` says of the request; `otherwise` where it fails or says neither True nor False."""
    try:
        said = ask(request())
    except Exception as error:
        warn_once(f"option.{option}", "a function given for %s failed", option, error=error)
        return otherwise
    if said is True or said is False or said is None:
        return bool(said)
    warn_once(f"option.{option}", "a function given for %s must say True or False, got %s", option, _dropped(said))
    return otherwise


def _dropped(value: object) -> str:
    """The type of a value that is of no use; a coroutine is closed, else Python complains that nobody awaited it."""
    if inspect.iscoroutine(value):
        value.close()
    return type(value).__name__


def is_excluded(options: WebOptions, path: str, request: Callable[[], Any]) -> bool:
    """Whether the application wants to know nothing of this request: no run, no header.

    Args:
        options: Of the adapter.
        path: As the application's own routes see it, without what a proxy or a mount has taken off.
        request: Makes the framework's request, for functions.
    """
    if path in options.paths or (options.prefixes and path.startswith(options.prefixes)):
        return True
    return any(is_true("exclude", test, request, otherwise=False) for test in options.tests)


def is_preflight(method: str, names: Callable[[str], bool]) -> bool:
    """Whether this is a browser asking whether it may ask (CORS): part of no transaction.

    Args:
        method: HTTP method.
        names: Whether the request has a header of this name, in lower case.
    """
    return method == "OPTIONS" and names("access-control-request-method") and names("origin")


def _is_of_leaving(error: BaseException) -> bool:
    """Whether `error` is how an application hears that nobody listens: from its server, or from a closed stream."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_of_leaving, error.exceptions))
    return isinstance(error, OSError) or any(kind.__name__ in _LEAVING for kind in type(error).__mro__)


_LEAVING: Final = frozenset(
    {"BrokenResourceError", "Cancelled", "CancelledError", "ClientDisconnect", "ClosedResourceError"}
)
