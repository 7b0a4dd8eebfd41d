"""docs/adapters.md: the adapter it shows, run as printed through the whole contract suite."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import trace

import botanu
from tests.adapters.contract import AdapterContract
from tests.adapters.harness import Call, own_span
from tests.adapters.pages import PAGES
from tests.adapters.wsgi import WsgiHarness, environ_of

GUIDE = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text(encoding="utf-8")
STATUS = "botanu.outcome.status"
ROUTES = {path: re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)) for path in PAGES}


class Request:
    """The request of a framework that is made up: headers, method, parameters of the route, and a body."""

    def __init__(self, environ: Any) -> None:
        self.method = environ["REQUEST_METHOD"]
        self.headers = {
            key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
        }
        self.view_args = environ.get("framework.parameters")
        self._input = environ["wsgi.input"]

    def get_data(self) -> bytes:
        """The body."""
        return self._input.read()


def framework(environ: Any, start_response: Any) -> Any:
    """Serves `PAGES`, and ``/upload``."""
    start_response_to = lambda code: start_response(f"{code} Some Reason", [("content-type", "text/plain")])  # noqa: E731
    if environ["PATH_INFO"] == "/upload":
        start_response_to(200)
        return [str(len(Request(environ).get_data())).encode()]
    for path, pattern in ROUTES.items():
        if found := pattern.fullmatch(environ["PATH_INFO"]):
            environ |= {"framework.route": path, "framework.parameters": found.groupdict()}
            page = PAGES[path](**found.groupdict())
            status, text = page if isinstance(page, tuple) else (200, page)
            start_response_to(status)
            return [text.encode()] if isinstance(text, str) else (chunk.encode() for chunk in text)
    start_response_to(404)
    return []


@pytest.fixture
def middleware(monkeypatch):
    """The class that the guide shows."""
    module = ModuleType("framework")
    module.Request = Request
    monkeypatch.setitem(sys.modules, "framework", module)
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    return shown["ShopMiddleware"]


class TestTheGuide(AdapterContract):
    """It keeps the whole contract."""

    @pytest.fixture
    def build(self, middleware):
        def made(exporter, *, installs=1, **options):
            app = framework
            for _ in range(installs):
                app = middleware(app, **options)
            return WsgiHarness(exporter, app)

        return made


def test_the_guide_is_short():
    """A page that can be read while one works."""
    assert GUIDE.count("\n") < 60


class TestBodies:
    """What a WSGI server may do with a body; the adapter of the guide leaves all of it to the core."""

    @pytest.fixture
    def serve(self, middleware, exported):
        """Calls an application through it, and gives the body."""

        def serve(app, **environ):
            self.harness = WsgiHarness(exported, middleware(app))
            return self.harness.app(environ_of(Call(path="/"), **environ), lambda *_: None)

        return serve

    def outcomes(self, exported):
        return [span.attributes.get(STATUS) for span in exported.get_finished_spans() if "url.path" in span.attributes]

    def test_a_body_that_is_closed_before_it_began_is_canceled(self, serve, exported):
        """Nobody has got anything."""
        serve(streaming(closed := [])).close()
        assert (self.outcomes(exported), closed) == (["canceled"], ["closed"])

    def test_a_body_that_is_closed_half_way_is_canceled_and_closed_once(self, serve, exported):
        """The inner `close` runs once, whoever calls ours how often."""
        body = serve(streaming(closed := []))
        next(body)
        body.close()
        body.close()
        assert (self.outcomes(exported), closed) == (["canceled"], ["closed"])

    def test_a_body_that_is_exhausted_needs_no_close(self, serve, exported):
        """And one that comes later changes nothing."""
        body = serve(streaming([]))
        assert len(list(body)) == 3
        assert self.outcomes(exported) == ["success"]
        body.close()
        assert self.outcomes(exported) == ["success"]

    def test_a_close_that_raises_passes(self, serve, exported):
        """The run is over all the same, and the exception the application's."""

        class Raises:
            def __iter__(self):
                return iter([b"1", b"2"])

            def close(self):
                raise LookupError("close")

        def app(environ, start_response):
            start_response("200 OK", [])
            return Raises()

        body = serve(app)
        next(body)
        with pytest.raises(LookupError, match="close"):
            body.close()
        body.close()
        assert self.outcomes(exported) == ["failed"]

    @pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
    def test_a_body_that_http_does_not_want_may_be_left(self, serve, exported, method, status):
        """Some servers only close it."""

        def app(environ, start_response):
            start_response(status, [])
            return [b""]

        serve(app, REQUEST_METHOD=method).close()
        assert self.outcomes(exported) == ["success"]

    def test_a_body_with_a_length_keeps_it(self, serve):
        """Servers make Content-Length of a single chunk."""

        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"one"]

        body = serve(app)
        assert len(body) == 1
        assert list(body) == [b"one"]

    def test_two_bodies_asked_by_turns_keep_apart(self, serve, exported):
        """A server that leads many connections in one thread takes a chunk here and a chunk there."""
        bodies = [serve(streaming([])), serve(streaming([]))]
        chunks = [[next(body) for body in bodies] for _ in range(3)]
        assert chunks[0] == chunks[1] == chunks[2]
        assert chunks[0][0] != chunks[0][1]
        for body in bodies:
            assert list(body) == []

    def test_what_a_chunk_makes_current_stays_in_the_body(self, serve, exported):
        """An `event` that is open between two chunks is not seen by who asks for them."""

        def app(environ, start_response):
            start_response("200 OK", [])

            def chunks():
                with botanu.event(workflow="Report", event_id="R-1"):
                    yield botanu.get_run_id().encode()
                    trace.get_tracer("library").start_span("late").end()
                    yield botanu.get_run_id().encode()

            return chunks()

        body = serve(app)
        first = next(body)
        assert botanu.get_run_id() is None
        assert list(body) == [first]
        spans = exported.get_finished_spans()
        assert {span.attributes["botanu.event_id"] for span in spans} == {"R-1"}
        assert own_span([span for span in spans if "url.path" in span.attributes]).attributes[STATUS] == "success"

    def test_the_path_is_text(self, serve, exported):
        """WSGI holds bytes in it; what the application is mounted below is part of it."""
        list(serve(streaming([]), SCRIPT_NAME="/shop", PATH_INFO="/café".encode().decode("latin-1")))
        (span,) = [span for span in exported.get_finished_spans() if "url.path" in span.attributes]
        assert span.attributes["url.path"] == "/shop/café"


def streaming(closed):
    """Three chunks, each the id of the run; `closed` hears of their end."""

    def app(environ, start_response):
        start_response("200 OK", [])

        class Chunks:
            def __init__(self):
                self._left = 3

            def __iter__(self):
                return self

            def __next__(self):
                if not self._left:
                    raise StopIteration
                self._left -= 1
                return botanu.get_run_id().encode()

            def close(self):
                closed.append("closed")

        return Chunks()

    return app
