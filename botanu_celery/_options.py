"""What `install` takes, checked."""

import fnmatch
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypedDict

from botanu_core import adapter

__all__ = ["Options", "TaskOptions"]

OfTask = Callable[[str, Sequence[Any], Mapping[str, Any]], object]
"""A function of a task's name, its positional and its keyword arguments."""

_IDS: Final = ("workflow", "event_id", "customer_id", "tenant_id")
_WEEK_S: Final = 7 * 24 * 3600.0


class Options(TypedDict, total=False):
    """Options as people write them. None is needed."""

    workflow: str | OfTask
    event_id: OfTask
    customer_id: OfTask
    tenant_id: OfTask
    exclude: Sequence[str | OfTask]
    lifetime_s: float
    headers_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """Options as the handlers use them.

    Attributes:
        ids: Functions of the task by what they give.
        workflow: The name of all runs that tasks open, where it is a text.
        names: Tasks that are passed by; ``*`` stands for anything.
        tests: Likewise, functions that say so.
        lifetime_s: How old a signed run may be; a message may wait in its queue for as long.
        headers_only: Whether publishing makes no span of ours.
    """

    ids: tuple[tuple[str, OfTask], ...] = ()
    workflow: str | None = None
    names: tuple[str, ...] = ()
    tests: tuple[OfTask, ...] = ()
    lifetime_s: float = _WEEK_S
    headers_only: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Options by name.

        Raises:
            ConfigError: One or more are wrong; the message says all of it.
        """
        found = [problem for name, value in given.items() if (problem := _problem(name, value))]
        if found:
            raise adapter.ConfigError("; ".join(found))
        workflow, exclude = given.get("workflow"), given.get("exclude", ())
        return cls(
            ids=tuple((name, given[name]) for name in _IDS if callable(given.get(name))),
            workflow=workflow if isinstance(workflow, str) else None,
            names=tuple(each for each in exclude if isinstance(each, str)),
            tests=tuple(each for each in exclude if not isinstance(each, str)),
            lifetime_s=given.get("lifetime_s", _WEEK_S),
            headers_only=given.get("headers_only", False),
        )

    def excludes(self, name: str, args: Any, kwargs: Any) -> bool:
        """Whether the application wants to know nothing of this task: no run, no header."""
        if any(fnmatch.fnmatchcase(name, each) for each in self.names):
            return True
        return any(_asked("exclude", test, name, args, kwargs) is True for test in self.tests)

    def identify(self, run: adapter.RunContext, name: str, args: Any, kwargs: Any) -> None:
        """Fill in what `run` lacks, as the functions say."""
        said = {
            option: adapter.clean(_asked(option, ask, name, args, kwargs), f"the function given for {option}")
            for option, ask in self.ids
        }
        if self.workflow is not None:
            said["workflow"] = self.workflow
        if said:
            run.fill(**said)


def _asked(option: str, ask: OfTask, name: str, args: Any, kwargs: Any) -> object:
    try:
        return ask(name, args or (), kwargs or {})
    except Exception as error:
        adapter.warn_once(f"option.{option}", "the function given for %s failed", option, error=error)
        return None


def _problem(name: str, value: object) -> str | None:
    if name not in Options.__annotations__:
        return f"{name} is no option of botanu_celery; they are {', '.join(sorted(Options.__annotations__))}"
    if name == "headers_only":
        return None if isinstance(value, bool) else f"{name} must be True or False, got {type(value).__name__}"
    if name == "lifetime_s":
        is_fine = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        return None if is_fine else f"{name} must be a positive number of seconds, got {value!r:.40}"
    if name == "exclude":
        if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
            return f"{name} must be a list of task names and functions, got {value!r:.40}; write [{value!r:.40}]"
        return next((text for each in value if not isinstance(each, str) and (text := _function(name, each))), None)
    if name == "workflow" and isinstance(value, str):
        is_fine = bool(value.strip()) and len(value) <= adapter.MAX_ID_CHARS and value.isprintable()
        return (
            None if is_fine else f"{name} must be 1 to {adapter.MAX_ID_CHARS} printable characters, got {value!r:.40}"
        )
    return _function(name, value)


def _function(name: str, value: object) -> str | None:
    wanted = f"{name} must be a function of the task's name, args and kwargs"
    if not callable(value):
        return f"{wanted}, got {value!r:.40}; write {name}=lambda name, args, kwargs: …"
    if inspect.iscoroutinefunction(value):
        return f"{wanted}, got an async one: its answer is needed before the task goes on"
    try:
        inspect.signature(value).bind("name", (), {})
    except TypeError:
        return f"{wanted}, which {inspect.signature(value)} does not take"
    except ValueError:
        return None  # some builtins do not tell
    return None
