"""LangGraph: what becomes a span, under whom, and in which step its calls are booked."""

import asyncio
import operator
from typing import Annotated, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

import botanu


class State(TypedDict, total=False):
    """What the graphs of these tests pass on."""

    topic: Annotated[str, lambda _, new: new]
    notes: Annotated[list[str], operator.add]
    approved: str


@tool
def find_order(order_id: str) -> str:
    """Find an order."""
    return f"{order_id} is on its way"


def researching(model, checkpointer=None):
    """plan -> three searches in parallel -> write."""

    def plan(state: State) -> State:
        return {"topic": str(model.invoke("plan " + state["topic"]).content)[:20]}

    def search(state: State) -> State:
        return {"notes": [str(model.invoke(f"search {state['topic']} {len(state)}").content)]}

    async def asearch(state: State) -> State:
        return {"notes": [str((await model.ainvoke("search " + state["topic"])).content)]}

    def write(state: State) -> State:
        return {"topic": str(model.invoke("write " + " ".join(state["notes"])).content)}

    graph = StateGraph(State).add_node("plan", plan).add_node("write", write)
    for number in range(3):
        graph.add_node(f"search{number}", search)
        graph.add_edge("plan", f"search{number}").add_edge(f"search{number}", "write")
    return graph.add_edge(START, "plan").add_edge("write", END).compile(checkpointer=checkpointer, name="Research")


def booked(seen):
    """How many calls are booked in each step."""
    steps = [entry.attributes.get("botanu.step") for entry in seen.entries()]
    return {step: steps.count(step) for step in steps}


async def drained(stream):
    return [piece async for piece in stream]


