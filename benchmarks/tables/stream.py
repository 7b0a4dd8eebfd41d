"""A streamed body of 1,000 chunks, as a share of the same stream without telemetry."""

import functools
import os
from collections.abc import AsyncIterator, Iterator

from flask import Flask, Response
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as OpenTelemetryWsgi
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from benchmarks import ours, peers_on_asgi, peers_on_wsgi, wsgi
from benchmarks.asgi import Application, request
from benchmarks.bench import CONFIG_TITLES, Bench
from benchmarks.harness import Contender, ratio
from benchmarks.providers import CONFIGS, Config, bare_span, tracer_provider
from benchmarks.report import Table, Target, cell

ORDER = 25
STANDS_ALONE = True  # ratios, taken within a process
SLOWNESS = 50
CHUNKS = 1_000
BARE = "Starlette: bare"
OURS = "Starlette: BotanuMiddleware"
FLASK_BARE = "Flask: bare"
FLASK_OURS = "Flask: BotanuFlask"
TARGETS = {OURS: BARE, FLASK_OURS: FLASK_BARE}
"""What is promised of one contender, against which other."""


async def _endpoint(request: Request) -> StreamingResponse:  # noqa: ARG001 - what Starlette calls
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield b"a chunk of a body\n"

    return StreamingResponse(chunks())


def _streaming() -> Starlette:
    return Starlette(routes=[Route("/stream", _endpoint)])


def _flask() -> Flask:
    application = Flask("bench")

    @application.get("/stream")
    def endpoint() -> Response:
        def chunks() -> Iterator[bytes]:
            for _ in range(CHUNKS):
                yield b"a chunk of a body\n"

        return Response(chunks())

    return application


def contenders(config: Config) -> list[Contender]:
    """The same stream, bare and under each kind of telemetry."""
    from botanu_fastapi import BotanuMiddleware
    from botanu_flask import BotanuFlask

    ours.enable(config)
    others = tracer_provider(config)
    stacks: dict[str, Application] = {
        BARE: _streaming(),
        OURS: BotanuMiddleware(_streaming()),
        "Starlette: OTel instrumentor": OpenTelemetryMiddleware(_streaming(), tracer_provider=others),
        "Starlette: OTel instrumentor, server span only": OpenTelemetryMiddleware(
            _streaming(), tracer_provider=others, exclude_spans=["receive", "send"]
        ),
        "Starlette: sentry-sdk, every request traced": peers_on_asgi.sentry(_streaming()),
    }
    own = _flask()
    BotanuFlask(own)
    on_flask: dict[str, wsgi.Application] = {
        FLASK_BARE: _flask(),
        FLASK_OURS: own,
        "Flask: OTel WSGI middleware": OpenTelemetryWsgi(_flask(), tracer_provider=others),
        "Flask: sentry-sdk, every request traced": peers_on_wsgi.sentry(_flask()),
    }
    sink = functools.partial(os.write, os.open(os.devnull, os.O_WRONLY))
    return [
        bare_span(),
        *(Contender(name, request(app, "/stream", spec_version="2.3", sink=sink)) for name, app in stacks.items()),
        *(Contender(name, wsgi.request(app, "/stream", sink=sink)) for name, app in on_flask.items()),
    ]


def table(bench: Bench) -> Table:
    """Whole requests, in units of the bare one."""
    samples = bench.both(__name__)
    names = [name for name in samples["spans"] if ": " in name]
    bare = {name: f"{name.partition(': ')[0]}: bare" for name in names}
    return Table(
        title="A streamed body",
        text=(
            f"A response of {CHUNKS:,} chunks; the whole request, in units of the bare one. Without a server, but with "
            "the least that one does: each chunk is written, to `/dev/null`."
        ),
        header=("", *(CONFIG_TITLES[config] for config in CONFIGS)),
        rows=[(name, *(cell(ratio(samples[config], name, bare[name])) for config in CONFIGS)) for name in names],
        targets=[
            Target(
                f"{CHUNKS:,} chunks through {name}, {CONFIG_TITLES[config]}",
                ratio(samples[config], name, unit).value,
                1.3,
            )
            for name, unit in TARGETS.items()
            for config in CONFIGS
        ],
    )
