"""`enable`, `disable`, `doctor`: explicit, said out loud, and undone without a trace."""

import atexit
import importlib
import os
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TextIO

from opentelemetry import propagate, trace

from botanu_core import log, settings
from botanu_core.errors import ConfigError
from botanu_core.log import logger
from botanu_core.model.pseudonym import pseudonym
from botanu_core.pricing import Contract, PriceBook, UnpricedModel, load_contract
from botanu_core.privacy.scrubber import Scrubber, activate_scrubber, default_scrubber
from botanu_core.runtime import billing, guard, redirects, telemetry
from botanu_core.runtime.propagator import BotanuPropagator
from botanu_core.runtime.publishing import unpriced
from botanu_core.sdk import grounds
from botanu_core.sdk.config import BotanuConfig
from botanu_core.sdk.grounds import Ground
from botanu_core.sdk.instrument import InstrumentReport, switch_off, switch_on
from botanu_core.sdk.making import make_record, make_span
from botanu_core.sdk.metering import renewed
from botanu_core.sdk.scrub_options import scrubber_of
from botanu_core.sdk.signals import Signals, resource_of
from botanu_core.sdk.twice import traced_twice
from botanu_core.version import __version__

__all__ = ["Report", "also_to", "disable", "doctor", "enable", "flush"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `enable()` switched on, found absent, or found broken. `str()` is for people.

    Attributes:
        enabled: Whether Botanu is on in this process.
        provider: Whose tracer provider it stands on.
        signals: Where spans, metrics and events go.
        instruments: Each instrumentor: on, already on, absent, broken or skipped.
        notes: What is missing or was mended.
        counts: What went wrong in flight, by kind, and what was dropped.
    """

    enabled: bool
    provider: str = "none"
    signals: dict[str, str] = field(default_factory=dict)
    instruments: tuple[InstrumentReport, ...] = ()
    notes: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"Botanu {__version__}: {'on' if self.enabled else 'off' if self.notes else 'off; call botanu.enable()'}"
        if self.enabled:
            yield f"  provider   {self.provider}"
        for signal, where in self.signals.items():
            yield f"  {signal:<10} {where}"
        for state in ("on", "already on", "broken", "absent", "skipped"):
            found = [each for each in self.instruments if each.state == state]
            if state in ("on", "already on") and found:
                yield f"  {state:<10} {', '.join(each.name for each in found)}"
                yield from (f"  {'':<10} {each.name}: {each.detail}" for each in found if "prompts" in each.detail)
            elif found:
                yield from (f"  {state:<10} {each.name}: {each.detail}" for each in found)
        for note in self.notes:
            yield f"  note       {note}"
        for kind, count in self.counts.items():
            yield f"  count      {kind}: {count}"


class _Enabled:
    """All that one `enable()` brought, and `disable()` takes away."""

    def __init__(self, config: BotanuConfig, scrubber: Scrubber | None) -> None:
        self.config = config
        self._scrubber = scrubber
        self.instruments: tuple[InstrumentReport, ...] = ()
        self._all_sent: bool | None = None
        found = grounds.find()
        self.own = grounds.make_own(resource_of(config)) if found is None else None
        self.ground: Ground = grounds.take(found or self.own or trace.get_tracer_provider())
        self.propagator = self._wrap_propagator()
        try:
            self.signals = Signals.set_up(config, self.ground)
        except BaseException:
            self.take_away()
            raise
        self._use_signals()
        self.instruments = tuple(switch_on(config.instrument, config.skip_instruments))
        if scrubber is not None:
            activate_scrubber(scrubber)
        telemetry.watch(self.look)
        telemetry.on_farewell(flush)

    def _use_signals(self) -> None:
        signals = self.signals
        telemetry.use(
            instruments=signals.instruments,
            logger_provider=signals.logger_provider,
            put_event=signals.events.put if signals.events is not None else None,
            make_span=make_span,
            make_record=make_record,
        )

    def _wrap_propagator(self) -> BotanuPropagator:
        current = propagate.get_global_textmap()
        if isinstance(current, BotanuPropagator):
            return current
        ours = BotanuPropagator(current)
        propagate.set_global_textmap(ours)
        return ours

    def look(self) -> None:
        """Called whenever a run is opened: has the application brought its own provider or propagator since?"""
        if propagate.get_global_textmap() is self.propagator and trace.get_tracer_provider() is self.ground.provider:
            return
        with _lock:
            if _state.enabled is self:  # else another thread has called `disable()` meanwhile
                self.propagator = self._wrap_propagator()
                self._settle_on(trace.get_tracer_provider())

    def _settle_on(self, provider: trace.TracerProvider) -> None:
        """Stand on the provider that the application has set after `enable()`."""
        if provider is self.ground.provider or isinstance(provider, trace.ProxyTracerProvider):
            return
        before, self.ground = self.ground, grounds.take(provider)
        if before.kind != "own":
            grounds.release(before)
        if self.ground.kind == "foreign":
            return  # tracers of our own provider go on making spans for our own way out
        if self.config.otlp_endpoint is not None and self.signals.spans is not None:
            grounds.add(self.ground, self.signals.spans)
        else:
            # In a thread of its own: the last spans of our pipeline must not hold up the run that noticed.
            threading.Thread(
                target=self.signals.forget_spans, args=(self.config.shutdown_timeout_s,), daemon=True
            ).start()

    def begin_in_child(self) -> None:
        """Go on in a forked child, which reports its own sums and nothing of the parent's."""
        outlet = self.signals.outlets.get("metrics")
        if self.signals.instruments is not None and outlet is not None:
            resource = resource_of(self.config)
            self.signals.instruments = renewed(self.signals.instruments, outlet, self.config, resource)
            self._use_signals()

    def shut_down(self, timeout_s: float) -> bool:
        """Send what is left, within `timeout_s`, and say what was lost; the rest of the process goes on."""
        if self._all_sent is not None:  # by the handler at exit
            return self._all_sent
        signals = self.signals
        signals.shut_down(timeout_s)
        lost = signals.lost()
        if lost:
            nouns = {"traces": "span", "logs": "event"}
            logger.warning(
                "dropped %s: the collector at %s did not take them",
                " and ".join(f"{count} {nouns[signal]}{'s' * (count != 1)}" for signal, count in lost.items()),
                " and ".join(signals.collectors(lost)),
            )
        self._all_sent = not lost
        return self._all_sent

    def take_away(self) -> None:
        """Undo everything that was added to the process."""
        telemetry.watch(None)
        telemetry.on_farewell(None)
        switch_off(self.instruments)
        if propagate.get_global_textmap() is self.propagator:
            propagate.set_global_textmap(self.propagator.inner)
        redirects.let_go()
        grounds.release(self.ground)
        telemetry.use()
        if self.own is not None:
            grounds.leave(self.own)

    def forget_scrubber(self) -> None:
        """Go back to the scrubber that was in force before, unless another has been put in force since."""
        if self._scrubber is not None and default_scrubber() is self._scrubber:
            activate_scrubber(None)

    def report(self) -> Report:
        """What is on."""
        ground = self.ground
        whose = {
            "own": "made by Botanu: there was none",
            "application": "the application's own OpenTelemetry SDK, replaced in nothing",
            "foreign": f"foreign: {type(ground.provider).__module__}.{type(ground.provider).__name__}",
        }[ground.kind]
        lost = {f"dropped {signal}": count for signal, count in self.signals.lost().items()}
        unknown = {f"unpriced {model}": count for model, count in unpriced.items()}
        return Report(
            enabled=True,
            provider=whose,
            signals={str(signal): line for signal, line in self.signals.lines.items()},
            instruments=self.instruments,
            notes=(*self.config.notes, *((ground.missing,) if ground.missing else ()), *traced_twice()),
            counts={**log.counted(), **unknown, **lost},
        )


class _State:
    enabled: _Enabled | None = None


_state: Final = _State()
_lock = threading.RLock()

# What the first run and the first request to a collector would import. A fork in the middle of an import leaves its
# module locked in the child, whose threads would wait for it for ever: a web server forks when a process is young.
_AT_FIRST_USE: Final = ("botanu_core.runtime.entry", "netrc")


def enable(config: BotanuConfig | None = None, **fields: Any) -> Report:
    """Switch Botanu on in this process; a second call returns what the first did.

    Makes a tracer provider where there is none; adds itself to the application's own, replacing nothing; works
    beside a foreign one and says what is missing there. Switches on the installed instrumentors.

    Args:
        config: A whole configuration.
        fields: Fields of `BotanuConfig`, which beat environment and file: ``enable(service_name="desk")``.

    Returns:
        What was switched on, found absent, or found broken; `doctor()` prints it.

    Raises:
        ConfigError: A field is wrong or unknown; the message names it, what came, and the mend.
    """
    if config is not None and not isinstance(config, BotanuConfig):
        raise ConfigError(f"enable() takes a BotanuConfig or its fields as keywords, got {type(config).__name__}")
    if config is not None and fields:
        raise ConfigError("enable() takes a BotanuConfig or its fields as keywords, not both: put them into the config")
    with _lock:
        if _state.enabled is not None:
            if (config is not None and config != _state.enabled.config) or fields:
                logger.info("enable() was called again; the first call holds (botanu.disable() ends it)")
            return _state.enabled.report()
        chosen = config if config is not None else BotanuConfig.load(**fields)
        if _is_switched_off():
            return _off()
        for name in _AT_FIRST_USE:
            importlib.import_module(name)
        prices = PriceBook(_contracts(chosen)).warm()  # half a second here, not in the first call
        scrubber = scrubber_of(chosen)
        settings.activate(replace(chosen.settings(), in_baggage=True, prices=prices))
        try:
            _state.enabled = _Enabled(chosen, scrubber)
        except BaseException:
            settings.activate(None)
            raise
        # Finalizers run at exit too, and the first one there is brings their turn: let it be after ours. The exporters'
        # connection pools have some, and would be closed before the last export.
        weakref.finalize(_state, id, None).detach()
        atexit.register(_at_exit)
        return _state.enabled.report()


def also_to(config: BotanuConfig) -> bool:
    """Send spans to the endpoint of `config` as well; whether anything is on that can."""
    with _lock:
        enabled = _state.enabled
        if enabled is not None:
            enabled.signals.also_to(config, enabled.ground)
        return enabled is not None


def _contracts(config: BotanuConfig) -> Sequence[Contract]:
    found = [each if isinstance(each, Contract) else load_contract(each) for each in config.price_contracts]
    key = config.customer_id_key
    if config.customer_id_form == "plain" or key is None:
        return found
    called = partial(pseudonym, key=key.get_secret_value())  # a run names its customer by nothing else
    return [contract.renamed(called) for contract in found]


def flush(timeout_s: float | None = None) -> bool:
    """Send what is waiting now: before a process is frozen or killed, as in serverless functions.

    Args:
        timeout_s: How long to wait for the collector; the configured ``shutdown_timeout_s`` without it.

    Returns:
        Whether all of it was handed over in time; also true where nothing is on.
    """
    enabled = _state.enabled
    if enabled is None:
        return True
    billing.settle(everything=False)
    return enabled.signals.flush(enabled.config.shutdown_timeout_s if timeout_s is None else timeout_s)


def disable(timeout_s: float | None = None) -> bool:
    """Send what is left, and take away all that `enable()` brought; the application's provider goes on.

    Args:
        timeout_s: How long to wait for the collector; the configured ``shutdown_timeout_s`` without it.

    Returns:
        Whether everything was delivered; also true where nothing was on.
    """
    with _lock:
        enabled, _state.enabled = _state.enabled, None
        if enabled is None:
            return True
        atexit.unregister(_at_exit)
        billing.settle(everything=True)
        billing.reset()
        enabled.take_away()
        settings.activate(None)
    try:
        return enabled.shut_down(enabled.config.shutdown_timeout_s if timeout_s is None else timeout_s)
    finally:
        enabled.forget_scrubber()  # the last spans left by it


def doctor(file: TextIO | None = None) -> Report:
    """Print what is on, off, absent, broken, dropped or refused, and return it.

    Args:
        file: Where to; standard output without it.

    Raises:
        UnpricedModel: With ``strict_prices``, calls were made that nobody could price.
    """
    enabled = _state.enabled
    report = enabled.report() if enabled is not None else _off()
    print(report, file=file if file is not None else sys.stdout)
    if enabled is not None and enabled.config.strict_prices and unpriced:
        raise UnpricedModel(
            f"no price is known for {', '.join(sorted(unpriced))}: add a rule or an alias to a contract"
        )
    return report


def _off() -> Report:
    notes = ("OTEL_SDK_DISABLED=true: nothing was switched on",) if _is_switched_off() else ()
    return Report(enabled=False, notes=notes, counts=log.counted())


def _is_switched_off() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _at_exit() -> None:
    enabled = _state.enabled
    if enabled is not None:
        billing.settle(everything=True)
        # The rest of the limit is left for the interpreter and for the application's own handlers.
        enabled.shut_down(enabled.config.shutdown_timeout_s * _SHARE_AT_EXIT)


_SHARE_AT_EXIT: Final = 0.7


def _after_fork_in_child() -> None:
    # Another thread of the parent may have held the lock when the process was copied.
    global _lock
    _lock = threading.RLock()
    enabled = _state.enabled
    if enabled is None:
        return
    try:
        enabled.begin_in_child()
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:
            # Its children leave by os._exit, past atexit; they forget all finalizers before they run this.
            multiprocessing.register_after_fork(enabled, _in_multiprocessing_child)
    except Exception as error:
        guard.failed("fork", error)


def _in_multiprocessing_child(_enabled: _Enabled) -> None:
    from multiprocessing.util import Finalize

    Finalize(None, _at_exit, exitpriority=0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
