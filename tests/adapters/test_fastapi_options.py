"""What options meet in Starlette and FastAPI only: inner middleware, CORS, mounts, applications without Starlette."""

import asyncio

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

import botanu
from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import AsgiHarness
from tests.adapters.asgi_apps import NO_NATIVE_TELEMETRY
from tests.adapters.harness import RUN_HEADER, Call, own_span
from tests.support import script

EXPOSE = "access-control-expose-headers"
ORIGIN = ("origin", b"https://shop.example")


async def page(request):
    return PlainTextResponse(botanu.get_run_id() or "none", headers={"access-control-expose-headers": "X-Total"})


def sent(exported, app, path="/", **call):
    return AsgiHarness(exported, app).send(Call(path=path, **call))


class TestFunctionsOfTheRequest:
    def test_it_is_starlettes_request(self, exported):
        """Method, URL, query and cookies; FastAPI's is the same class."""
        seen = []
        app = FastAPI(telemetry=NO_NATIVE_TELEMETRY)
        app.add_api_route("/", page)
        app.add_middleware(BotanuMiddleware, event_id=lambda request: seen.append(request) or request.cookies["ticket"])
        answer = sent(exported, app, "/?a=b", headers=[("cookie", b"ticket=T-1")])
        (request,) = seen
        assert isinstance(request, Request)
        assert (request.method, request.url.path, request.query_params["a"]) == ("GET", "/", "b")
        assert own_span(answer.spans).attributes["botanu.event_id"] == "T-1"

    def test_what_inner_middleware_has_found_out_is_asked_for_again(self, exported):
        """Who is logged in is not known when the request arrives; the chunks of the body know it."""

        class Backend(AuthenticationBackend):
            async def authenticate(self, connection):
                return AuthCredentials(["authenticated"]), SimpleUser(connection.headers["x-user"])

        async def streamed(request):
            async def chunks():
                yield botanu.get_current_run().customer_id

            return StreamingResponse(chunks())

        app = Starlette(
            routes=[Route("/", streamed)],
            middleware=[
                Middleware(BotanuMiddleware, customer_id=lambda request: request.user.display_name),
                Middleware(AuthenticationMiddleware, backend=Backend()),
            ],
        )
        answer = sent(exported, app, headers=[("x-user", b"acme")])
        assert answer.body == "acme"
        assert own_span(answer.spans).attributes["botanu.customer_id"] == "acme"

    def test_looking_at_the_session_writes_no_cookie(self, exported):
        """An extractor reads; the response is the application's."""
        app = Starlette(
            routes=[Route("/", page)],
            middleware=[
                Middleware(BotanuMiddleware, tenant_id=lambda request: request.session.get("tenant")),
                Middleware(SessionMiddleware, secret_key="k"),
            ],
        )
        answer = sent(exported, app)
        assert "set-cookie" not in dict(answer.headers)
        assert "botanu.tenant_id" not in own_span(answer.spans).attributes

    def test_an_exception_before_the_response_asks_all_the_same(self, exported):
        """The failure of a ticket is known by its ticket."""

        async def fail(request):
            raise LookupError

        app = Starlette(routes=[Route("/{ticket}", fail)])
        app.add_middleware(BotanuMiddleware, event_id=lambda request: request.path_params["ticket"])
        attributes = own_span(sent(exported, app, "/T-1").spans).attributes
        assert (attributes["botanu.event_id"], attributes["botanu.outcome.status"]) == ("T-1", "failed")

    def test_the_request_is_still_there_to_be_read(self, exported):
        """`stream` and `is_disconnected` work behind an extractor that tried."""

        async def upload(request):
            body = b"".join([chunk async for chunk in request.stream()])
            assert not await request.is_disconnected()
            return PlainTextResponse(str(len(body)))

        app = Starlette(routes=[Route("/", upload, methods=["POST"])])
        app.add_middleware(BotanuMiddleware, event_id=lambda request: request.json())
        assert sent(exported, app, method="POST", body=b"x" * 77).body == "77"


