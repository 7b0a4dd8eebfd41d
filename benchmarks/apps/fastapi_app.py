"""A FastAPI application; ``BENCH_KIND`` is ``bare``, ``span``, ``ours``, ``otel``, or one of these and more.

With ``-calls`` the calls of its model client are traced as well; with ``-frozen`` the garbage collector leaves alone
what is there before the first request.
"""

import gc
import os
from typing import Any

from fastapi import FastAPI
from opentelemetry import trace
from pydantic import BaseModel

from benchmarks import ours
from benchmarks.apps import desk, model
from benchmarks.asgi import spanned
from benchmarks.providers import prepare

KIND, _, MORE = os.environ["BENCH_KIND"].partition("-")
app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})


class Message(BaseModel):
    """One message of a ticket."""

    number: int
    author: str
    text: str
    read: bool


class Ticket(BaseModel):
    """What is answered."""

    ticket: int
    messages: list[Message]
    unread: int


@app.get("/tickets/{number}", response_model=Ticket)
async def ticket(number: int) -> Any:
    """A service's work: a query, and an answer that is checked on its way out."""
    return desk.ticket(number)


class Answer(BaseModel):
    """What is answered to a customer."""

    ticket: int
    text: str


@app.get("/tickets/{number}/answer", response_model=Answer)
async def answer(number: int) -> Any:
    """An AI feature: a query, and a model that is asked about what it found, over HTTP."""
    return {"ticket": number, "text": await model.answer(desk.ticket(number))}


@app.get("/nothing")
async def nothing() -> dict[str, str]:
    """The least that a request can be."""
    return {}


if KIND == "span":
    prepare("everything")
    app = spanned(app, trace.get_tracer_provider())  # type: ignore[assignment]  # uvicorn takes any application
elif KIND == "ours":
    from botanu_fastapi import BotanuMiddleware

    ours.enable("everything")
    app.add_middleware(BotanuMiddleware)
    if MORE == "calls":
        from botanu_genai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument()
elif KIND == "otel":
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    prepare("everything")
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
    if MORE == "calls":
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as OpenTelemetry

        OpenTelemetry().instrument()

if MORE == "frozen":
    gc.collect()
    gc.freeze()
