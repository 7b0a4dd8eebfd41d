"""Botanu for Celery: ``install()`` in the module that both the publisher and the worker import."""

from botanu_celery._install import BotanuCelery, install, uninstall

__all__ = ["BotanuCelery", "install", "uninstall"]
