"""Our own library, enabled on an application's own providers, for every table that measures it."""

import os

from benchmarks.providers import Config, prepare

__all__ = ["DISTRIBUTIONS", "enable"]

DISTRIBUTIONS = ("botanu",)


def enable(config: Config) -> None:
    """Set the global providers of `config` and add botanu to them, without exporters of its own."""
    os.environ.update(OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    prepare(config)
    import botanu

    botanu.enable(service_name="bench", instrument="none")
