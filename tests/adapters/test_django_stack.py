"""RunMiddleware among what else a Django project has: routes, other middleware, settings, logs, OpenTelemetry."""

import asyncio
import io
import logging

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.core.signals import request_finished
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import include, path, re_path
from opentelemetry.instrumentation.django import DjangoInstrumentor

import botanu
from botanu_core.errors import ConfigError
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import AsgiHarness
from tests.adapters.django_apps import RUN_MIDDLEWARE, project, set_up
from tests.adapters.harness import RUN_HEADER, Call, own_span

STATUS = "botanu.outcome.status"
set_up()
servers = pytest.mark.parametrize("is_asgi", [False, True], ids=["WSGI", "ASGI"])


def view(request, *arguments, **parameters):
    """Answers with the run."""
    return HttpResponse(botanu.get_run_id() or "none")


def missing(request):
    """Answers 404."""
    return HttpResponse(status=404)


def stops(get_response):
    """Middleware that answers by itself."""
    return lambda request: HttpResponse("stopped")


class TestRoutes:
    URLS = (
        path("shops/<slug:shop>/", include([path("items/<int:item>/", view)])),
        re_path(r"^archive/(?P<year>[0-9]{4})/", include([re_path(r"^page-(\d+)/$", view)])),
        path("", view),
    )

    @servers
    @pytest.mark.parametrize(
        ("asked", "route"),
        [
            ("/shops/acme/items/4711/", "/shops/<slug:shop>/items/<int:item>/"),
            ("/archive/2026/page-7/", "/archive/<year>/page-<var>/"),
            ("/", "/"),
        ],
    )
    def test_the_route_is_the_template_with_all_that_includes_it(self, exported, is_asgi, asked, route):
        """Never the path; a regular expression is told by its groups."""
        span = own_span(project(exported, self.URLS, is_asgi=is_asgi).send(Call(path=asked)).spans)
        assert (span.name, span.attributes["http.route"]) == (f"GET {route}", route)

    def test_where_there_is_none_none_is_told(self, exported):
        """A 404 has no route, and its path makes no span name."""
        span = own_span(project(exported, self.URLS).send(Call(path="/none/4711")).spans)
        assert span.name == "GET"
        assert "http.route" not in span.attributes


class TestOtherMiddleware:
    SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
    COMMON = "django.middleware.common.CommonMiddleware"

    @servers
    @pytest.mark.parametrize("kind", [list, tuple])
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_it_may_stand_anywhere(self, exported, is_asgi, kind, place):
        """First, in the middle, last; in a list or a tuple."""
        stack = [self.SESSIONS, self.COMMON]
        stack.insert(place, RUN_MIDDLEWARE)
        web = project(exported, [path("", view)], is_asgi=is_asgi, middleware=kind(stack))
        answer = web.send(Call(path="/"))
        assert answer.body == answer.run_id == own_span(answer.spans).attributes["botanu.run_id"]

    def test_below_one_that_answers_by_itself_there_is_no_run(self, exported):
        """And no error."""
        web = project(exported, [path("", view)], middleware=(f"{__name__}.stops", RUN_MIDDLEWARE))
        answer = web.send(Call(path="/"))
        assert (answer.body, answer.spans) == ("stopped", ())
        assert RUN_HEADER not in dict(answer.headers)

    def test_nobody_is_asked_who_the_user_is(self, exported):
        """The session is not opened, so that caches need not vary by cookie."""
        web = project(
            exported,
            [path("", view)],
            middleware=(self.SESSIONS, RUN_MIDDLEWARE),
            SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        )
        assert "vary" not in dict(web.send(Call(path="/")).headers)

    def test_what_middleware_has_put_on_the_request_is_there_for_functions(self, exported):
        """Asked again when the answer is there: by then middleware inside has told who it is."""
        web = project(
            exported,
            [path("", view)],
            middleware=(RUN_MIDDLEWARE, f"{__name__}.knows_customer"),
            BOTANU={"customer_id": lambda request: request.customer},
        )
        assert own_span(web.send(Call(path="/")).spans).attributes["botanu.customer_id"] == "acme"


def knows_customer(get_response):
    """Middleware that says for whom the request is."""

    def middleware(request):
        request.customer = "acme"
        return get_response(request)

    return middleware


class TestSettings:
    def test_an_override_takes_effect_and_ends(self, exported):
        """Between two requests of one handler."""
        web = project(exported, [path("", view)])
        web.start()
        for options, expected in ((None, "unnamed"), ({"workflow": "Shop"}, "Shop"), (None, "unnamed")):
            with override_settings(BOTANU=options):
                assert own_span(web.send(Call(path="/")).spans).attributes["botanu.workflow"] == expected

    def test_a_mistake_in_an_override_is_an_error_there(self, exported):
        """Not in the next request."""
        web = project(exported, [path("", view)])
        web.start()
        with pytest.raises(ConfigError, match="worflow is no option"), override_settings(BOTANU={"worflow": "Shop"}):
            pass
        assert web.send(Call(path="/")).status == 200

    @pytest.mark.parametrize("wrong", [["workflow"], "Shop", 7])
    def test_what_is_no_dict_is_an_error_before_the_first_request(self, exported, wrong):
        """With the mend."""
        with pytest.raises(ConfigError, match="must be a dict of options, such as"):
            project(exported, [path("", view)], BOTANU=wrong).start()


