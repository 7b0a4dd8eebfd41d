"""Switching OpenTelemetry's instrumentors on and off, through their entry points.

Nothing of `opentelemetry.instrumentation` is imported before it is needed: it may not be installed. No failure
of an instrumentor gets out of here; it becomes a line of the report.
"""

import difflib
import logging
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import Any, Final, Literal

from botanu_core.log import warn_once
from botanu_core.sdk import grpc_targets

__all__ = ["InstrumentReport", "installed", "plain_name", "switch_off", "switch_on"]

State = Literal["on", "absent", "broken", "skipped", "already on"]
_GROUP: Final = "opentelemetry_instrumentor"
_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"

# What "all" leaves alone, and why. Naming one switches it on.
_ONLY_WHEN_NAMED: Final = {
    "logging": "changes every log record",
    "structlog": "exports the application's log records",
    "exceptions": "exports unhandled exceptions as log records, unscrubbed",
    "system-metrics": "measures the whole host at every export",
}
# The logging instrumentor by default sends every log record away, by a handler on the root logger, and with
# OTEL_PYTHON_LOG_CORRELATION calls basicConfig. What is left writes trace and span id on each record.
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "logging": {
        "enable_log_auto_instrumentation": False,
        "set_logging_format": False,
        "inject_trace_context": True,
    },
}
# Libraries whose instrumentors put prompts and answers on spans by default, and what stops them. Some read it when
# they are switched on, others at every call.
_RECORD_CONTENT: Final = {
    "opentelemetry-semantic-conventions-ai": {"TRACELOOP_TRACE_CONTENT": "false"},
    "openinference-instrumentation": {
        "OPENINFERENCE_HIDE_INPUTS": "true",
        "OPENINFERENCE_HIDE_OUTPUTS": "true",
        "OPENINFERENCE_HIDE_EMBEDDINGS_TEXT": "true",  # hiding inputs leaves it
    },
}
# Names whose distribution is opentelemetry-instrumentation-<name>, and those whose is another. A name that is in
# neither gets no `pip install` line: it would be a guess, and a stranger may have registered what is guessed.
_PUBLISHED: Final = frozenset(
    """aio-pika aiohttp-client aiohttp-server aiokafka aiopg asyncclick asyncio asyncpg aws-lambda botocore cassandra
    celery click cohere confluent-kafka crewai django elasticsearch exceptions falcon fastapi flask google-genai
    groq httpx jinja2 langchain logging mistralai mysql mysqlclient ollama pika psycopg psycopg2 pymemcache
    pymongo pymssql pymysql pyramid redis remoulade requests sqlalchemy sqlite3 starlette structlog
    system-metrics threading tornado tortoiseorm urllib urllib3""".split()  # noqa: SIM905 - fifty lines otherwise
)
_PUBLISHED_AS: Final = {
    "aiobotocore": "botocore",
    "anthropic": "genai-anthropic",
    "bedrock": "genai-bedrock",
    "boto3": "boto3sqs",
    "google-cloud-aiplatform": "vertexai",
    "grpc-aio-client": "grpc",
    "grpc-aio-server": "grpc",
    "grpc-client": "grpc",
    "grpc-server": "grpc",
    "httpx2": "httpx",
    "kafka": "kafka-python",
    "openai": "genai-openai",
}
_MIDDLEWARE: Final = {
    "asgi": "OpenTelemetryMiddleware",
    "wsgi": "OpenTelemetryMiddleware",
    "dbapi": "trace_integration",
}


@dataclass(frozen=True, slots=True)
class InstrumentReport:
    """What became of one instrumentor.

    Attributes:
        name: Its entry point's name; for one that is not installed, the name that was asked for.
        state: ``"on"`` by us; ``"already on"`` by the application, and so not ours to switch off; ``"absent"``: it
            or its library is not installed; ``"broken"``: it raised; ``"skipped"``: not wanted.
        detail: Why, or which distribution it is; one line.
        withheld: Variables of the environment, with their values, that keep prompts off its spans and that we have set.
    """

    name: str
    state: State
    detail: str = ""
    instrumentor: Any = field(default=None, repr=False, compare=False)
    withheld: dict[str, str] = field(default_factory=dict, repr=False, compare=False)


