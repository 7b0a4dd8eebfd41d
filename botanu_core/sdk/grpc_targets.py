"""Where a gRPC channel goes, said on the spans of OpenTelemetry's gRPC instrumentors, which do not.

Without it every call of gRPC goes somewhere unknown, and no run along. An interceptor of ours, innermost, knows its
channel's target: it writes `server.address` on the instrumentor's span, and injects once more where the host is inside.
"""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import propagate
from opentelemetry.trace import get_current_span

from botanu_core.runtime import guard
from botanu_core.runtime.destination import goes_to

__all__ = ["INSTRUMENTORS", "host_of_target", "put_under", "take_away"]

INSTRUMENTORS: Final = frozenset({"grpc-client", "grpc-aio-client"})
"""Plain names of the instrumentors that wrap the channels of gRPC."""

_SCOPE: Final = "opentelemetry.instrumentation.grpc"
_SCHEMES: Final = frozenset({"dns", "ipv4", "ipv6", "passthrough", "xds"})
_KINDS: Final = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")
_put: Final[dict[tuple[str, str], tuple[Any, Any]]] = {}


def host_of_target(target: str) -> str | None:
    """The one host that a target names; `None` where it names none, or several.

    Source: gRPC's naming guide, https://github.com/grpc/grpc/blob/master/doc/naming.md
    """
    if target.startswith(("unix:", "unix-abstract:")):
        return "localhost"
    scheme, _, rest = target.partition(":")
    address = rest if scheme in _SCHEMES else target
    if address.startswith("//"):
        address = address[2:].partition("/")[2]
    try:
        return urlsplit(f"//{address}").hostname if address and not set(address) & set(",/@\\?#") else None
    except ValueError:
        return None


def put_under(instrumentor: str) -> None:
    """Let new channels know their target, before `instrumentor` wraps them."""
    module, add = _module(instrumentor), _ADD[instrumentor]
    for name in ("insecure_channel", "secure_channel"):
        original = getattr(module, name)
        ours = add(original)
        _put[instrumentor, name] = (original, ours)
        setattr(module, name, ours)


def take_away(instrumentor: str) -> None:
    """Undo it, where nobody has wrapped it since; what is wrapped is left as it is."""
    if instrumentor not in INSTRUMENTORS:
        return
    module = _module(instrumentor)
    for name in ("insecure_channel", "secure_channel"):
        original, ours = _put.pop((instrumentor, name), (None, None))
        if ours is not None and getattr(module, name) is ours:
            setattr(module, name, original)


def _module(instrumentor: str) -> Any:
    return import_module("grpc" if instrumentor == "grpc-client" else "grpc.aio")


def _with_interceptor(original: Callable[..., Any]) -> Callable[..., Any]:
    grpc = _module("grpc-client")

    @functools.wraps(original)
    def channel(target: str, *args: Any, **kwargs: Any) -> Any:
        made = original(target, *args, **kwargs)
        host = host_of_target(target)
        return grpc.intercept_channel(made, _interceptor(grpc, _KINDS, host)) if host else made

    return channel


def _with_aio_interceptors(original: Callable[..., Any]) -> Callable[..., Any]:
    aio = _module("grpc-aio-client")

    @functools.wraps(original)
    def channel(target: str, *args: Any, **kwargs: Any) -> Any:
        host = host_of_target(target)
        if host and len(args) < 3:  # else its interceptors were given by position
            # One for each kind of call: gRPC sorts them by class, and takes each for one kind only.
            ours = [_interceptor(aio, (kind,), host) for kind in _KINDS]
            kwargs["interceptors"] = [*(kwargs.get("interceptors") or ()), *ours]
        return original(target, *args, **kwargs)

    return channel


_ADD: Final = {"grpc-client": _with_interceptor, "grpc-aio-client": _with_aio_interceptors}


def _interceptor(module: Any, kinds: tuple[str, ...], host: str) -> Any:
    """One that tells the span of each call its `host`. What it returns is awaited where gRPC wants that."""

    def intercept(_self: Any, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(_told(details, host), request)

    methods = {_method(kind): intercept for kind in kinds}
    bases = tuple(getattr(module, f"{kind}ClientInterceptor") for kind in kinds)
    return type("Towards", bases, methods)()


def _method(kind: str) -> str:
    return "intercept_" + kind[0].lower() + "".join(f"_{each.lower()}" if each.isupper() else each for each in kind[1:])


def _told(details: Any, host: str) -> Any:
    try:
        span: Any = get_current_span()
        scope = getattr(getattr(span, "instrumentation_scope", None), "name", "")
        if not scope.startswith(_SCOPE) or not span.is_recording():
            return details
        span.set_attribute("server.address", host)
        if not goes_to(host):
            return details
        headers: dict[str, str] = {}
        propagate.inject(headers)
        others = [(name, value) for name, value in details.metadata or () if name not in headers]
        metadata = [*others, *headers.items()]
        kind = type(details.metadata)
        return details._replace(metadata=kind(*metadata) if kind.__module__.startswith("grpc.aio") else metadata)
    except Exception as error:
        guard.failed("grpc", error)
        return details
