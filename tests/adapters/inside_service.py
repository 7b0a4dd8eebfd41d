"""A service of our own, in a process of its own: ``python -m tests.adapters.inside_service --receiver URL``."""

import argparse

from fastapi import FastAPI, Request
from opentelemetry import trace

import botanu
from botanu_fastapi import BotanuMiddleware
from demo.loopback import child_arguments
from demo.serving import serve

__all__ = ["create_app"]


def create_app() -> FastAPI:
    """One page that says which run it is in and what came with the request."""
    app = FastAPI()
    app.add_middleware(BotanuMiddleware)

    @app.get("/where")
    async def where(request: Request) -> dict[str, object]:
        trace.get_tracer("library").start_span("inside").end()
        run = botanu.get_current_run()
        return {
            "run_id": run.run_id if run else None,
            "workflow": run.workflow if run else None,
            "customer_id": run.customer_id if run else None,
            "baggage": request.headers.getlist("baggage"),
        }

    return app


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receiver", required=True, help="where spans go")
    wanted = child_arguments(parser)
    botanu.enable(service_name="inside", otlp_endpoint=wanted.receiver, instrument="none", export_interval_s=0.05)
    serve(create_app(), port=wanted.port)


if __name__ == "__main__":
    main()