def switch_on(wanted: str | Collection[str], skip: Collection[str] = ()) -> list[InstrumentReport]:
    """Switch on the installed instrumentors that are wanted, and say what became of each.

    Those that put prompts and answers on spans by default do not, unless the user has set their own variable.

    Args:
        wanted: ``"all"``, ``"none"``, or names in any spelling. ``"all"`` as one of several names adds to it those
            that are switched on only when named.
        skip: Names to leave alone. OTEL_PYTHON_DISABLED_INSTRUMENTATIONS adds to them, and ``*`` there means all.

    Returns:
        One report for each that is installed and asked for, then one for each name that is not installed. Two
        distributions may share a name; each has its report.
    """
    names = {plain_name(name): name for name in ([wanted] if isinstance(wanted, str) else wanted)}
    if not names.keys() - {"none"}:
        return []
    reasons = _left_alone(names, skip)
    points = installed()
    chosen = [point for point in points if "all" in names or plain_name(point.name) in names]
    withheld: dict[str, str] = {}
    reports = [_skipped(point, reasons) or _start(point, withheld) for point in chosen]
    _release({name: off for name, off in withheld.items() if not any(name in report.withheld for report in reports)})
    there = {plain_name(point.name) for point in points} | {"all", "none"}
    absent = [_not_installed(name, points) for plain, name in names.items() if plain not in there]
    return reports + absent


def switch_off(reports: Iterable[InstrumentReport]) -> None:
    """Switch off what `switch_on` switched on, last first; those of the application stay as they are."""
    ours = [report for report in reports if report.state == "on"]
    stuck: set[str] = set()
    for report in reversed(ours):
        try:
            _stop(report)
        except Exception as error:
            stuck |= report.withheld.keys()  # it may be on still
            warn_once(
                f"instrument.off.{report.name}",
                "the %s instrumentor raised when switched off",
                report.name,
                error=error,
            )
    for report in ours:
        _release({name: off for name, off in report.withheld.items() if name not in stuck})


def _stop(report: InstrumentReport) -> None:
    if not getattr(report.instrumentor, "is_instrumented_by_opentelemetry", True):
        return  # somebody was quicker
    if getattr(report.instrumentor, "taken_over", False):
        return  # by an instrumentor of `botanu_genai`, which switches it off itself
    if plain_name(report.name) == "logging" and not _is_top_record_factory():
        # It would put back the factory from before it, and lose the one that was set after it.
        warn_once("instrument.off.logging", "the logging instrumentor stays on: a record factory was set over it")
        return
    report.instrumentor.uninstrument()
    grpc_targets.take_away(plain_name(report.name))


def plain_name(name: str) -> str:
    """One spelling for `Aiohttp_Client`, `aiohttp-client` and `opentelemetry-instrumentation-aiohttp-client`."""
    return re.sub(r"[-_.\s]+", "-", name.strip().lower()).removeprefix("opentelemetry-instrumentation-")


def _left_alone(names: Collection[str], skip: Collection[str]) -> dict[str, str]:
    """Plain name to the reason why it is not switched on; ``*`` stands for all."""
    reasons = {name: f"{reason}; name it to have it" for name, reason in _ONLY_WHEN_NAMED.items() if name not in names}
    reasons |= {plain_name(name): "in skip_instruments" for name in ([skip] if isinstance(skip, str) else skip)}
    return reasons | {
        plain_name(name): f"in {_DISABLED}" for name in os.environ.get(_DISABLED, "").split(",") if name.strip()
    }


def installed() -> list[EntryPoint]:
    """All instrumentors there are, by name."""
    try:
        found = list(entry_points(group=_GROUP))
    except Exception:
        # One distribution with a broken entry_points.txt makes that fail for all of them.
        found = [point for dist in distributions() for point in _entry_points_of(dist)]
    return sorted(found, key=lambda point: (plain_name(point.name), point.value))


def _entry_points_of(dist: Any) -> list[EntryPoint]:
    try:
        return list(dist.entry_points.select(group=_GROUP))
    except Exception:
        return []


def _skipped(point: EntryPoint, reasons: dict[str, str]) -> InstrumentReport | None:
    reason = reasons.get("*") or reasons.get(plain_name(point.name))
    return InstrumentReport(point.name, "skipped", reason) if reason else None


