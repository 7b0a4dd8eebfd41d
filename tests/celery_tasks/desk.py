"""A front desk on FastAPI asks an office on Django, which publishes a chord of research tasks."""

import argparse
import json
import os
import signal
import sys

import httpx
import openai
from celery import Celery, chord
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.urls import path
from fastapi import FastAPI
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

import botanu
import botanu_celery
from botanu.tracking.llm import llm_instrumented
from botanu_fastapi import BotanuMiddleware
from demo.loopback import child_arguments
from demo.serving import serve

__all__ = ["app", "front", "office"]

HTTPXClientInstrumentor().instrument()
botanu.enable(service_name="desk", instrument="none", export_interval_s=50)

app = Celery("desk", broker=os.environ["SHOP_BROKER"], backend=os.environ["SHOP_BACKEND"])
botanu_celery.install(app)


@llm_instrumented(provider="openai")
def ask(model, question):
    """One call of the real client."""
    with openai.OpenAI(base_url=os.environ["PROVIDER"], api_key="test", max_retries=0) as client:
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}])


@app.task(name="desk.research", bind=True, max_retries=3)
def research(self, question):
    """Asks a model; the first answer about a fuse is not good enough, and is paid for all the same."""
    ask("gpt-5-mini", question)
    if "fuse" in question and self.request.retries == 0:
        raise self.retry(countdown=0)
    return {"run_id": botanu.get_run_id(), "attempt": self.request.retries + 1}


@app.task(name="desk.letter")
def letter(found):
    """The body of the chord."""
    return {"run_id": botanu.get_run_id(), "found": found}


def write(request):
    """A view that publishes, and does not wait."""
    parts = [research.s(question) for question in json.loads(request.body)]
    return JsonResponse({"task": chord(parts, letter.s()).apply_async().id})


class Urls:
    """Of the office."""

    urlpatterns = (path("letters", write),)


def office():
    """The Django project, on one page."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x" * 50,
        ROOT_URLCONF=Urls,
        MIDDLEWARE=["botanu_django.RunMiddleware"],
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )
    return get_asgi_application()


front = FastAPI()
front.add_middleware(BotanuMiddleware)


@front.post("/tickets/{ticket}")
def handle(ticket: str, questions: list[str]) -> dict[str, str]:
    """Names the run, asks the office, and asks the model itself."""
    with botanu.event(workflow="Customer Support", event_id=ticket, customer_id="acme"):
        ask("gpt-5-mini", "What is this about?")
        answer: dict[str, str] = httpx.post(os.environ["OFFICE"] + "/letters", json=questions).json()
        return answer


def main() -> None:
    """Serve one of the two until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", choices=("front", "office"), required=True)
    wanted = child_arguments(parser)
    # Django has no lifespan: without a handler of ours, uvicorn dies of SIGTERM before Python's exit handlers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    serve(front if wanted.service == "front" else office(), port=wanted.port)


if __name__ == "__main__":
    main()
