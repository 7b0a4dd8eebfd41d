"""A clean environment, and files to read."""

import os

import pytest


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    """No variable of the machine that runs the tests is seen."""
    for name in os.environ:
        if name.startswith(("BOTANU_", "OTEL_")):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path):
    """Writes a configuration file and returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "botanu.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write
