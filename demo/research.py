"""The second service: it reads up on a question with two models, and is asked by the front desk over HTTP."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

import botanu
from botanu_fastapi import BotanuMiddleware
from demo.loopback import child_arguments
from demo.models import ARCHIVIST, Models
from demo.serving import CONTRACTS, INSTRUMENT, serve, while_connected
from demo.tickets import Twist

__all__ = ["Query", "create_app"]

_MODEL_TIMEOUT_S = 0.5
_GATEWAY_TIMEOUT = 504
_ARCHIVE_TOKENS = "205000"


class Query(BaseModel):
    """What the front desk wants to know; `key` names the call that shall be held back, if the twist wants one."""

    question: str
    key: str
    twist: Twist = "none"


def create_app(provider_url: str) -> FastAPI:
    """The service, with telemetry flushed when it stops."""
    models = Models(provider_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with models:
            yield
        botanu.disable()

    app = FastAPI(title="Research", lifespan=lifespan)
    app.add_middleware(BotanuMiddleware)

    @app.post("/research")
    async def research(query: Query, request: Request) -> dict[str, str]:
        return {"notes": await while_connected(request, read_up(models, query))}

    return app


async def read_up(models: Models, query: Query) -> str:
    """Find the passages, then read them; both belong to the run that the front desk opened."""
    with botanu.step("retrieve"):
        vector = await models.embed(query.question)
    with botanu.step("read"):
        question = f"Passage {sum(vector):.3f}. {query.question}"
        try:
            # The limit lies around the last call alone, which the provider holds back whenever it is to strike: so
            # what is given up has never been billed, and the invoice can be compared token by token.
            async with asyncio.timeout(_MODEL_TIMEOUT_S if query.twist == "timeout" else None):
                if query.twist == "archive":
                    return await models.claude(
                        [{"role": "user", "content": question}], model=ARCHIVIST, headers=_steering(query)
                    )
                return await models.claude_or_gpt(question, headers=_steering(query))
        except TimeoutError:
            raise HTTPException(_GATEWAY_TIMEOUT, "the model was too slow") from None


def _steering(query: Query) -> dict[str, str]:
    match query.twist:
        case "fallback":
            return {"x-demo-fault": "429"}
        case "cancel" | "timeout":
            return {"x-demo-hold": query.key}
        case "archive":
            return {"x-demo-archive": _ARCHIVE_TOKENS}
        case _:
            return {}


def main() -> None:
    """Serve until SIGTERM; the first line on standard output is ``{"port": …}``."""
    parser = argparse.ArgumentParser(prog="python -m demo.research", description=__doc__)
    parser.add_argument("--provider", required=True, help="address of the model provider")
    wanted = child_arguments(parser)
    botanu.enable(service_name="research", instrument=INSTRUMENT, price_contracts=[CONTRACTS])
    serve(create_app(wanted.provider), port=wanted.port)


if __name__ == "__main__":
    main()
