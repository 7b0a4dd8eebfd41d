"""Instrumentors for the tests: switched on and undone, and tiny ones made on the spot."""

import sys
import textwrap

import pytest

from botanu_core.sdk.instrument import InstrumentReport, switch_off, switch_on

MODULE = """
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

    class Instrumentor(BaseInstrumentor):
        def instrumentation_dependencies(self):
            return ()

        def _instrument(self, **kwargs):
            {on}

        def _uninstrument(self, **kwargs):
            {off}
"""


class Reports(dict[str, InstrumentReport]):
    """Reports by name; keeps the list for `switch_off`."""

    def __init__(self, reports: list[InstrumentReport]) -> None:
        super().__init__({report.name: report for report in reports})
        self.all = reports

    def states(self) -> dict[str, str]:
        return {name: report.state for name, report in self.items()}


@pytest.fixture
def on(monkeypatch):
    """`switch_on` whose work is undone after the test."""
    monkeypatch.delenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", raising=False)
    made: list[InstrumentReport] = []

    def run(*args, **kwargs) -> Reports:
        reports = switch_on(*args, **kwargs)
        made.extend(reports)
        return Reports(reports)

    yield run
    switch_off(made)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a tiny instrumentor distribution and returns its name."""

    def install(
        name: str, *, on: str = "pass", off: str = "pass", module: str = MODULE, library: str = "", requires: str = ""
    ) -> str:
        package = f"fake_instrumentor_{name}"
        source = textwrap.dedent(module).replace("{on}", on).replace("{off}", off)
        if library:  # named by the instrumentor itself, not by its metadata
            source = source.replace("return ()", f"return ({library!r},)")
        (tmp_path / f"{package}.py").write_text(source)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n{requires}")
        (info / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{name} = {package}:Instrumentor\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, package, raising=False)
        return name

    return install
