"""A small web application for servers that fork: every request is a run and says who served it."""

import json
import os

import botanu

__all__ = ["asgi", "wsgi"]

# An interval beyond any test: what arrives has been sent at the end of a worker.
botanu.enable(service_name="shop", instrument="none", export_interval_s=600, metric_interval_s=600)


def _checkout() -> bytes:
    with botanu.event(workflow="Checkout", customer_id="c1") as run:
        with botanu.step("pay"):
            return json.dumps({"pid": os.getpid(), "run_id": run.run_id}).encode()


def wsgi(environ, start_response):
    """For gunicorn's own workers."""
    body = _checkout()
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    """For uvicorn's workers. They end by the signal that stopped them, past atexit: the lifespan sends what is left."""
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{what}"
            if what == "shutdown":
                botanu.disable()
            await send({"type": f"lifespan.{what}.complete"})
    elif scope["type"] == "http":
        body = _checkout()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
