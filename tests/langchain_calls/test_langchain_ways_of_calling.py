"""However a model is called, each call is one span and one entry, and the sum is the provider's invoice."""

import asyncio

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from pydantic import BaseModel

import botanu

# LangChain adds up what several prompts used, and stumbles over what OpenAI's client knows and the provider left out.
pytestmark = pytest.mark.filterwarnings("ignore:Unexpected type for token usage")

ASKED = "Where is my order ORD-17?"


async def drained(stream):
    return [piece async for piece in stream]


def invoke(model, config):
    model.invoke(ASKED, config)


def ainvoke(model, config):
    asyncio.run(model.ainvoke(ASKED, config))


def stream(model, config):
    assert len(list(model.stream(ASKED, config))) > 3


def astream(model, config):
    assert len(asyncio.run(drained(model.astream(ASKED, config)))) > 3


def astream_events(model, config):
    assert len(asyncio.run(drained(model.astream_events(ASKED, config, version="v2")))) > 3


def batch(model, config):
    model.batch([f"{ASKED} {number}" for number in range(5)], config)


def abatch(model, config):
    asyncio.run(model.abatch([f"{ASKED} {number}" for number in range(5)], config))


def batch_as_completed(model, config):
    list(model.batch_as_completed([ASKED, ASKED + "?"], config))


def generate(model, config):
    model.generate_prompt(
        [ChatPromptTemplate.from_template("{x}").invoke({"x": number}) for number in "abc"],
        callbacks=config["callbacks"],
    )


def agenerate(model, config):
    prompts = [ChatPromptTemplate.from_template("{x}").invoke({"x": number}) for number in "abc"]
    asyncio.run(model.agenerate_prompt(prompts, callbacks=config["callbacks"]))


def chain(model, config):
    (ChatPromptTemplate.from_template("{x}") | model | StrOutputParser()).invoke({"x": ASKED}, config)


def chain_astream(model, config):
    made = ChatPromptTemplate.from_template("{x}") | model | StrOutputParser()
    asyncio.run(drained(made.astream({"x": ASKED}, config)))


def parallel(model, config):
    RunnableParallel(
        {str(number): RunnableLambda(lambda x, n=number: f"{x} {n}") | model for number in range(4)}
    ).invoke(ASKED, config)


def aparallel(model, config):
    made = {str(number): RunnableLambda(lambda x, n=number: f"{x} {n}") | model for number in range(4)}
    asyncio.run(RunnableParallel(made).ainvoke(ASKED, config))


class Answer(BaseModel):
    """An answer."""

    order_id: str


def structured(model, config):
    made = model.with_structured_output(Answer, method="function_calling", include_raw=True)
    assert made.invoke(ASKED, config)["parsed"].order_id == "ORD-17"


WAYS = [
    invoke, ainvoke, stream, astream, astream_events, batch, abatch, batch_as_completed, generate, agenerate, chain,
    chain_astream, parallel, aparallel, structured,
]  # fmt: skip
COUNTS = {batch: 5, abatch: 5, batch_as_completed: 2, generate: 3, agenerate: 3, parallel: 4, aparallel: 4}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("maker", ["gpt", "claude"])
def test_every_way_of_calling_is_billed_to_the_cent(way, maker, request, seen, handler, balanced):
    if (way, maker) == (structured, "claude"):
        pytest.skip("forced tool use is OpenAI's here")
    with botanu.event(workflow="desk", event_id="t-1", customer_id="acme") as run:
        way(request.getfixturevalue(maker)(), {"callbacks": [handler]})
    balanced()
    calls = seen.spans("chat ")
    ours = [span for span in calls if span.scope == "botanu"]
    assert len(ours) == COUNTS.get(way, 1)
    assert {span.attributes["botanu.run_id"] for span in calls} == {run.run_id}
    [completed] = seen.runs()
    assert completed.attributes["botanu.run.llm_calls"] == len(ours)
    assert completed.attributes["botanu.outcome.status"] == "success"
    assert not [span for span in seen.spans() if span.status == "ERROR"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_without_a_run_the_outermost_chain_opens_one(way, gpt, seen, handler, balanced):
    way(gpt(), {"callbacks": [handler]})
    balanced()
    if way in (chain, chain_astream, parallel, aparallel, structured):
        [completed] = seen.runs()
        assert completed.attributes["botanu.workflow"] in ("RunnableSequence", "RunnableParallel<0,1,2,3>")
        assert {entry.attributes["botanu.run_id"] for entry in seen.entries()} == {
            completed.attributes["botanu.run_id"]
        }
        root = seen.span("botanu.run/")
        assert {span.trace_id for span in seen.spans()} == {root.trace_id}
        assert root.kind == "SERVER"
    else:
        assert not seen.runs()
        assert all("botanu.run_id" not in entry.attributes for entry in seen.entries())
