"""Who decides about refunds: an agent in LangGraph, with two questions at once, a tool, and a person who is asked."""

import operator
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

__all__ = ["Case", "refund_desk"]


class Case(TypedDict, total=False):
    """What the graph passes on."""

    question: str
    notes: Annotated[list[str], operator.add]
    verdict: str
    is_approved: bool


def refund_desk(model: BaseChatModel, look_up: BaseTool) -> Any:
    """policy and history at once -> an agent with a tool -> a person."""
    agent: Any = create_agent(model, [look_up], name="refund_agent")

    async def ask(prompt: str) -> str:
        return str((await model.ainvoke(prompt)).content)

    async def policy(case: Case) -> Case:
        return {"notes": [await ask(f"Which policy applies? {case['question']}")]}

    async def history(case: Case) -> Case:
        return {"notes": [await ask(f"What do we know of this customer? {case['question']}")]}

    async def decide(case: Case) -> Case:
        said = await agent.ainvoke({"messages": [HumanMessage(" ".join([case["question"], *case["notes"]]))]})
        return {"verdict": str(said["messages"][-1].content)}

    def approve(case: Case) -> Case:
        return {"is_approved": interrupt({"may this be paid?": case["verdict"]})}

    graph: Any = StateGraph(Case)
    graph.add_node(policy).add_node(history).add_node(decide).add_node(approve)
    graph.add_edge(START, "policy").add_edge(START, "history").add_edge(["policy", "history"], "decide")
    graph.add_edge("decide", "approve").add_edge("approve", END)
    return graph.compile(checkpointer=InMemorySaver(), name="refund_desk")
