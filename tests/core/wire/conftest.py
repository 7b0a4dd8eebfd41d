"""What the tests of the border stand on."""

import logging
from collections.abc import Callable

import pytest


@pytest.fixture
def warnings_said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the `botanu` logger has said so far."""
    caplog.set_level(logging.WARNING, "botanu")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "botanu"]
