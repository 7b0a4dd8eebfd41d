"""The contract suite on FastAPI and bare Starlette."""

import pytest

from tests.adapters import asgi_apps
from tests.adapters.contract import AdapterContract


class TestContract(AdapterContract):
    """Four applications, one suite."""

    @pytest.fixture(params=["fastapi_sync", "fastapi_async", "starlette_added", "starlette_wrapped"])
    def build(self, request):
        """FastAPI with thread-pool endpoints, FastAPI with its own telemetry, Starlette inside and around."""
        return getattr(asgi_apps, request.param)
