"""A program: graphs and chains called with Botanu's handler, and what others switch on beside it.

It runs in a process of its own, for instrumentors patch LangChain and the clients for good.
"""

import asyncio
import importlib
import json
import os
import warnings
from typing import Any, Final, TypedDict

from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

import botanu
import botanu_langchain

__all__ = ["WAYS", "main"]

_INSTRUMENTORS: Final = {
    "openinference langchain": ("openinference.instrumentation.langchain", "LangChainInstrumentor"),
    "openllmetry langchain": ("opentelemetry.instrumentation.langchain", "LangchainInstrumentor"),
    "otel openai": ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
    "openinference openai": ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
    "openllmetry openai": ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
}


class State(TypedDict, total=False):
    """What the graph passes on."""

    a: str
    b: str


def _graph(model: Any, *, is_async: bool) -> Any:
    def call(name: str) -> Any:
        def node(_: State) -> State:
            return {name: str(model.invoke(name).content)}  # type: ignore[return-value]

        async def anode(_: State) -> State:
            return {name: str((await model.ainvoke(name)).content)}  # type: ignore[return-value]

        return anode if is_async else node

    graph = StateGraph(State).add_node("na", call("a")).add_node("nb", call("b"))
    graph.add_edge(START, "na").add_edge(START, "nb").add_edge("na", END).add_edge("nb", END)
    return graph.compile()


async def _drained(stream: Any) -> None:
    async for _ in stream:
        pass


WAYS: Final[dict[str, Any]] = {
    "invoke": lambda model: model.invoke("x"),
    "ainvoke": lambda model: asyncio.run(model.ainvoke("x")),
    "stream": lambda model: list(model.stream("x")),
    "astream": lambda model: asyncio.run(_drained(model.astream("x"))),
    "batch": lambda model: (RunnableLambda(str) | model).batch(["x", "y", "z"]),
    "graph": lambda model: _graph(model, is_async=False).invoke({"a": "x"}),
    "agraph": lambda model: asyncio.run(_graph(model, is_async=True).ainvoke({"a": "x"})),
    "graph stream": lambda model: list(_graph(model, is_async=False).stream({"a": "x"}, stream_mode="messages")),
}


def main() -> None:
    """Make the calls, with what the environment asks for beside the handler."""
    botanu.enable(instrument="none", otlp_endpoint=os.environ["ENDPOINT"])
    if os.environ["ORDER"] == "before":
        botanu_langchain.install()
    for name in filter(None, os.environ["BESIDE"].split(" + ")):
        module, instrumentor = _INSTRUMENTORS[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(importlib.import_module(module), instrumentor)().instrument()
    botanu_langchain.install()
    said = {}
    for way, call in WAYS.items():
        model = ChatOpenAI(
            model="gpt-5-mini", base_url=os.environ["PROVIDER_URL"], api_key="k", max_retries=0, stream_usage=True,
            default_headers={"connection": "close"},
        )  # fmt: skip
        with botanu.event(workflow="beside", event_id=way) as run:
            call(model)
        said[way] = str(botanu.explain(run))
    botanu.disable()
    print(json.dumps(said))


if __name__ == "__main__":
    main()
