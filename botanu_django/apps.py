"""``INSTALLED_APPS += ["botanu_django"]``: system checks and ``manage.py botanu``."""

from django.apps import AppConfig
from django.core import checks

from botanu_django.checks import check_middleware, check_options

__all__ = ["BotanuConfig"]


class BotanuConfig(AppConfig):  # type: ignore[misc]  # Django has no types
    """Needed for nothing but the checks and the command: the middleware runs without."""

    name = "botanu_django"
    verbose_name = "Botanu"

    def ready(self) -> None:
        """Register the checks."""
        checks.register(check_options)
        checks.register(check_middleware)
