"""The options of a web adapter: the same names and meanings whatever the framework, checked when it is set up."""

import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypedDict

from botanu_core import settings
from botanu_core.errors import ConfigError
from botanu_core.model.run import MAX_ID_CHARS
from botanu_core.semconv import RESPONSE_HEADER
from botanu_core.settings import TrustMode

__all__ = ["OPTIONS", "Options", "Problem", "WebOptions", "prefixed", "problems_of"]

Extractor = Callable[[Any], object]


class Options(TypedDict, total=False):
    """What people write; see `WebOptions` for what it means."""

    workflow: str | Extractor | None
    event_id: Extractor | None
    customer_id: Extractor | None
    tenant_id: Extractor | None
    exclude: list[str | Extractor] | tuple[str | Extractor, ...]
    response_header: str | bool | None
    expose_header: bool
    trust_inbound: str | None
    capture: bool | Extractor
    on_error: Callable[[BaseException, Any], object] | None


OPTIONS: Final = frozenset(Options.__annotations__)


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in an option.

    Attributes:
        option: Its name.
        text: What was wanted, what came, and the mend.
    """

    option: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Options as an adapter uses them. Nothing need be set.

    Attributes:
        ids: Functions of the request by what they give: ``workflow``, ``event_id``, ``customer_id``, ``tenant_id``.
        workflow: The name of all runs that this adapter opens, where it is a text.
        paths: Requests to these are passed by: no run, no header.
        prefixes: Likewise for all that is below one; each ends in a slash.
        tests: Likewise for requests of which one of these says True.
        response_header: Carries the run's id; `None` for no header.
        expose_header: Whether ``Access-Control-Expose-Headers`` is to name it.
        trust_inbound: Whose runs are taken, instead of the configured answer.
        capture: Whether content of these runs may be captured where it is configured; of all, or asked for each.
        on_error: Asked about the exception that ends a run: the outcome's status, or `None` for the usual one.
        excludes: Whether anything is to be passed by.
        asks: Whether a function of the request is given.
        header_line: The name of `response_header` as bytes.
    """

    ids: tuple[tuple[str, Extractor], ...] = ()
    workflow: str | None = None
    paths: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    tests: tuple[Extractor, ...] = ()
    response_header: str | None = RESPONSE_HEADER
    expose_header: bool = False
    trust_inbound: TrustMode | None = None
    capture: bool | Extractor = True
    on_error: Callable[[BaseException, Any], object] | None = None
    excludes: bool = field(init=False)
    asks: bool = field(init=False)
    header_line: bytes = field(init=False)

    def __post_init__(self) -> None:
        # Every request looks at these: worked out once.
        asks = bool(self.ids or self.tests or self.on_error is not None or callable(self.capture))
        object.__setattr__(self, "excludes", bool(self.paths or self.prefixes or self.tests))
        object.__setattr__(self, "asks", asks)
        object.__setattr__(self, "header_line", (self.response_header or "").encode())

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Options as people write them, by name.

        Raises:
            ConfigError: One or more are wrong; the message says all of it.
        """
        if found := list(problems_of(given)):
            raise ConfigError("; ".join(problem.text for problem in found))
        workflow, exclude = given.get("workflow"), given.get("exclude", ())
        header = given.get("response_header", True)
        texts = [each for each in exclude if isinstance(each, str)]
        trust = given.get("trust_inbound")
        return cls(
            ids=tuple((name, given[name]) for name in _IDS if callable(given.get(name))),
            workflow=workflow if isinstance(workflow, str) else None,
            paths=frozenset(each for each in texts if not each.endswith("/*")),
            prefixes=tuple(each.removesuffix("*") for each in texts if each.endswith("/*")),
            tests=tuple(each for each in exclude if not isinstance(each, str)),
            response_header=header.lower() if isinstance(header, str) else RESPONSE_HEADER if header else None,
            expose_header=given.get("expose_header", False),
            trust_inbound=settings.trust(trust) if trust is not None else None,
            capture=given.get("capture", True),
            on_error=given.get("on_error"),
        )


_IDS: Final = ("workflow", "event_id", "customer_id", "tenant_id")


def prefixed(configured: Mapping[str, Any], prefix: str = "BOTANU_") -> dict[str, Any]:
    """The options among a framework's settings: ``BOTANU_EVENT_ID`` is ``event_id``; what is no option stays in, wrong.

    Args:
        configured: All settings of the application.
        prefix: What ours begin with.
    """
    return {key.removeprefix(prefix).lower(): configured[key] for key in configured if key.startswith(prefix)}


def problems_of(given: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with `given`, option by option; nothing where all is well."""
    for name, value in given.items():
        check = _CHECKS.get(name)
        text = _unknown(name) if check is None else check(name, value)
        if text is not None:
            yield Problem(name, text)
    if given.get("expose_header") is True and given.get("response_header", True) in (None, False):
        yield Problem("expose_header", "expose_header is set and response_header sends none; leave one of them out")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, OPTIONS, 1)
    mend = f"did you mean {near[0]}?" if near else f"they are {', '.join(sorted(OPTIONS))}"
    return f"{name} is no option of a web adapter; {mend}"


