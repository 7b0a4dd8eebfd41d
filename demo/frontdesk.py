"""The first service: it takes a ticket, and everything done for it is one run."""

import argparse
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery
from fastapi import FastAPI, HTTPException, Request
from langchain_core.tools import StructuredTool
from langgraph.types import Command
from openai.types.chat import (
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)

import botanu
from botanu.tracking.data import track_db_operation
from botanu.tracking.llm import track_tool_call
from botanu_fastapi import BotanuMiddleware
from botanu_genai import OpenAIInstrumentor
from botanu_langchain import BotanuCallbackHandler
from demo.agent import refund_desk
from demo.loopback import child_arguments
from demo.models import Models
from demo.serving import CONTRACTS, INSTRUMENT, serve, while_connected
from demo.tasks import ask, celery_app
from demo.tickets import Ticket

__all__ = ["FrontDesk", "create_app"]

_GATEWAY_TIMEOUT = 504
_LOOKUP: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "What was ordered, and what it cost.",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    },
}


class PaymentRefused(Exception):
    """The bank would not take the money back."""


class FrontDesk:
    """The three workflows."""

    def __init__(self, models: Models, research: Celery) -> None:
        self._models = models
        self._research = research
        self._handler = BotanuCallbackHandler()
        self._orders = sqlite3.connect(":memory:", check_same_thread=False)  # LangChain's tools run in threads
        self._orders.execute("create table orders (order_id text primary key, price_usd real, is_refunded integer)")
        rows = [(f"ORD-{number}", number / 10, 0) for number in range(100, 1_000)]
        self._orders.executemany("insert into orders values (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the database."""
        self._orders.close()

    async def handle(self, ticket: Ticket) -> dict[str, str]:
        """One ticket is one run: this is all it takes. The answer says where each of its cents comes from."""
        with botanu.event(workflow=ticket.workflow, event_id=ticket.event_id, customer_id=ticket.customer_id) as run:
            answer = await self._work(ticket)
        return {"answer": answer, "explained": str(botanu.explain(run))}

    async def _work(self, ticket: Ticket) -> str:
        match ticket.workflow:
            case "Customer Support":
                return await self._support(ticket)
            case "Refund Review":
                return await self._refund(ticket)
            case "Weekly Report":
                return await self._report(ticket)

    async def _support(self, ticket: Ticket) -> str:
        with botanu.step("look up"):
            facts = await self._facts(ticket)
        with botanu.step("research"):
            notes = await self._notes(ticket, ticket.question)
        with botanu.step("answer"):
            answer = await self._models.claude_stream([{"role": "user", "content": f"{facts} {notes}"}])
        botanu.emit_outcome("success", value_type="tickets_resolved", value_amount=1)
        return answer

    async def _refund(self, ticket: Ticket) -> str:
        with botanu.step("research"):
            notes = await self._notes(ticket, f"May this be refunded? {ticket.question}")
        verdict = await self._decide(ticket, notes)
        with botanu.step("pay"):
            price_usd = self._refund_order(ticket)
        botanu.emit_outcome("success", value_type="usd_refunded", value_amount=price_usd)
        return verdict

    async def _decide(self, ticket: Ticket, notes: str) -> str:
        """Two calls of one graph, with a supervisor's nod between them; its nodes are the run's steps."""
        look_up = StructuredTool.from_function(
            self._order, name="lookup_order", description="What was ordered, and what it cost."
        )
        desk = refund_desk(self._models.chat(), look_up)
        config = {"callbacks": [self._handler], "configurable": {"thread_id": ticket.event_id}}
        await desk.ainvoke({"question": ticket.question, "notes": [notes]}, config)
        return str((await desk.ainvoke(Command(resume=True), config))["verdict"])

    async def _report(self, ticket: Ticket) -> str:
        with botanu.step("research"):
            topics = ("archive",) if ticket.twist == "archive" else ("delivery", "quality")
            notes = [await self._notes(ticket, f"{topic}: {ticket.question}") for topic in topics]
        with botanu.step("write"):
            report = await self._models.gpt_stream(
                [{"role": "user", "content": " ".join(notes)}], asks_for_usage=ticket.twist != "silent"
            )
        botanu.emit_outcome("success", value_type="reports_sent", value_amount=1)
        return report

    async def _facts(self, ticket: Ticket) -> str:
        """Let the model call its tool, and tell it what the tool said."""
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": ticket.question}]
        headers = {"x-demo-fault": "500-once"} if ticket.twist == "retry" else None
        wish = await self._models.gpt(messages, tools=[_LOOKUP], headers=headers)
        for wanted in wish.tool_calls or []:
            if isinstance(wanted, ChatCompletionMessageFunctionToolCall):
                result = self._look_up(wanted)
                said = ChatCompletionMessageFunctionToolCallParam(
                    id=wanted.id,
                    type="function",
                    function={"name": wanted.function.name, "arguments": wanted.function.arguments},
                )
                messages.append({"role": "assistant", "tool_calls": [said]})
                messages.append({"role": "tool", "tool_call_id": wanted.id, "content": result})
        answer = await self._models.gpt(messages, tools=[_LOOKUP])
        return answer.content or ""

    def _look_up(self, wanted: ChatCompletionMessageFunctionToolCall) -> str:
        with track_tool_call(tool_name=wanted.function.name, tool_call_id=wanted.id) as tool:
            result = self._order(json.loads(wanted.function.arguments)["order_id"])
            found = len(json.loads(result))
            tool.set_result(success=bool(found), items_returned=found, bytes_processed=len(result))
            return result

    def _order(self, order_id: str) -> str:
        with track_db_operation(system="sqlite", operation="SELECT", database="shop") as query:
            rows = self._orders.execute("select * from orders where order_id = ?", (order_id,)).fetchall()
            query.set_table("orders").set_result(rows_returned=len(rows))
        return json.dumps(rows)

    def _refund_order(self, ticket: Ticket) -> float:
        """Mark the order as refunded; the price it was sold at, in US dollars."""
        if ticket.twist == "failure":
            raise PaymentRefused("the bank would not take the money back")
        order_id = next(word.strip("?,.") for word in ticket.question.split() if word.startswith("ORD-"))
        with track_db_operation(system="sqlite", operation="UPDATE", database="shop") as query:
            done = self._orders.execute(
                "update orders set is_refunded = 1 where order_id = ? returning price_usd", (order_id,)
            ).fetchall()
            query.set_table("orders").set_result(rows_affected=len(done))
        return float(done[0][0])

    async def _notes(self, ticket: Ticket, question: str) -> str:
        """Ask the research service; the run travels along with the task, and nobody here has to do anything for it."""
        return str(
            await ask(self._research, "research.read_up", question=question, key=ticket.event_id, twist=ticket.twist)
        )


def create_app(provider_url: str, research: Celery) -> FastAPI:
    """The service, with telemetry flushed when it stops."""
    models = Models(provider_url)
    desk = FrontDesk(models, research)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with models:
            yield
        desk.close()
        botanu.disable()

    app = FastAPI(title="Front desk", lifespan=lifespan)
    app.add_middleware(BotanuMiddleware)

    @app.post("/tickets")
    async def tickets(ticket: Ticket, request: Request) -> dict[str, str]:
        try:
            return await while_connected(request, desk.handle(ticket))
        except TimeoutError as error:
            raise HTTPException(_GATEWAY_TIMEOUT, str(error)) from None

    return app


def main() -> None:
    """Serve until SIGTERM; the first line on standard output is ``{"port": …}``."""
    parser = argparse.ArgumentParser(prog="python -m demo.frontdesk", description=__doc__)
    parser.add_argument("--provider", required=True, help="address of the model provider")
    parser.add_argument("--queue", required=True, metavar="DIRECTORY", help="where messages and results lie")
    wanted = child_arguments(parser)
    botanu.enable(service_name="front-desk", instrument=INSTRUMENT, price_contracts=[CONTRACTS])
    OpenAIInstrumentor().instrument()
    serve(create_app(wanted.provider, celery_app(wanted.queue)), port=wanted.port)


if __name__ == "__main__":
    main()
