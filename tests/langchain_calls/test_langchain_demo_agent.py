"""The agent of the demonstration: parallel questions, a tool, a person who is asked, billed to the cent."""

import asyncio

from langchain_core.tools import StructuredTool
from langgraph.types import Command

import botanu
from demo.agent import refund_desk


def test_a_refund_is_decided_over_an_interrupt_and_each_node_has_its_cost(gpt, seen, handler, balanced):
    look_up = StructuredTool.from_function(lambda order_id: f"[{order_id}]", name="lookup_order", description="Orders.")
    config = {"callbacks": [handler], "configurable": {"thread_id": "t"}}

    async def main():
        desk = refund_desk(gpt(), look_up)
        with botanu.event(workflow="Refund Review", event_id="t", customer_id="acme"):
            paused = await desk.ainvoke({"question": "Order ORD-170 arrived broken.", "notes": []}, config)
            assert paused["__interrupt__"]
            return await desk.ainvoke(Command(resume=True), config)

    done = asyncio.run(main())
    assert done["verdict"]
    assert done["is_approved"]
    balanced()
    steps = sorted(entry.attributes["botanu.step"] for entry in seen.entries())
    assert steps == ["history", "model", "model", "policy"]  # the agent is a graph of its own
    assert seen.span("execute_tool lookup_order").attributes["botanu.step"] == "tools"
    [run] = seen.runs()
    assert (run.attributes["botanu.outcome.status"], run.attributes["botanu.run.tool_calls"]) == ("success", 1)
