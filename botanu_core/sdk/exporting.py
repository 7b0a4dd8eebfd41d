"""`export_to`: everything to one backend, for those who set up nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from botanu_core import settings
from botanu_core.sdk.config import BotanuConfig
from botanu_core.sdk.enable import also_to, enable

__all__ = ["export_to"]

_AT_ONCE_S: Final = 0.05


def export_to(
    *,
    service_name: str,
    endpoint: str,
    headers: Mapping[str, str],
    at_once: bool = False,
    capture_content: bool = False,
) -> None:
    """Enable, with everything going to `endpoint`; where that has been done, send the spans there as well.

    Args:
        service_name: The service's name, where nobody has given it one.
        endpoint: The collector.
        headers: What is sent with every export.
        at_once: Whether spans leave as they end.
        capture_content: Whether prompts and answers are captured.

    Raises:
        ConfigError: One of these is wrong.
    """
    fields: dict[str, Any] = {"service_name": service_name, "otlp_endpoint": endpoint, "otlp_headers": dict(headers)}
    fields |= {"export_interval_s": _AT_ONCE_S} if at_once else {}
    fields |= {"content_capture_rate": 1.0} if capture_content else {}
    config = BotanuConfig.load(instrument="none", **fields)
    if not also_to(config):
        enable(config)
    elif capture_content:
        settings.activate(replace(settings.current(), content_capture_rate=1.0))
