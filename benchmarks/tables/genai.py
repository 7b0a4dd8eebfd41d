"""What an instrumentor costs a call of OpenAI's client: ours beside others, interleaved in one process."""

import gc
import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.harness import Contender, ratio
from benchmarks.providers import Config, bare_span, tracer_provider
from benchmarks.report import Table, Target, cell

ORDER = 36
STANDS_ALONE = True  # ratios, taken within a process
PEERS = (
    "opentelemetry-instrumentation-genai-openai",
    "opentelemetry-instrumentation-openai",
    "openinference-instrumentation-openai",
)
DISTRIBUTIONS = ("openai", *PEERS)
REQUIREMENTS = (f"{Path(__file__).resolve().parents[2]}[genai]", "httpx2", "openai", "rich", *PEERS)

_TITLES = {
    "ours": "this repository",
    "ours quiet": "without content",
    "otel": "OpenTelemetry's alone",
    "openllmetry": "OpenLLMetry",
    "openinference": "OpenInference",
}
_WHAT = {"chat": "a chat of 2 messages", "long": "a chat of 50 messages", "stream": "a stream of 200 chunks"}
_LIMITS = {"chat": 1.25, "long": 1.08, "stream": 1.20}
# A call takes a millisecond, ten of them, or twenty: 20, 4 and 2 a turn make turns of some 30 ms.
_SLOWNESS = {"chat": 25, "long": 125, "stream": 250}
_CHUNKS = 200
_SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
_EARLIER = [{"role": "user", "content": f"And what became of order ORD-{number}?"} for number in range(48)]
# In the answer's id, for a ledger counts no id twice, and in its text, for what has been scrubbed is remembered.
_NUMBER = b"00000000"
_numbers = itertools.count(1)


def table(bench: Bench) -> Table:
    """Whole calls, in units of the same call without an instrumentor."""
    samples = bench.samples(__name__, "spans", bench.environment(REQUIREMENTS))
    found = {way: {who: ratio(samples, f"{way} {who}", f"{way} without") for who in _TITLES} for way in _WHAT}
    return Table(
        title="Model clients",
        text=(
            "OpenAI's client over a transport that answers at once, in units of the same call without an instrumentor; "
            "question and answer are new each time. "
            "All record the messages, but for the second column. Ours also scrubs them, prices the call and enters it "
            "into the ledger of a run."
        ),
        header=("", *_TITLES.values()),
        rows=[(_WHAT[way], *(cell(found[way][who]) for who in _TITLES)) for way in _WHAT],
        targets=[Target(_WHAT[way], found[way]["ours"].value, _LIMITS[way]) for way in _WHAT],
        notes=[
            bench.one_process(__name__),
            "`llm-tracekit` 1.1.1 has no column: on a fresh install its `OpenAIInstrumentor` cannot be imported.",
        ],
    )


def contenders(config: Config) -> list[Contender]:
    """Three ways of calling, each without an instrumentor and under each of them."""
    ours.enable(config)
    found = [bare_span()]
    instrumentors = {"without": nullcontext, **_instrumentors(config)}
    for way, call in _ways().items():
        found += [
            Contender(f"{way} {who}", call, _once_before(call, around), _SLOWNESS[way])
            for who, around in instrumentors.items()
        ]
    return found


def _once_before(
    call: Callable[[], Any], around: Callable[[], AbstractContextManager[Any]]
) -> Callable[[], AbstractContextManager[Any]]:
    """`around`, with a call outside the clock: the first after a class has changed finds the interpreter's caches cold.

    Instrumentors of one client exclude each other, so that each is put on for its turn.
    """

    @contextmanager
    def entered() -> Iterator[None]:
        gc.freeze()  # some leave wrappers behind, turn by turn, and each collection would walk them all
        with around():
            call()
            yield

    return entered


def _ways() -> dict[str, Callable[[], Any]]:
    client = _client()

    def chat() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=[_SYSTEM, _asked()])

    def long() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=[_SYSTEM, *_EARLIER, _asked()])

    def stream() -> None:
        for _ in client.chat.completions.create(model="gpt-4o-mini", messages=[_SYSTEM, _asked()], stream=True):
            pass

    return {"chat": chat, "long": long, "stream": stream}


def _asked() -> dict[str, str]:
    """What the user says now, and has not said before."""
    return {"role": "user", "content": f"Say that this is test {next(_numbers)}, please, and be quick about it."}


def _client() -> Any:
    import httpx2
    import openai

    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    message = {"role": "assistant", "content": f"This is test {_NUMBER.decode()}, as you asked."}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    said = {"id": f"chatcmpl-{_NUMBER.decode()}", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    whole = json.dumps(said | {"object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    deltas = [({"content": f"{word} "}, None) for word in (_NUMBER.decode(), *["word"] * (_CHUNKS - 2))]
    pieces = [
        said | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in (*deltas, ({}, "stop"))
    ]
    streamed = b"".join(b"data: %b\n\n" % json.dumps(piece).encode() for piece in pieces) + b"data: [DONE]\n\n"

    class AtOnce(httpx2.BaseTransport):
        """Answers without a network, each time something else."""

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            is_stream = b'"stream":true' in request.content
            kind, content = ("text/event-stream", streamed) if is_stream else ("application/json", whole)
            content = content.replace(_NUMBER, b"%08d" % next(_numbers))
            return httpx2.Response(200, headers={"content-type": kind}, content=content)

    return openai.OpenAI(
        api_key="k", base_url="http://model/v1", max_retries=0, http_client=httpx2.Client(transport=AtOnce())
    )


def _instrumentors(config: Config) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as OpenTelemetry
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor as OpenLLMetry

    from botanu_genai import OpenAIInstrumentor

    others = tracer_provider(config)
    return {
        "ours": lambda: _ours(OpenAIInstrumentor(), 1.0),
        "ours quiet": lambda: _ours(OpenAIInstrumentor(), 0.0),
        "otel": lambda: _theirs(OpenTelemetry(), others),
        "openllmetry": lambda: _theirs(OpenLLMetry(), others),
        "openinference": lambda: _theirs(OpenInference(), others),
    }


@contextmanager
def _ours(instrumentor: Any, rate: float) -> Iterator[None]:
    from dataclasses import replace

    import botanu
    from botanu_core import settings

    before = settings.current()
    settings.activate(replace(before, content_capture_rate=rate))
    instrumentor.instrument()
    try:
        with botanu.event(workflow="w", event_id="e"):
            yield
    finally:
        instrumentor.uninstrument()
        settings.activate(before)


@contextmanager
def _theirs(instrumentor: Any, provider: Any) -> Iterator[None]:
    from openai.resources.chat.completions import Completions

    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"
    before = vars(Completions)["create"]
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()
        Completions.create = before  # type: ignore[method-assign]  # OpenLLMetry's leaves its wrapper on
        del os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"]
