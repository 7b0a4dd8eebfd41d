"""What one customer, one ticket, one report costs in AI: run-level cost attribution on OpenTelemetry.

    import botanu
    botanu.enable()

    @botanu.event(workflow="Support", event_id=lambda ticket: ticket["id"])
    def handle(ticket): ...

Importing this starts nothing and loads next to nothing: each name loads its room when it is first asked for, and only
`enable`, `disable`, `doctor` and `BotanuConfig` load the OpenTelemetry SDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from botanu_core.version import __version__ as __version__

if TYPE_CHECKING:
    from botanu_core.errors import BotanuError as BotanuError
    from botanu_core.errors import ConfigError as ConfigError
    from botanu_core.errors import MissingExtra as MissingExtra
    from botanu_core.ledger.explain import Explanation as Explanation
    from botanu_core.model.pseudonym import pseudonym as pseudonym
    from botanu_core.model.run import Run as Run
    from botanu_core.runtime.annotate import bind as bind
    from botanu_core.runtime.annotate import emit_outcome as emit_outcome
    from botanu_core.runtime.annotate import explain as explain
    from botanu_core.runtime.annotate import get_baggage as get_baggage
    from botanu_core.runtime.annotate import get_current_run as get_current_run
    from botanu_core.runtime.annotate import get_current_span as get_current_span
    from botanu_core.runtime.annotate import get_run_id as get_run_id
    from botanu_core.runtime.annotate import get_workflow as get_workflow
    from botanu_core.runtime.annotate import set_baggage as set_baggage
    from botanu_core.runtime.annotate import set_business_context as set_business_context
    from botanu_core.runtime.annotate import set_correlation as set_correlation
    from botanu_core.runtime.context import RunContext as RunContext
    from botanu_core.runtime.entry import botanu_use_case as botanu_use_case
    from botanu_core.runtime.entry import botanu_workflow as botanu_workflow
    from botanu_core.runtime.entry import event as event
    from botanu_core.runtime.entry import run_botanu as run_botanu
    from botanu_core.runtime.entry import step as step
    from botanu_core.runtime.logs import RunIdFilter as RunIdFilter
    from botanu_core.sdk.config import BotanuConfig as BotanuConfig
    from botanu_core.sdk.enable import Report as Report
    from botanu_core.sdk.enable import disable as disable
    from botanu_core.sdk.enable import doctor as doctor
    from botanu_core.sdk.enable import enable as enable
    from botanu_core.sdk.enable import flush as flush

_ROOMS = {
    "BotanuError": "botanu_core.errors",
    "ConfigError": "botanu_core.errors",
    "MissingExtra": "botanu_core.errors",
    "Explanation": "botanu_core.ledger.explain",
    "pseudonym": "botanu_core.model.pseudonym",
    "Run": "botanu_core.model.run",
    "bind": "botanu_core.runtime.annotate",
    "emit_outcome": "botanu_core.runtime.annotate",
    "explain": "botanu_core.runtime.annotate",
    "get_baggage": "botanu_core.runtime.annotate",
    "get_current_run": "botanu_core.runtime.annotate",
    "get_current_span": "botanu_core.runtime.annotate",
    "get_run_id": "botanu_core.runtime.annotate",
    "get_workflow": "botanu_core.runtime.annotate",
    "set_baggage": "botanu_core.runtime.annotate",
    "set_business_context": "botanu_core.runtime.annotate",
    "set_correlation": "botanu_core.runtime.annotate",
    "RunContext": "botanu_core.runtime.context",
    "botanu_use_case": "botanu_core.runtime.entry",
    "botanu_workflow": "botanu_core.runtime.entry",
    "event": "botanu_core.runtime.entry",
    "run_botanu": "botanu_core.runtime.entry",
    "step": "botanu_core.runtime.entry",
    "RunIdFilter": "botanu_core.runtime.logs",
    "BotanuConfig": "botanu_core.sdk.config",
    "Report": "botanu_core.sdk.enable",
    "disable": "botanu_core.sdk.enable",
    "doctor": "botanu_core.sdk.enable",
    "enable": "botanu_core.sdk.enable",
    "flush": "botanu_core.sdk.enable",
}

__all__ = [
    "BotanuConfig",
    "BotanuError",
    "ConfigError",
    "Explanation",
    "MissingExtra",
    "Report",
    "Run",
    "RunContext",
    "RunIdFilter",
    "__version__",
    "bind",
    "botanu_use_case",
    "botanu_workflow",
    "disable",
    "doctor",
    "emit_outcome",
    "enable",
    "event",
    "explain",
    "flush",
    "get_baggage",
    "get_current_run",
    "get_current_span",
    "get_run_id",
    "get_workflow",
    "pseudonym",
    "run_botanu",
    "set_baggage",
    "set_business_context",
    "set_correlation",
    "step",
]


def __getattr__(name: str) -> Any:
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module 'botanu' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(room), name)
    return value


def __dir__() -> list[str]:
    return __all__
