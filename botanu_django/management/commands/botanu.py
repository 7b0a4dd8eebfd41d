"""``manage.py botanu``: what is on, off, absent or broken."""

import io
from typing import Any

from django.core.management.base import BaseCommand

import botanu

__all__ = ["Command"]


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    """Prints `botanu.doctor()` of this process, which has what settings and `AppConfig.ready` have switched on."""

    help = "Say what Botanu has switched on in this project, and what is absent or broken."

    def handle(self, *_: Any, **__: Any) -> None:
        """Print the report."""
        report = io.StringIO()
        botanu.doctor(report)
        self.stdout.write(report.getvalue().rstrip())