class TestFiles:
    def test_the_server_gets_the_file_itself(self, exported):
        """`wsgi.file_wrapper` is used as it is without us, and the run ends when the server closes."""
        served = []

        class Wrapper:
            def __init__(self, file, block_size):
                served.append(file)
                self.close = file.close

            def __iter__(self):
                return iter([b"sent by the kernel"])

        file = io.BytesIO(b"content")
        web = project(exported, [path("", lambda request: FileResponse(file))])
        answer = web.send(Call(path="/"), **{"wsgi.file_wrapper": Wrapper})
        assert (served, answer.body) == ([file], "sent by the kernel")
        assert own_span(answer.spans).attributes[STATUS] == "success"

    @servers
    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
    def test_where_the_server_has_no_way_it_is_a_stream(self, exported, is_asgi):
        """The whole file, and a success."""
        web = project(exported, [path("", lambda request: FileResponse(io.BytesIO(b"content")))], is_asgi=is_asgi)
        answer = web.send(Call(path="/"))
        assert (answer.body, own_span(answer.spans).attributes[STATUS]) == ("content", "success")


class TestSignals:
    def test_receivers_of_request_finished_run_outside_and_do_not_fail(self, exported):
        """The run is over by then, for a stream too."""
        seen = []

        def receiver(**_):
            seen.append(botanu.get_run_id())
            botanu.emit_outcome("failed")

        request_finished.connect(receiver)
        try:
            web = project(
                exported, [path("", view), path("stream", lambda request: StreamingHttpResponse(iter([b"1"])))]
            )
            spans = [own_span(web.send(Call(path=each)).spans) for each in ("/", "/stream")]
        finally:
            request_finished.disconnect(receiver)
        assert seen == [None, None]
        assert [span.attributes[STATUS] for span in spans] == ["success", "success"]


class TestLogs:
    @servers
    @pytest.mark.parametrize("asked", ["/missing", "/nowhere", "/boom"])
    def test_what_django_says_of_a_request_carries_its_run(self, exported, caplog, is_asgi, asked):
        """A 4xx is logged behind all middleware, a 500 inside of ours."""

        def boom(request):
            raise LookupError

        caplog.handler.addFilter(botanu.RunIdFilter())
        answer = project(exported, [path("missing", missing), path("boom", boom)], is_asgi=is_asgi).send(
            Call(path=asked)
        )
        (record,) = [each for each in caplog.records if each.name == "django.request"]
        assert record.run_id == answer.run_id

    def test_what_is_about_no_request_has_the_default(self, caplog):
        """Such as the lines of the development server, whose request is a socket."""
        caplog.handler.addFilter(botanu.RunIdFilter())
        logging.getLogger("django.server").warning("GET / 200", extra={"request": object()})
        assert caplog.records[-1].run_id == "-"


class TestOpenTelemetry:
    @pytest.fixture
    def instrumented(self, monkeypatch):
        """Switches the instrumentor on for a list of middleware, at a position of it."""
        instrumentor = DjangoInstrumentor()

        def on(stack, position):
            with override_settings(MIDDLEWARE=list(stack)):
                monkeypatch.setenv("OTEL_PYTHON_DJANGO_MIDDLEWARE_POSITION", str(position))
                instrumentor.instrument()
                return list(settings.MIDDLEWARE)

        yield on
        with override_settings(MIDDLEWARE=list(settings.MIDDLEWARE)):
            instrumentor.uninstrument()

    @servers
    @pytest.mark.parametrize("position", [0, 1], ids=["outside", "inside"])
    @pytest.mark.parametrize("asked", ["/", "/boom"])
    def test_its_instrumentor_on_either_side(self, exported, instrumented, caplog, is_asgi, position, asked):
        """One server span, one run on all of them, told once how it ended."""

        def boom(request):
            raise LookupError

        stack = instrumented([RUN_MIDDLEWARE], position)
        assert len(stack) == 2
        web = project(exported, [path("", view), path("boom", boom)], is_asgi=is_asgi, middleware=stack)
        answer = web.send(Call(path=asked))
        own = own_span(answer.spans)
        assert {span.attributes["botanu.run_id"] for span in answer.spans} == {answer.run_id}
        assert own.attributes[STATUS] == ("success" if asked == "/" else "failed")
        assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


class TestAroundTheApplication:
    def test_channels_through_the_asgi_adapter(self, exported):
        """One adapter around the router leads websockets and requests: one run each, and Django's route is told."""
        from channels.generic.websocket import AsyncWebsocketConsumer
        from channels.routing import ProtocolTypeRouter, URLRouter

        class Talk(AsyncWebsocketConsumer):
            async def receive(self, text_data=None, bytes_data=None):
                await self.send(text_data=botanu.get_run_id() or "none")

        web = project(exported, [path("items/<int:item>", view)], is_asgi=True)
        talk = URLRouter([path("talk", Talk.as_asgi())])

        async def http(scope, receive, send):
            await web.app(scope, receive, send)

        router = BotanuMiddleware(ProtocolTypeRouter({"http": http, "websocket": talk}))
        with override_settings(**web._project.settings):
            answer = AsgiHarness(exported, router).send(Call(path="/items/7"))
        span = own_span(answer.spans)
        assert answer.body == answer.run_id == span.attributes["botanu.run_id"]
        assert (span.name, span.attributes[STATUS]) == ("GET /items/<int:item>", "success")

        async def talked():
            talk = ApplicationCommunicator(router, {"type": "websocket", "path": "/talk", "headers": []})
            await talk.send_input({"type": "websocket.connect"})
            await talk.receive_output()
            await talk.send_input({"type": "websocket.receive", "text": "hello"})
            said = await talk.receive_output()
            await talk.send_input({"type": "websocket.disconnect", "code": 1000})
            await talk.wait()
            return said["text"]

        exported.clear()
        said = asyncio.run(talked())
        assert own_span(exported.get_finished_spans()).attributes["botanu.run_id"] == said
