"""What a handler adds to LangChain's calls: ours beside others, interleaved in one process."""

import atexit
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.harness import Contender, Figure, Samples, difference
from benchmarks.providers import Config, bare_span, tracer_provider
from benchmarks.report import Table, Target, cell
from demo.processes import Children

ORDER = 35
STANDS_ALONE = True  # ratios, taken within a process
SLOWNESS = 10
PEERS = ("openinference-instrumentation-langchain", "opentelemetry-instrumentation-langchain", "langfuse")
DISTRIBUTIONS = ("langchain-core", *PEERS)
REQUIREMENTS = (
    "-e",  # with the receiver of the demo beside the packages
    f"{Path(__file__).resolve().parents[2]}[langchain]",
    "langchain",
    "langchain-core<1.7.3",
    "rich",
    *PEERS,
)

_TITLES = {
    "nothing": "a handler that does nothing",
    "ours": "this repository",
    "openllmetry": "OpenLLMetry",
    "langfuse": "Langfuse",
    "openinference": "OpenInference",
}
_OTHERS = ("openllmetry", "langfuse", "openinference")
_LIMITS = {"invoke": 7.0, "ainvoke": 12.0, "chain": 12.0, "token": 0.1}
_WHAT = {
    "invoke": "`model.invoke`",
    "ainvoke": "`await model.ainvoke`",
    "chain": "lambda and model, `chain.invoke`",
    "token": "one piece of `model.stream`",
}
_SLOWNESS = {"short": 2, "long": 5}
_SHORT, _LONG = 100, 300
"""Pieces of two streams: what the longer one costs more is what its pieces do, and no call's beginning or end."""


def table(bench: Bench) -> Table:
    """What each handler adds to each way of calling."""
    samples = bench.samples(__name__, "everything", bench.environment(REQUIREMENTS))
    found = {who: {way: _added(samples, way, who) for way in _WHAT} for who in _TITLES}
    return Table(
        title="LangChain",
        text=(
            "What a handler adds to a call of a model that answers at once, in units of a bare span. Ours makes the "
            "span, prices the call and enters it into the ledger of a run, sent by our own exporters to a receiver in "
            "a process of its own; the others make their spans, which go nowhere. Content capture is off where there "
            f"is a switch. One piece is what a stream of {_LONG} costs more than one of {_SHORT}, by the piece."
        ),
        header=("", *_TITLES.values()),
        rows=[(_WHAT[way], *(cell(found[who][way]) for who in _TITLES)) for way in _WHAT],
        targets=[
            target
            for way in _WHAT
            for ours, least in [(found["ours"][way].value, min(found[who][way].value for who in _OTHERS))]
            for target in (
                Target(f"handler, {_WHAT[way]}", ours, _LIMITS[way]),
                Target(f"handler, {_WHAT[way]}, as a share of the cheapest other", ours / least, 1.0),
            )
        ],
        notes=[bench.one_process(__name__)],
    )


def _added(samples: Samples, way: str, who: str) -> Figure:
    if way != "token":
        return difference(samples, f"{way} {who}", f"{way} without")
    long = difference(samples, f"long {who}", "long without")
    short = difference(samples, f"short {who}", "short without")
    return Figure(*((one - short.value) / (_LONG - _SHORT) for one in (long.value, long.low, long.high)))


def contenders(config: Config) -> list[Contender]:
    """Five ways of calling, each without a handler and with each of them."""
    os.environ.update(
        TRACELOOP_TRACE_CONTENT="false", OPENINFERENCE_HIDE_INPUTS="true", OPENINFERENCE_HIDE_OUTPUTS="true"
    )
    receivers = Children()
    atexit.register(receivers.__exit__, None, None, None)
    port = receivers.start("demo.receiver").ready()["port"]
    import botanu

    botanu.enable(service_name="bench", instrument="none", otlp_endpoint=f"http://127.0.0.1:{port}")
    found = [bare_span()]
    ways = _ways()
    for who, options in {"without": {}, **{who: {"callbacks": [it]} for who, it in _handlers(config).items()}}.items():
        around = (lambda: botanu.event(workflow="w", event_id="e")) if who == "ours" else nullcontext
        found += [Contender(f"{way} {who}", call(options), around, _SLOWNESS.get(way, 1)) for way, call in ways.items()]
    return found


def _ways() -> dict[str, Callable[[Any], Callable[[], Any]]]:
    from langchain_core.runnables import RunnableLambda

    model, longer = _model(_SHORT), _model(_LONG)
    chain = RunnableLambda(lambda text: text) | model

    def invoke(options: Any) -> Callable[[], Any]:
        return lambda: model.invoke("x", options)

    def ainvoke(options: Any) -> Callable[[], Any]:
        async def call() -> None:
            await model.ainvoke("x", options)

        return call

    def chained(options: Any) -> Callable[[], Any]:
        return lambda: chain.invoke("x", options)

    def short(options: Any) -> Callable[[], Any]:
        return lambda: [None for _ in model.stream("x", options)]

    def long(options: Any) -> Callable[[], Any]:
        return lambda: [None for _ in longer.stream("x", options)]

    return {"invoke": invoke, "ainvoke": ainvoke, "chain": chained, "short": short, "long": long}


def _model(pieces: int) -> Any:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

    usage: Any = {"input_tokens": 150, "output_tokens": 200, "total_tokens": 350}

    numbers = itertools.count()

    def answer() -> ChatResult:
        said = {"model_name": "gpt-4o", "id": f"chatcmpl-{next(numbers)}", "finish_reason": "stop"}
        message = AIMessage("ok", usage_metadata=usage, response_metadata=said)
        return ChatResult(generations=[ChatGeneration(message=message)])

    class ChatOpenAI(BaseChatModel):
        """Answers at once."""

        model_name: str = "gpt-4o"

        @property
        def _llm_type(self) -> str:
            return "openai-chat"

        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            return answer()

        async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
            return answer()

        def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
            for number in range(pieces):
                last = usage if number == pieces - 1 else None
                yield ChatGenerationChunk(message=AIMessageChunk("ok", usage_metadata=last))

        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            for chunk in self._stream():
                yield chunk

    return ChatOpenAI()


def _handlers(config: Config) -> dict[str, Any]:
    from langchain_core.callbacks import BaseCallbackHandler
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler
    from openinference.instrumentation import OITracer, TraceConfig
    from openinference.instrumentation.langchain._tracer import OpenInferenceTracer
    from opentelemetry.instrumentation.langchain.callback_handler import TraceloopCallbackHandler
    from opentelemetry.sdk.metrics import MeterProvider

    from botanu_langchain import BotanuCallbackHandler

    meter = MeterProvider().get_meter("peer")
    keys = {"public_key": "pk-lf-bench", "secret_key": "sk-lf-bench", "base_url": "http://127.0.0.1:9"}
    Langfuse(**keys, tracer_provider=tracer_provider(config), span_exporter=_nowhere())
    oi_tracer = OITracer(tracer_provider(config).get_tracer("peer"), TraceConfig())
    return {
        "nothing": BaseCallbackHandler(),
        "ours": BotanuCallbackHandler(),
        "openllmetry": TraceloopCallbackHandler(
            tracer_provider(config).get_tracer("peer"), meter.create_histogram("d"), meter.create_histogram("t")
        ),
        "langfuse": CallbackHandler(public_key="pk-lf-bench"),
        "openinference": OpenInferenceTracer(oi_tracer, separate_trace_from_runtime_context=False),
    }


def _nowhere() -> Any:
    from benchmarks.providers import NoopSpanExporter

    return NoopSpanExporter()
