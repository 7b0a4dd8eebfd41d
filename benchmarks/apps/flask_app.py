"""A Flask application; ``BENCH_KIND`` is ``bare``, ``span``, ``ours`` or ``otel``, and ``-calls`` traces its model."""

import os
from typing import Any

from flask import Flask
from opentelemetry import trace

from benchmarks import ours
from benchmarks.apps import desk, model
from benchmarks.providers import prepare
from benchmarks.wsgi import spanned

KIND, _, MORE = os.environ["BENCH_KIND"].partition("-")
app = Flask(__name__)


@app.get("/tickets/<int:number>")
def ticket(number: int) -> dict[str, Any]:
    """A service's work: a query, and an answer in JSON."""
    return desk.ticket(number)


@app.get("/tickets/<int:number>/answer")
def answer(number: int) -> dict[str, Any]:
    """An AI feature: a query, and a model that is asked about what it found, over HTTP."""
    return {"ticket": number, "text": model.answer_in_thread(desk.ticket(number))}


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
    if MORE == "calls":
        from botanu_genai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument()
elif KIND == "otel":
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    prepare("everything")
    FlaskInstrumentor().instrument_app(app)
