"""Two web services and the tasks behind them: a front desk asks an office, which publishes a chord of research."""

import os

import httpx
import openai
from celery import Celery, chord
from fastapi import FastAPI
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

import botanu
import botanu_celery
from botanu.tracking.llm import track_llm_call
from botanu_fastapi import BotanuMiddleware

__all__ = ["app", "front", "office"]

HTTPXClientInstrumentor().instrument()
botanu.enable(service_name="desk", instrument="none")

app = Celery("desk", broker=os.environ["SHOP_BROKER"], backend=os.environ["SHOP_BACKEND"])
botanu_celery.install(app)


@app.task(bind=True, max_retries=3)
def research(self, question):
    """Asks a model; the first answer about a fuse is not good enough, and is paid for all the same."""
    client = openai.OpenAI(base_url=os.environ["PROVIDER"], api_key="test", max_retries=0)
    with client, track_llm_call(provider="openai", model="gpt-5") as call:
        answer = client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": question}])
        call.set_request_id(answer.id)
        call.set_response_model(answer.model)
        call.set_tokens(
            input_tokens=answer.usage.prompt_tokens,
            output_tokens=answer.usage.completion_tokens,
        )
    if "fuse" in question and self.request.retries == 0:
        raise self.retry(countdown=0)
    return {"run_id": botanu.get_run_id(), "attempt": self.request.retries + 1}


@app.task
def letter(found):
    """The body of the chord."""
    return {"run_id": botanu.get_run_id(), "found": found}


office = FastAPI()
office.add_middleware(BotanuMiddleware)


@office.post("/letters")
def write(questions: list[str]) -> dict[str, str]:
    """Publishes, and does not wait."""
    return {"task": chord([research.s(question) for question in questions], letter.s()).apply_async().id}


front = FastAPI()
front.add_middleware(BotanuMiddleware)


@front.post("/tickets/{ticket}")
async def handle(ticket: str, questions: list[str]) -> dict[str, str]:
    """Names the run and asks the office."""
    with botanu.event(workflow="Customer Support", event_id=ticket, customer_id="acme"):
        async with httpx.AsyncClient() as client:
            answer = await client.post(os.environ["OFFICE"] + "/letters", json=questions)
    return answer.json()