def _start(point: EntryPoint, withheld: dict[str, str]) -> InstrumentReport:
    try:
        missing = _missing_library(point)
        if missing:
            return InstrumentReport(point.name, "absent", missing)
        instrumentor = point.load()()
        if getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
            return InstrumentReport(point.name, "already on", "it was on before, and is left as it is")
        content = _withhold(point, withheld)
        _instrument(instrumentor, plain_name(point.name))
        if not getattr(instrumentor, "is_instrumented_by_opentelemetry", True):
            return InstrumentReport(point.name, "broken", "it did not switch on and raised nothing")
        return InstrumentReport(point.name, "on", _description(point, content), instrumentor, content)
    except ModuleNotFoundError as error:
        return InstrumentReport(point.name, "absent", _short(error))
    except (Exception, SystemExit) as error:
        conflict = getattr(error, "conflict", None)  # of a DependencyConflictError
        if conflict is not None:
            return InstrumentReport(point.name, "absent", _needs(conflict))
        return InstrumentReport(point.name, "broken", f"{type(error).__name__}: {_short(error)}".removesuffix(": "))


def _instrument(instrumentor: Any, name: str) -> None:
    if name in grpc_targets.INSTRUMENTORS:
        grpc_targets.put_under(name)
    try:
        instrumentor.instrument(raise_exception_on_conflict=True, **_OPTIONS.get(name, {}))
    except BaseException:
        grpc_targets.take_away(name)
        raise


def _missing_library(point: EntryPoint) -> str:
    """What the distribution says that it instruments and that is not installed; empty if all is there."""
    try:
        dependencies = import_module("opentelemetry.instrumentation.dependencies")
    except ModuleNotFoundError:
        return ""  # loading the instrumentor tells more
    conflict = dependencies.get_dist_dependency_conflicts(point.dist) if point.dist is not None else None
    return _needs(conflict) if conflict is not None else ""


def _needs(conflict: Any) -> str:
    required = [conflict.required] if conflict.required else list(conflict.required_any or ())
    found = [conflict.found] if conflict.found else list(conflict.found_any or ())
    wanted = " or ".join(str(requirement).partition(";")[0].strip() for requirement in required)
    return f"needs {wanted}, found {', '.join(found)}" if found else f"needs {wanted}"


def _withhold(point: EntryPoint, withheld: dict[str, str]) -> dict[str, str]:
    """Set what keeps prompts off this one's spans, where the user has not; what we have set is in `withheld`, too."""
    found: dict[str, str] = {}
    for line in (point.dist.requires or ()) if point.dist is not None else ():
        library = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower().replace("_", "-")
        for name, off in _RECORD_CONTENT.get(library, {}).items():
            if not os.environ.get(name, "").strip():
                os.environ[name] = withheld[name] = off
            if name in withheld:
                found[name] = off
    return found


def _release(withheld: dict[str, str]) -> None:
    for name, off in withheld.items():
        if os.environ.get(name) == off:  # else somebody has changed it, and it is no longer ours
            del os.environ[name]


def _description(point: EntryPoint, withheld: dict[str, str]) -> str:
    text = f"{point.dist.name} {point.dist.version}" if point.dist is not None else ""
    cure = ", ".join(f"{name}={'true' if off == 'false' else 'false'}" for name, off in withheld.items())
    return f"{text}, prompts withheld; set {cure} to record them" if cure else text


def _not_installed(name: str, points: Iterable[EntryPoint]) -> InstrumentReport:
    plain = plain_name(name)
    published = _PUBLISHED_AS.get(plain, plain if plain in _PUBLISHED else "")
    close = difflib.get_close_matches(plain, [*(plain_name(point.name) for point in points), *_PUBLISHED], 1)
    if plain in _MIDDLEWARE:
        detail = f"has no switch: use {_MIDDLEWARE[plain]} of opentelemetry-instrumentation-{plain} by hand"
    elif published:
        detail = f"pip install opentelemetry-instrumentation-{published}"
    elif close:
        detail = f"no instrumentor of this name is installed; did you mean {close[0]!r}?"
    else:
        detail = "no instrumentor of this name is installed"
    return InstrumentReport(name, "absent", detail)


def _is_top_record_factory() -> bool:
    module = getattr(logging.getLogRecordFactory(), "__module__", None)
    return str(module).startswith("opentelemetry.instrumentation.")


def _short(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:160]
    except Exception:
        return ""
