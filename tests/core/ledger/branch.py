"""A web application in a process of its own that makes model calls, and may ask another to make some in the same run.

``python -m tests.core.ledger.branch --receiver URL [--next URL]``
"""

import argparse

import httpx
from fastapi import FastAPI

import botanu
from botanu.tracking.llm import track_llm_call, track_tool_call
from botanu_fastapi import BotanuMiddleware
from demo.loopback import child_arguments
from demo.serving import serve
from tests.core.ledger.prices import CONTRACT

__all__ = ["create_app"]


def create_app(next_url: str) -> FastAPI:
    """``/last`` makes two calls and a search; ``/first`` names the run, makes one call, and asks the next service."""
    app = FastAPI()
    app.add_middleware(BotanuMiddleware)

    @app.get("/last")
    async def last() -> None:
        for name in ("last-1", "last-2", "last-1"):
            with track_llm_call("openai", "priced") as call:
                call.set_tokens(1000, 1000).set_request_id(name)
        with track_tool_call("search"):
            pass

    @app.get("/first")
    async def first() -> str:
        with botanu.event(workflow="Support", event_id="T-1", customer_id="acme & söhne") as run:
            with track_llm_call("openai", "priced") as call:
                call.set_tokens(1000, 1000).set_request_id("first")
            async with httpx.AsyncClient() as client:
                (await client.get(f"{next_url}/last", timeout=20)).raise_for_status()
            return run.run_id

    return app


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receiver", required=True, help="where telemetry goes")
    parser.add_argument("--next", default="", help="the service to ask")
    wanted = child_arguments(parser)
    botanu.enable(
        service_name="first" if wanted.next else "last",
        otlp_endpoint=wanted.receiver,
        instrument=["httpx"],
        price_contracts=[CONTRACT],
        export_interval_s=600,
        metric_interval_s=600,
    )
    serve(create_app(wanted.next), port=wanted.port)


if __name__ == "__main__":
    main()
