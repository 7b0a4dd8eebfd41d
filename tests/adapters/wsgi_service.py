"""`PAGES` on Flask, for WSGI servers in processes of their own; ``python -m tests.adapters.wsgi_service FD`` serves."""

import os
import signal
import socket
import sys
from typing import Any

from flask import Flask

import botanu
from tests.adapters.wsgi_apps import flask_sync

__all__ = ["app", "create_app"]


def create_app() -> Flask:
    """For servers that call a factory in their children."""
    botanu.enable(service_name="shop", instrument="none", export_interval_s=0.2)
    made: Any = flask_sync(None).app
    made.add_url_rule("/green", view_func=_green)
    made.add_url_rule("/file", view_func=_file)
    made.add_url_rule("/abort", view_func=_abort)
    return made  # type: ignore[no-any-return]


def _green() -> str:
    """What a greenlet that the view starts knows of the run; like a thread, it copies no context by itself."""
    import gevent

    found = gevent.spawn(botanu.bind(botanu.get_run_id))
    gevent.sleep(0)
    return str(found.get())


def _abort() -> str:
    """Gets what gunicorn sends to a worker that takes too long."""
    os.kill(os.getpid(), signal.SIGABRT)
    return "still here"


def _file() -> Any:
    """This file, sent by the server itself where it can."""
    from flask import send_file

    return send_file(__file__, "text/plain")


app = create_app()

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server, descriptor = sys.argv[1], int(sys.argv[2])
    if server == "werkzeug":
        from werkzeug.serving import make_server

        make_server("127.0.0.1", 0, app, threaded=True, fd=descriptor).serve_forever()
    else:
        import waitress

        waitress.serve(app, sockets=[socket.socket(fileno=descriptor)], threads=8)
