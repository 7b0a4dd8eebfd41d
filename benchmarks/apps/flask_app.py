"""A Flask application; ``BENCH_KIND`` is ``bare``, ``span``, ``ours`` or ``otel``."""

import os
from typing import Any

from flask import Flask
from opentelemetry import trace

from benchmarks import ours
from benchmarks.apps import desk
from benchmarks.providers import prepare
from benchmarks.wsgi import spanned

KIND = os.environ["BENCH_KIND"]
app = Flask(__name__)


@app.get("/tickets/<int:number>")
def ticket(number: int) -> dict[str, Any]:
    """A service's work: a query, and an answer in JSON."""
    return desk.ticket(number)


@app.get("/nothing")
def nothing() -> dict[str, str]:
    """The least that a request can be."""
    return {}


if KIND == "span":
    prepare("everything")
    app.wsgi_app = spanned(app.wsgi_app, trace.get_tracer_provider())  # type: ignore[method-assign]  # Flask's way
elif KIND == "ours":
    from botanu_flask import BotanuFlask

    ours.enable("everything")
    BotanuFlask(app)
elif KIND == "otel":
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    prepare("everything")
    FlaskInstrumentor().instrument_app(app)