def _workflow(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return None if value is None else _function(name, value, "a text or a function of the request")
    if value.strip() and len(value) <= MAX_ID_CHARS and value.isprintable():
        return None
    return f"{name} must be 1 to {MAX_ID_CHARS} printable characters, got {value[:40]!r}"


def _extractor(name: str, value: object) -> str | None:
    if isinstance(value, str):
        # A text would make all requests one transaction, one customer.
        return f"{name} must be a function of the request, got a text; write {name}=lambda request: {value[:40]!r}"
    return None if value is None else _function(name, value, "a function of the request")


def _function(name: str, value: object, wanted: str, arguments: int = 1) -> str | None:
    if not callable(value):
        return f"{name} must be {wanted}, got {type(value).__name__}"
    if _is_async(value):
        return f"{name} must be a plain function, got an async one: its answer is needed before the request goes on"
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None  # some builtins do not tell
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        given = "the exception and the request" if arguments > 1 else "the request"
        return f"{name} is called with {given}, which {signature} does not take"
    return None


def _is_async(value: object) -> bool:
    return any(
        test(each)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
        for each in (value, getattr(value, "__call__", None))  # noqa: B004  # an object whose call is async
    )


def _exclude(name: str, value: object) -> str | None:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        came = f"{value!r}; write [{value!r}]" if isinstance(value, str) else type(value).__name__
        return f"{name} must be a list of paths and functions of the request, got {came}"
    return next(filter(None, (_excluded(name, each) for each in value)), None)


def _excluded(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return _function(name, value, "a list of paths and functions of the request")
    wanted = None
    if not value.startswith("/"):
        wanted = f"begins with a slash; write {'/' + value!r}"
    elif value == "/*":
        wanted = "is one path or what is below one, and this is every request; leave the middleware out instead"
    elif set("?#").intersection(value):
        wanted = f"ends before ? and #; write {re.split('[?#]', value)[0]!r}"
    elif "*" in value.removesuffix("/*"):
        wanted = f"has no * but in a last '/*'; write a function such as lambda request: …, or {_stem(value)!r}"
    return f"{name} holds {value!r}: a path {wanted}" if wanted else None


def _stem(value: str) -> str:
    return value.partition("*")[0].rpartition("/")[0] + "/*"


_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# Replacing one of these would break the answer, or say something else with it.
_TAKEN: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "date", "location", "server", "set-cookie",
     "status", "trailer", "transfer-encoding", "upgrade", "vary", "baggage", "traceparent", "tracestate",
     "access-control-expose-headers"}
)  # fmt: skip


def _header(name: str, value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return f"{name} must be the name of a header, or None for no header, got {type(value).__name__}"
    if not _TOKEN.fullmatch(value):
        return f"{name} must be the name of a header, such as {RESPONSE_HEADER!r}, got {value[:40]!r}"
    if value.lower() in _TAKEN:
        return f"{name} must be a header of its own, and {value!r} has a meaning; write {RESPONSE_HEADER!r}"
    return None


def _flag(name: str, value: object) -> str | None:
    return None if isinstance(value, bool) else f"{name} must be True or False, got {type(value).__name__}"


def _trust(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return f"{name} must be a text such as 'auto', got {type(value).__name__}"
    try:
        settings.trust(value)
    except ValueError as error:
        return f"{name} must {error}, got {value[:40]!r}"
    return None


def _capture(name: str, value: object) -> str | None:
    return None if isinstance(value, bool) else _function(name, value, "True, False or a function of the request")


def _on_error(name: str, value: object) -> str | None:
    return None if value is None else _function(name, value, "a function of the exception and the request", 2)


_CHECKS: Final[Mapping[str, Callable[[str, object], str | None]]] = {
    "workflow": _workflow,
    "event_id": _extractor,
    "customer_id": _extractor,
    "tenant_id": _extractor,
    "exclude": _exclude,
    "response_header": _header,
    "expose_header": _flag,
    "trust_inbound": _trust,
    "capture": _capture,
    "on_error": _on_error,
}
