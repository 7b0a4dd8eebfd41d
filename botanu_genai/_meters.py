"""A meter provider that leaves out the one instrument which records at every chunk of a stream."""

from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.metrics import Histogram, Meter, MeterProvider, NoOpHistogram

__all__ = ["Meters"]

# Half of what a stream costs, for a figure that says more of the network's packets than of the model.
_PER_CHUNK: Final = "gen_ai.client.operation.time_per_output_chunk"


class Meters(MeterProvider):
    """The application's meter provider, or the global one, without that histogram.

    Attributes:
        histograms: Those that were made of it, by name.
    """

    def __init__(self, inner: MeterProvider | None) -> None:
        self._inner = inner
        self.histograms: dict[str, Histogram] = {}

    def get_meter(
        self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Any = None
    ) -> Meter:
        """See `MeterProvider.get_meter`."""
        provider = self._inner if self._inner is not None else metrics.get_meter_provider()
        return _Meter(provider.get_meter(name, version, schema_url, attributes), self.histograms)


class _Meter(Meter):
    def __init__(self, inner: Meter, histograms: dict[str, Histogram]) -> None:
        super().__init__(inner.name, inner.version, inner.schema_url)
        self._inner, self._histograms = inner, histograms

    def create_histogram(self, name: str, *args: Any, **options: Any) -> Histogram:
        if name == _PER_CHUNK:
            return NoOpHistogram(name)
        made = self._histograms[name] = self._inner.create_histogram(name, *args, **options)
        return made

    def create_counter(self, *args: Any, **options: Any) -> Any:
        return self._inner.create_counter(*args, **options)

    def create_up_down_counter(self, *args: Any, **options: Any) -> Any:
        return self._inner.create_up_down_counter(*args, **options)

    def create_gauge(self, *args: Any, **options: Any) -> Any:
        return self._inner.create_gauge(*args, **options)

    def create_observable_counter(self, *args: Any, **options: Any) -> Any:
        return self._inner.create_observable_counter(*args, **options)

    def create_observable_gauge(self, *args: Any, **options: Any) -> Any:
        return self._inner.create_observable_gauge(*args, **options)

    def create_observable_up_down_counter(self, *args: Any, **options: Any) -> Any:
        return self._inner.create_observable_up_down_counter(*args, **options)
