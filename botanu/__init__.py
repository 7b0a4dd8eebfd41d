"""What one customer, one ticket, one report costs in AI: run-level cost attribution on OpenTelemetry.

    import botanu
    botanu.enable()

    @botanu.event(workflow="Support", event_id=lambda ticket: ticket["id"], customer_id=lambda ticket: ticket["customer"])
    def handle(ticket): ...

Importing this starts nothing and loads no SDK; `enable` does.
"""

from typing import TYPE_CHECKING, Any

from botanu_core.errors import BotanuError as BotanuError
from botanu_core.errors import ConfigError as ConfigError
from botanu_core.errors import MissingExtra as MissingExtra
from botanu_core.model.run import Run as Run
from botanu_core.runtime.annotate import bind as bind
from botanu_core.runtime.annotate import emit_outcome as emit_outcome
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
from botanu_core.version import __version__ as __version__

if TYPE_CHECKING:
    from botanu_core.sdk.config import BotanuConfig as BotanuConfig
    from botanu_core.sdk.enable import Report as Report
    from botanu_core.sdk.enable import disable as disable
    from botanu_core.sdk.enable import doctor as doctor
    from botanu_core.sdk.enable import enable as enable

# What needs the SDK or pydantic is loaded when it is first asked for.
_LAZY = {
    "BotanuConfig": "botanu_core.sdk.config",
    "Report": "botanu_core.sdk.enable",
    "disable": "botanu_core.sdk.enable",
    "doctor": "botanu_core.sdk.enable",
    "enable": "botanu_core.sdk.enable",
}

__all__ = [
    "BotanuConfig",
    "BotanuError",
    "ConfigError",
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
    "get_baggage",
    "get_current_run",
    "get_current_span",
    "get_run_id",
    "get_workflow",
    "run_botanu",
    "set_baggage",
    "set_business_context",
    "set_correlation",
    "step",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'botanu' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
