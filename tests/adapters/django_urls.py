"""The pages of a project on a server; async views where ``SHOP_VIEWS`` says so."""

import os

from tests.adapters.django_apps import AsyncPages, SyncPages

__all__ = ["urlpatterns"]

urlpatterns = (AsyncPages if os.environ.get("SHOP_VIEWS") == "async" else SyncPages).urlpatterns