WAYS = {
    "invoke": lambda graph, given, config: graph.invoke(given, config),
    "ainvoke": lambda graph, given, config: asyncio.run(graph.ainvoke(given, config)),
    "events": lambda graph, given, config: asyncio.run(drained(graph.astream_events(given, config, version="v2"))),
    **{
        f"stream {mode}": lambda graph, given, config, mode=mode: list(graph.stream(given, config, stream_mode=mode))
        for mode in ("values", "updates", "messages", "debug")
    },
    **{
        f"astream {mode}": lambda graph, given, config, mode=mode: asyncio.run(
            drained(graph.astream(given, config, stream_mode=mode))
        )
        for mode in ("values", "messages")
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_each_node_is_a_step_and_each_call_is_booked_in_its_node(way, gpt, seen, handler, balanced):
    with botanu.event(workflow="desk", event_id="t-1") as run:
        WAYS[way](researching(gpt()), {"topic": "ORD-17"}, {"callbacks": [handler]})
    balanced()
    assert booked(seen) == {"plan": 1, "search0": 1, "search1": 1, "search2": 1, "write": 1}
    run_span, graph = seen.span("botanu.run/desk"), seen.span("invoke_workflow Research")
    nodes = {span.name: span for span in seen.spans("botanu.step/")}
    assert set(nodes) == {f"botanu.step/{name}" for name in ("plan", "search0", "search1", "search2", "write")}
    assert {span.parent_id for span in nodes.values()} == {graph.span_id}
    assert graph.parent_id == run_span.span_id
    assert graph.attributes["gen_ai.workflow.name"] == "Research"
    for call in seen.spans("chat"):
        assert call.parent_id == nodes["botanu.step/" + call.attributes["botanu.step"]].span_id
        assert call.attributes["botanu.run_id"] == run.run_id


def test_an_agent_is_a_tree_of_agent_model_and_tool(gpt, seen, handler, balanced):
    agent = create_agent(gpt(), [find_order], name="support")
    agent.invoke({"messages": [("user", "Where is ORD-17?")]}, {"callbacks": [handler]})
    balanced()
    [run] = seen.runs()
    assert run.attributes["botanu.workflow"] == "support"
    assert run.attributes["botanu.run.tool_calls"] == 1
    agent_span, called = seen.span("invoke_agent support"), seen.span("execute_tool find_order")
    assert agent_span.attributes["gen_ai.agent.name"] == "support"
    assert called.attributes["gen_ai.tool.call.id"].startswith("call_")
    assert called.attributes["botanu.tool.success"] is True
    assert booked(seen) == {"model": 2}
    reasons = [span.attributes["gen_ai.response.finish_reasons"] for span in seen.spans("chat")]
    assert reasons == [["tool_calls"], ["stop"]]
    by_id = {span.span_id: span for span in seen.spans()}
    assert by_id[called.parent_id].name == "botanu.step/tools"
    assert by_id[by_id[called.parent_id].parent_id] is agent_span


@pytest.mark.parametrize("is_async", [False, True])
def test_an_interrupt_is_no_failure_and_what_resumes_joins_the_run_around_it(is_async, gpt, seen, handler, balanced):
    model = gpt()

    def ask(state: State) -> State:
        return {"topic": str(model.invoke("draft").content), "approved": interrupt("may I?")}

    made = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile(checkpointer=InMemorySaver())
    config = {"callbacks": [handler], "configurable": {"thread_id": "1"}}

    def call(given):
        return asyncio.run(made.ainvoke(given, config)) if is_async else made.invoke(given, config)

    with botanu.event(workflow="first", event_id="t-1") as first:
        assert "__interrupt__" in call({"topic": "x"})
    assert len(handler.open) == 0
    with botanu.event(workflow="second", event_id="t-1") as second:
        assert call(Command(resume="yes"))["approved"] == "yes"
    balanced()
    assert not [span for span in seen.spans() if span.status == "ERROR"]
    assert {run.attributes["botanu.outcome.status"] for run in seen.runs()} == {"success"}
    runs = [entry.attributes["botanu.run_id"] for entry in seen.entries()]
    assert runs == [first.run_id, second.run_id]


def test_what_send_starts_and_what_a_subgraph_does_is_in_the_run(gpt, seen, handler, balanced):
    model = gpt()

    def look(state: State) -> State:
        return {"notes": [str(model.invoke("look " + state["topic"]).content)]}

    inner = StateGraph(State).add_node("look", look).add_edge(START, "look").compile()
    outer = StateGraph(State).add_node("inner", inner).add_node("split", lambda state: {})
    outer.add_edge(START, "split")
    outer.add_conditional_edges("split", lambda state: [Send("inner", {"topic": str(n)}) for n in range(4)], ["inner"])
    with botanu.event(workflow="desk"):
        outer.compile().invoke({"topic": "x"}, {"callbacks": [handler]})
    balanced()
    assert booked(seen) == {"look": 4}
    assert len(seen.spans("botanu.step/inner")) == 4
    [run] = seen.runs()
    assert run.attributes["botanu.run.llm_calls"] == 4


def test_a_command_to_the_parent_graph_is_no_failure(seen, handler):
    def leave(state: State) -> Command:
        return Command(goto="after", graph=Command.PARENT)

    inner = StateGraph(State).add_node("leave", leave).add_edge(START, "leave").compile()
    outer = StateGraph(State).add_node("inner", inner, destinations=("after",)).add_node("after", lambda state: {})
    outer.add_edge(START, "inner").compile().invoke({"topic": "x"}, {"callbacks": [handler]})
    assert seen.span("botanu.step/after")
    assert not [span for span in seen.spans() if span.status == "ERROR"]


def test_a_graph_that_never_ends_fails_its_run(seen, handler):
    graph = StateGraph(State).add_node("again", lambda state: {"topic": "x"})
    graph.add_edge(START, "again").add_edge("again", "again")
    with pytest.raises(GraphRecursionError):
        graph.compile().invoke({"topic": "x"}, {"callbacks": [handler], "recursion_limit": 5})
    [run] = seen.runs()
    assert run.attributes["botanu.outcome.status"] == "failed"
    assert len(seen.spans("botanu.step/again")) == 5


def test_an_error_that_a_node_catches_is_no_failure_of_the_run(gpt, seen, handler):
    refused = gpt(default_headers={"x-demo-fault": "429", "connection": "close"})

    def careful(state: State) -> State:
        try:
            refused.invoke("x")
        except Exception:
            return {"topic": "could not ask"}
        return {}

    StateGraph(State).add_node("careful", careful).add_edge(START, "careful").compile().invoke(
        {"topic": "x"}, {"callbacks": [handler]}
    )
    assert seen.span("chat").status == "ERROR"
    assert seen.span("botanu.step/careful").status == "UNSET"
    assert seen.runs()[0].attributes["botanu.outcome.status"] == "success"


def test_a_cancelled_graph_ends_all_that_is_in_it(gpt, seen, handler):
    async def wait(state: State) -> State:
        await asyncio.Event().wait()
        return {}

    graph = StateGraph(State).add_node("wait", wait).add_edge(START, "wait").compile()

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(graph.ainvoke({"topic": "x"}, {"callbacks": [handler]}), 0.2)

    asyncio.run(main())
    assert seen.runs()[0].attributes["botanu.outcome.status"] == "canceled"
    assert seen.span("botanu.step/wait").attributes["botanu.outcome.status"] == "canceled"


# --- tools -------------------------------------------------------------------------------------------------------


@tool
def broken(order_id: str) -> str:
    """Break."""
    raise ValueError("no such order")


def test_a_tool_that_raises_is_a_failed_call(seen, handler):
    with pytest.raises(ValueError, match="no such"):
        broken.invoke(
            {"name": "broken", "args": {"order_id": "1"}, "id": "call_7", "type": "tool_call"}, {"callbacks": [handler]}
        )
    call = seen.span("execute_tool broken")
    assert (call.status, call.attributes["error.type"]) == ("ERROR", "ValueError")
    assert call.attributes["gen_ai.tool.call.id"] == "call_7"


def test_a_tool_that_handles_its_error_has_failed_and_its_run_has_not(gpt, seen, handler):
    @tool
    def find_order(order_id: str) -> str:
        """Find an order."""
        from langchain_core.tools import ToolException

        raise ToolException("no such order")

    find_order.handle_tool_error = True
    agent = create_agent(gpt(), [find_order])
    agent.invoke({"messages": [("user", "Where is ORD-17?")]}, {"callbacks": [handler]})
    call = seen.span("execute_tool find_order")
    assert (call.status, call.attributes["botanu.tool.success"]) == ("ERROR", False)
    assert seen.runs()[0].attributes["botanu.outcome.status"] == "success"


def test_bad_arguments_are_a_failed_call(seen, handler):
    call = {"name": "find_order", "args": {"wrong": 1}, "id": "call_8", "type": "tool_call"}
    with pytest.raises(Exception, match="order_id"):
        find_order.invoke(call, {"callbacks": [handler]})
    span = seen.span("execute_tool find_order")
    assert (span.status, span.attributes["gen_ai.tool.call.id"]) == ("ERROR", "call_8")


def test_the_users_own_step_and_run_inside_a_node_are_nearer_than_the_node(gpt, seen, handler):
    model = gpt()

    def work(state: State) -> State:
        with botanu.step("draft"):
            model.invoke("x")
        with botanu.event(workflow="other", event_id="o-1"):
            model.invoke("y")
        return {}

    with botanu.event(workflow="desk", event_id="t-1"):
        StateGraph(State).add_node("work", work).add_edge(START, "work").compile().invoke(
            {"topic": "x"}, {"callbacks": [handler]}
        )
    entries = [(e.attributes["botanu.workflow"], e.attributes.get("botanu.step")) for e in seen.entries()]
    assert entries == [("desk", "draft"), ("other", None)]