class TestExclusion:
    @pytest.mark.parametrize("root_path", ["", "/proxy"])
    def test_paths_are_those_of_the_applications_routes(self, exported, root_path):
        """What a proxy stands for is no part of them."""
        app = Starlette(routes=[Route("/health", page)])
        app.add_middleware(BotanuMiddleware, exclude=["/health"])
        web = AsgiHarness(exported, app)
        assert web.send(Call(path=f"{root_path}/health"), root_path=root_path).body == "none"
        assert web.send(Call(path=f"{root_path}/healthy"), root_path=root_path).status == 404
        assert RUN_HEADER in dict(web.send(Call(path=f"{root_path}/healthy"), root_path=root_path).headers)

    def test_a_mounted_application_excludes_its_own(self, exported):
        """By its own routes; the application around it is not asked."""
        inner = Starlette(routes=[Route("/health", page)])
        inner.add_middleware(BotanuMiddleware, exclude=["/health"])
        app = Starlette(routes=[Mount("/sub", app=inner), Route("/health", page)])
        assert sent(exported, app, "/sub/health").body == "none"


class TestCrossOrigin:
    def test_what_the_application_exposes_stays(self, exported):
        """Ours is added to it."""
        app = Starlette(routes=[Route("/", page)])
        app.add_middleware(BotanuMiddleware, expose_header=True)
        answer = sent(exported, app, headers=[ORIGIN])
        assert [value for name, value in answer.headers if name == EXPOSE] == [f"X-Total, {RUN_HEADER}"]

    @pytest.mark.parametrize("order", ["cors inside", "cors outside"])
    def test_beside_the_cors_middleware(self, exported, order):
        """Inside of ours, what it exposes is added to; outside, ours stays if it has no say of its own."""
        cors = Middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["X-Total"] * (order == "cors inside"))
        ours = Middleware(BotanuMiddleware, expose_header=True)
        stack = [ours, cors] if order == "cors inside" else [cors, ours]
        app = Starlette(routes=[Route("/", page)], middleware=stack)
        (exposed,) = [value for name, value in sent(exported, app, headers=[ORIGIN]).headers if name == EXPOSE]
        assert exposed == f"X-Total, {RUN_HEADER}"

    def test_a_preflight_is_answered_as_without_us(self, exported):
        """No run, no header, no span of ours."""
        app = Starlette(routes=[Route("/", page)], middleware=[
            Middleware(BotanuMiddleware, expose_header=True), Middleware(CORSMiddleware, allow_origins=["*"])
        ])  # fmt: skip
        answer = sent(exported, app, method="OPTIONS", headers=[ORIGIN, ("access-control-request-method", b"GET")])
        assert answer.status == 200
        assert answer.spans == ()
        assert not {RUN_HEADER, EXPOSE} & set(dict(answer.headers))


class TestSetUp:
    def test_a_mistake_is_told_where_the_application_is_wrapped(self):
        """`BotanuMiddleware(app, …)` raises at once, and says all that is wrong."""
        with pytest.raises(botanu.ConfigError, match=r"event_id must be a function .*; exclude holds 'health'"):
            BotanuMiddleware(Starlette(), event_id="T-1", exclude=["health"])

    def test_a_mistake_is_told_when_the_application_starts(self, exported):
        """`add_middleware` makes nothing before: the server does not come up."""
        app = Starlette()
        app.add_middleware(BotanuMiddleware, trust_inbound="perhaps")
        with pytest.raises(botanu.ConfigError, match="trust_inbound"):
            AsgiHarness(exported, app).start()

    def test_an_application_without_starlette_needs_none(self):
        """Until a function wants a request: then the missing extra is named."""
        done = script.run(
            """
            import asyncio, sys
            sys.modules["starlette"] = None
            import botanu
            from botanu_fastapi import BotanuMiddleware

            async def app(scope, receive, send):
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": botanu.get_run_id().encode()})

            async def send(message):
                sent.append(message)

            sent = []
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            asyncio.run(BotanuMiddleware(app, workflow="Shop", exclude=["/health"])(scope, None, send))
            assert dict(sent[0]["headers"])[b"x-botanu-run-id"] == sent[1]["body"]
            try:
                BotanuMiddleware(app, event_id=lambda request: "T-1")
            except botanu.MissingExtra as error:
                print(error)
            """
        )
        assert done.err == ""
        assert 'pip install "botanu[fastapi]"' in done.out

    def test_options_are_shared_by_all_requests_of_a_middleware(self, exported):
        """And by no other middleware."""
        first, second = (
            BotanuMiddleware(Starlette(routes=[Route("/", page)]), workflow=name) for name in ("First", "Second")
        )

        async def both():
            webs = [AsgiHarness(exported, app) for app in (first, second)]
            return [await asyncio.to_thread(web.send, Call(path="/")) for web in webs]

        answers = asyncio.run(both())
        assert [own_span(each.spans).attributes["botanu.workflow"] for each in answers] == ["First", "Second"]
