"""`PAGES` on Django, for servers and commands in processes of their own: settings, WSGI and ASGI in one module."""

import ast
import os
import sys

from django.apps import AppConfig

_HANDLERS = ("application", "asgi")

SECRET_KEY = "x" * 50
ALLOWED_HOSTS = ["*"]
MIDDLEWARE = ["botanu_django.RunMiddleware"]
INSTALLED_APPS = ["botanu_django", "tests.adapters.django_service.Shop"]
ROOT_URLCONF = "tests.adapters.django_urls"
WSGI_APPLICATION = "tests.adapters.django_service.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
LOGGING_CONFIG = None
STATIC_URL = "/static/"
USE_TZ = True
BOTANU = ast.literal_eval(os.environ.get("BOTANU_TEST_OPTIONS", "{}"))


class Shop(AppConfig):
    """The application: switches Botanu on when Django is ready, in servers and commands alike."""

    name = "tests.adapters"
    label = "shop"

    def ready(self) -> None:
        """Once a process."""
        import botanu

        botanu.enable(service_name="shop", instrument="none", export_interval_s=0.2)


def __getattr__(name: str) -> object:
    """The handlers are made when a server asks for them: Django reads this module for its settings, too."""
    if name not in _HANDLERS:
        raise AttributeError(name)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", __name__)
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    made = get_wsgi_application() if name == "application" else get_asgi_application()
    setattr(sys.modules[__name__], name, made)
    return made
