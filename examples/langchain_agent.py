"""A support agent in LangGraph: parallel research, tools, a person who is asked; what each node of it cost.

    pip install "botanu[langchain]" langchain langchain-openai opentelemetry-instrumentation-genai-openai
    python examples/langchain_agent.py

Needs no network: a model provider listens on the loopback address, and keeps its own invoice. OpenAI's client is
watched by OpenTelemetry's instrumentation as well, so that each call is seen twice. It is counted once: printed is the
cost of each node and in total, and that the invoice comes to the same.
"""

import hashlib
import json
import operator
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

import botanu
from botanu.pricing import PriceBook
from botanu_core.model.usage import Usage
from botanu_langchain import BotanuCallbackHandler

MODEL = "gpt-5-mini"
invoice: list[Usage] = []


class Ticket(TypedDict, total=False):
    """What the graph passes on."""

    question: str
    notes: Annotated[list[str], operator.add]
    draft: str
    approved: bool


@tool
def find_order(order_id: str) -> str:
    """Find an order by its number."""
    return f"{order_id}: left the warehouse on Monday"


def support_desk(model: ChatOpenAI) -> Any:
    """classify -> two researchers at once -> an agent with a tool -> a person -> send."""
    agent = create_agent(model, [find_order], name="order_agent")

    def ask(prompt: str) -> str:
        return str(model.invoke(prompt).content)

    def classify(ticket: Ticket) -> Ticket:
        return {"notes": [ask(f"What is this about? {ticket['question']}")]}

    def policy(ticket: Ticket) -> Ticket:
        return {"notes": [ask(f"Which policy applies? {ticket['question']}")]}

    def history(ticket: Ticket) -> Ticket:
        return {"notes": [ask(f"What do we know of this customer? {ticket['question']}")]}

    def answer(ticket: Ticket) -> Ticket:
        messages = agent.invoke({"messages": [("user", ticket["question"] + " " + " ".join(ticket["notes"]))]})
        return {"draft": str(messages["messages"][-1].content)}

    def approve(ticket: Ticket) -> Ticket:
        return {"approved": interrupt({"may this be sent?": ticket["draft"]})}

    def send(ticket: Ticket) -> Ticket:
        return {"draft": ask(f"Make this friendlier: {ticket['draft']}")}

    graph = StateGraph(Ticket)
    for node in (classify, policy, history, answer, approve, send):
        graph.add_node(node)
    graph.add_edge(START, "classify").add_edge("classify", "policy").add_edge("classify", "history")
    graph.add_edge(["policy", "history"], "answer").add_edge("answer", "approve").add_edge("approve", "send")
    return graph.add_edge("send", END).compile(checkpointer=InMemorySaver(), name="support_desk")


class Provider(BaseHTTPRequestHandler):
    """Answers as OpenAI does, and writes down what it bills."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """One chat completion: a call of the tool that is offered, or a sentence."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
        used = Usage(input_tokens=500 + digest[0], output_tokens=50 + digest[1], cache_read_tokens=digest[2])
        invoice.append(used)
        message: dict[str, Any] = {"role": "assistant", "content": "It left on Monday."}
        wants_tool = "tools" in asked and asked["messages"][-1]["role"] == "user"
        if wants_tool:
            function = {"name": "find_order", "arguments": '{"order_id": "ORD-17"}'}
            message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        body = {
            "id": f"chatcmpl-{digest.hex()[:12]}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if wants_tool else "stop"}],
            "usage": {
                "prompt_tokens": used.input_tokens,
                "completion_tokens": used.output_tokens,
                "total_tokens": (used.input_tokens or 0) + (used.output_tokens or 0),
                "prompt_tokens_details": {"cached_tokens": used.cache_read_tokens},
            },
        }
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@contextmanager
def provider() -> Iterator[str]:
    """Serve while the block lasts; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """Handle one ticket, with a person in the middle, and show what it cost."""
    # This example has no collector. Your services say OTEL_EXPORTER_OTLP_ENDPOINT instead of this loop.
    for signal in ("TRACES", "METRICS", "LOGS"):
        os.environ.setdefault(f"OTEL_{signal}_EXPORTER", "none")
    botanu.enable(service_name="support-desk", instrument="none")
    OpenAIInstrumentor().instrument()

    with provider() as url:
        model = ChatOpenAI(model=MODEL, base_url=url, api_key="offline", default_headers={"connection": "close"})
        desk = support_desk(model)
        config: Any = {"callbacks": [BotanuCallbackHandler()], "configurable": {"thread_id": "T-1"}}
        with botanu.event(workflow="Customer Support", event_id="T-1", customer_id="acme") as run:
            paused = desk.invoke({"question": "Where is my order ORD-17?"}, config)
            print(f"a person is asked: {paused['__interrupt__'][0].value}\n")
            done = desk.invoke(Command(resume=True), config)
        print(f"sent: {done['draft']}\n")

    explained = botanu.explain(run)
    nodes: dict[str, Decimal] = defaultdict(Decimal)
    for entry in explained.entries:
        nodes[str(entry.run["botanu.step"])] += entry.cost.usd or 0
    for node, usd in nodes.items():
        print(f"{node:<12} {usd:.6f} USD")
    totals = explained.totals
    print(
        f"{'total':<12} {totals.cost_usd:.6f} USD for {totals.llm_calls} calls, seen {len(explained.left_out)} times more"
    )

    book = PriceBook()
    billed = sum((book.price(used, "openai", MODEL).usd or Decimal(0) for used in invoice), Decimal(0))
    print(f"{'invoice':<12} {billed:.6f} USD for {len(invoice)} calls")
    assert (totals.cost_usd, totals.llm_calls, totals.unpriced_calls) == (billed, len(invoice), 0)
    OpenAIInstrumentor().uninstrument()
    botanu.disable()


if __name__ == "__main__":
    main()
