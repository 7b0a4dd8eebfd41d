"""`install`: Celery's signals, connected to our handlers. Nothing is patched."""

import weakref
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Final, Unpack

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.app.task import Context as Request

from botanu_celery import _contrib
from botanu_celery._execution import Execution, never_ran, opened_ahead
from botanu_celery._options import Options, TaskOptions
from botanu_celery._publish import Publisher, is_ticking
from botanu_core import adapter

__all__ = ["BotanuCelery", "install", "uninstall"]


def install(app: object = None, **options: Unpack[Options]) -> None:
    """Let every task of this process be part of a run. Again: with the options of the last time.

    Call it in the module that makes the Celery application, so that publishers and workers both do.

    Args:
        app: Nothing depends on it: Celery's signals are those of the process.
        options: None is needed. ``workflow`` (a text or a function of a task's name, args and kwargs), ``event_id``,
            ``customer_id`` and ``tenant_id`` (such functions), ``exclude``, ``lifetime_s``, ``headers_only``:
            docs/celery.md says what each does.

    Raises:
        ConfigError: An option is wrong.
    """
    del app
    chosen = TaskOptions.of(options)
    uninstall()
    _installed.handlers = _Handlers(chosen)
    _installed.handlers.connect()


def uninstall() -> None:
    """Disconnect what `install` has connected. Tasks that are running end as they would have."""
    handlers, _installed.handlers = _installed.handlers, None
    if handlers is not None:
        handlers.disconnect()


class BotanuCelery:
    """`install` as an OpenTelemetry instrumentor spells it: ``BotanuCelery().instrument()``."""

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether it is on."""
        return _installed.handlers is not None

    def instrumentation_dependencies(self) -> Collection[str]:
        """What it is for."""
        return ("celery >= 5.3, < 6.0",)

    def instrument(self, **options: Any) -> None:
        """`install`; what instrumentors are given besides, providers among it, is theirs and left alone."""
        install(**{name: value for name, value in options.items() if name not in _OF_INSTRUMENTORS})

    def uninstrument(self, **_: Any) -> None:
        """`uninstall`."""
        uninstall()


_OF_INSTRUMENTORS: Final = frozenset(
    {"tracer_provider", "meter_provider", "logger_provider", "skip_dep_check", "raise_exception_on_conflict"}
)


class _Handlers:
    """The receivers of one `install`."""

    _PREFIX: ClassVar[str] = "botanu_celery"

    def __init__(self, options: TaskOptions) -> None:
        self._options = options
        self._received: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        publisher = Publisher(options)
        self._connected: tuple[tuple[Any, str, Callable[..., None]], ...] = (
            (signals.before_task_publish, "before", publisher.before),
            (signals.after_task_publish, "after", publisher.after),
            (signals.task_prerun, "prerun", self._begins),
            (signals.task_postrun, "postrun", self._ends),
            (signals.task_received, "received", self._is_received),
            (signals.task_revoked, "revoked", self._is_revoked),
            (signals.task_failure, "failure", self._is_lost),
            (signals.beat_init, "beat", _ticks),
            (signals.worker_process_shutdown, "shutdown", _flush),
        )
        # Bound methods are made anew at every look; the places of these two are found by identity.
        self._prerun, self._left = self._connected[2][2], self._is_left

    def connect(self) -> None:
        for signal, name, receiver in self._connected:
            self._connect(signal, name, receiver)
        _contrib.to_the_front(signals.task_postrun, self._connected[3][2])

    def _connect(self, signal: Any, name: str, receiver: Callable[..., None]) -> None:
        signal.connect(receiver, weak=False, dispatch_uid=f"{self._PREFIX}.{name}")

    def disconnect(self) -> None:
        for signal, name, _ in (*self._connected, (signals.task_postrun, "left", None)):
            signal.disconnect(dispatch_uid=f"{self._PREFIX}.{name}")

    def _begins(self, sender: Any, args: Any = None, kwargs: Any = None, **_: Any) -> None:
        try:
            execution = Execution.of(sender, sender.request, self._options, args, kwargs)
            if execution is None:
                return
            is_beside = _contrib.is_beside(signals.task_prerun)
            was_early = is_beside and _contrib.to_the_end(signals.task_prerun, self._prerun)
            execution.begin(is_beside=is_beside, is_last=not was_early)
            if execution.is_deferred and _contrib.to_the_end(signals.task_postrun, self._left):
                self._connect(signals.task_postrun, "left", self._left)  # where nobody needed it before
        except Exception as error:
            adapter.failed("celery task", error)

    def _ends(self, sender: Any, state: str | None = None, retval: Any = None, **_: Any) -> None:
        execution = Execution.at(sender.request)
        if execution is None:
            return
        try:
            execution.end(state, retval)
        except Exception as error:
            adapter.failed("celery task", error)
        if not execution.is_deferred:
            execution.leave()

    def _is_left(self, sender: Any, **_: Any) -> None:
        execution = Execution.at(sender.request)
        if execution is not None:
            execution.leave()

    # --- what only the main process of a worker sees ------------------------------------------------------------

    def _is_received(self, sender: Any, request: Any, **_: Any) -> None:
        try:
            if type(getattr(sender, "pool", None)).__module__ == _PREFORK:
                opened_ahead(request.task.name, request.id, request.request_dict)
                self._received[request.id] = request
        except Exception as error:
            adapter.failed("celery received", error)

    def _is_revoked(self, sender: Any, request: Any, terminated: bool = False, signum: Any = None, **_: Any) -> None:
        try:
            # A child that is told to stop says so itself; one that is killed cannot.
            if not terminated or str(signum) in ("9", "KILL", "SIGKILL", "Signals.SIGKILL"):
                never_ran(sender.name, request, self._options, "canceled", None)
        except Exception as error:
            adapter.failed("celery revoked", error)

    def _is_lost(self, sender: Any, task_id: str = "", exception: BaseException | None = None, **_: Any) -> None:
        try:
            if isinstance(exception, TimeLimitExceeded | WorkerLostError):
                request = self._received.pop(task_id, None)  # Celery says it twice of a hard time limit
                if request is not None:
                    message = Request(request.request_dict, args=request.args, kwargs=request.kwargs)
                    status = "timeout" if isinstance(exception, TimeLimitExceeded) else "failed"
                    never_ran(sender.name, message, self._options, status, exception)
        except Exception as error:
            adapter.failed("celery lost", error)


_PREFORK: Final = "celery.concurrency.prefork"
"""The pool whose processes may be lost; the main process has the message."""


class _Installed:
    handlers: _Handlers | None = None


_installed: Final = _Installed()


def _ticks(**_: Any) -> None:
    is_ticking.set(True)


def _flush(**_: Any) -> None:
    adapter.farewell()  # the child leaves by os._exit, past atexit
