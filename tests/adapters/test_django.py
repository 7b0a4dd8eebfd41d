"""The contract suite on Django, behind WSGI and behind ASGI."""

import pytest

from tests.adapters import django_apps
from tests.adapters.contract import AdapterContract


class TestContract(AdapterContract):
    """Four projects, one suite."""

    @pytest.fixture(params=["wsgi", "asgi", "asgi_sync_above", "asgi_sync_below"])
    def build(self, request):
        """Sync views, async views, and both with a sync middleware above or below ours."""
        return getattr(django_apps, request.param)
