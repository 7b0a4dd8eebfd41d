"""`http.route` is the template: through prefixes, mounts, converters and hosts, and never the path."""

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from botanu_fastapi import BotanuMiddleware
from tests.adapters.asgi import AsgiHarness
from tests.adapters.asgi_apps import NO_NATIVE_TELEMETRY
from tests.adapters.harness import Call, own_span


async def page(request=None):
    """Any page."""
    return PlainTextResponse("page")


async def raw_app(scope, receive, send):
    """A mounted application that knows no routes."""
    await PlainTextResponse("raw")(scope, receive, send)


def routed(exported, app, path, **call):
    """Name of the server span, and the route on it."""
    span = own_span(AsgiHarness(exported, app).send(Call(path=path, **call)).spans)
    return span.name, span.attributes.get("http.route")


def starlette_app():
    items = [Route("/items/{item}", page), Route("/items/{item}/{part:path}", page)]
    app = Starlette(
        routes=[
            Route("/", page),
            Route("/items/{item:int}", page),
            Route("/files/{path:path}", page),
            Mount("/sub/{tenant}", routes=items),
            Mount("/number/{number:int}", routes=items),
            Mount("/uuid/{id:uuid}", routes=items),
            Mount("/outer/{a}", routes=[Mount("/inner/{b}", routes=items)]),
            Mount("/plain", app=Starlette(routes=items)),
            Mount("/raw/{name}", app=raw_app),
            Mount("/static", app=StaticFiles(directory="docs")),
            Host("api.shop", app=Router(routes=[Mount("/v/{version}", routes=items)])),
            Mount("", routes=[Mount("/deep/{level}", routes=items)]),
        ]
    )
    app.add_middleware(BotanuMiddleware)
    return app


class TestStarlette:
    @pytest.mark.parametrize(
        ("path", "route"),
        [
            ("/", "/"),
            ("/items/7", "/items/{item}"),
            ("/files/a/b/c", "/files/{path}"),
            ("/sub/acme/items/3", "/sub/{tenant}/items/{item}"),
            ("/sub/items/items/items", "/sub/{tenant}/items/{item}"),
            ("/sub/sub/items/sub", "/sub/{tenant}/items/{item}"),
            ("/sub/a%20b/items/3", "/sub/{tenant}/items/{item}"),
            ("/number/007/items/3", "/number/{number}/items/{item}"),
            ("/uuid/0190F8A4-5D9E-7C3B-8F21-9A4B6C2D1E0F/items/3", "/uuid/{id}/items/{item}"),
            ("/outer/x/inner/x/items/x", "/outer/{a}/inner/{b}/items/{item}"),
            ("/plain/items/3/4/5", "/plain/items/{item}/{part}"),
            ("/raw/anything/at/all", "/raw/{name}/{path}"),
            ("/static/configuration.md", "/static/{path}"),
            ("/deep/7/items/3", "/deep/{level}/items/{item}"),
        ],
    )
    def test_the_template_is_the_route(self, exported, path, route):
        """Mounts with the parameters they were declared with, however a value is spelled in the path."""
        assert routed(exported, starlette_app(), path) == (f"GET {route}", route)

    @pytest.mark.parametrize("path", ["/none", "/sub/acme/none", "/outer/x/none", "/static/none.txt"])
    def test_what_is_not_found_has_no_route(self, exported, path):
        """A 404 is named by its method alone, below a mount too."""
        assert routed(exported, starlette_app(), path) == ("GET", None)

    def test_a_wrong_method_has_the_route_that_refused_it(self, exported):
        """405 comes from a route."""
        app = Starlette(routes=[Route("/items/{item:int}", page)])
        app.add_middleware(BotanuMiddleware)
        assert routed(exported, app, "/items/7", method="PUT") == ("PUT /items/{item}", "/items/{item}")

    def test_a_mount_behind_a_host_is_found(self, exported):
        """The host is none of the route's business, the mounts behind it are."""
        host = [("host", b"api.shop")]
        app = starlette_app()
        conversation = AsgiHarness(exported, app)
        call = Call(path="/v/2/items/3", headers=host)
        # The driver has a host header of its own; a server has one.
        inner = app

        async def with_host(scope, receive, send):
            await inner({**scope, "headers": host_only(scope)}, receive, send)

        def host_only(scope):
            return [(name, value) for name, value in scope["headers"] if (name, value) != (b"host", b"shop:8000")]

        conversation.app = with_host
        span = own_span(conversation.send(call).spans)
        assert span.attributes["http.route"] == "/v/{version}/items/{item}"

    @pytest.mark.parametrize("root_path", ["/proxy", "/items"])
    def test_the_prefix_of_a_proxy_is_no_part_of_it(self, exported, root_path):
        """What `root_path` says was taken off, or stands before, every path of this application."""
        web = AsgiHarness(exported, starlette_app())
        answer = web.send(Call(path=f"{root_path}/sub/acme/items/3"), root_path=root_path)
        assert own_span(answer.spans).attributes["http.route"] == "/sub/{tenant}/items/{item}"


def fastapi_app(telemetry=NO_NATIVE_TELEMETRY):
    users = APIRouter(prefix="/u")
    users.add_api_route("/{n}", page)
    users.mount("/mounted/{m}", Starlette(routes=[Route("/items/{item}", page)]))
    api = APIRouter(prefix="/api")
    api.include_router(users)
    sub = FastAPI(telemetry=telemetry)
    sub.add_api_route("/items/{id}", page)
    sub.include_router(api, prefix="/deep")
    app = FastAPI(telemetry=telemetry)
    app.add_api_route("/items/{id}", page)
    app.include_router(api)
    app.include_router(users, prefix="/other/{tenant}")
    app.mount("/sub/{tenant}", sub)
    app.mount("/static", StaticFiles(directory="docs"))
    return app


FASTAPI_ROUTES = [
    ("/items/3", "/items/{id}"),
    ("/api/u/7", "/api/u/{n}"),
    ("/other/acme/u/7", "/other/{tenant}/u/{n}"),
    ("/sub/acme/items/3", "/sub/{tenant}/items/{id}"),
    ("/sub/acme/deep/api/u/7", "/sub/{tenant}/deep/api/u/{n}"),
    ("/api/mounted/x/items/3", "/api/mounted/{m}/items/{item}"),
    ("/sub/acme/deep/api/mounted/x/items/3", "/sub/{tenant}/deep/api/mounted/{m}/items/{item}"),
    ("/static/configuration.md", "/static/{path}"),
]


class TestFastAPI:
    @pytest.mark.parametrize(("path", "route"), FASTAPI_ROUTES)
    def test_the_template_is_the_route(self, exported, path, route):
        """Prefixes of included routers and mounts are part of it."""
        app = fastapi_app()
        app.add_middleware(BotanuMiddleware)
        assert routed(exported, app, path) == (f"GET {route}", route)

    @pytest.mark.parametrize(("path", "route"), [row for row in FASTAPI_ROUTES if "mounted" not in row[0]])
    def test_it_agrees_with_fastapis_own_telemetry(self, exported, path, route):
        """Where FastAPI makes the span it has the same name. (It does not look into a Starlette mounted in itself.)"""
        app = fastapi_app(telemetry=None)
        app.add_middleware(BotanuMiddleware)
        assert routed(exported, app, path) == (f"GET {route}", route)

    @pytest.mark.parametrize("path", ["/none", "/sub/acme/none", "/static/none.txt", "/api/u"])
    def test_what_is_not_found_has_no_route(self, exported, path):
        """As on Starlette."""
        app = fastapi_app()
        app.add_middleware(BotanuMiddleware)
        assert routed(exported, app, path) == ("GET", None)

    @pytest.mark.parametrize(("path", "route"), FASTAPI_ROUTES)
    def test_it_is_the_same_from_outside(self, exported, path, route):
        """Wrapped around the application."""
        assert routed(exported, BotanuMiddleware(fastapi_app()), path)[1] == route

    def test_it_is_the_same_through_other_middleware(self, exported):
        """`BaseHTTPMiddleware` runs the application in a task of its own; the route comes out all the same."""
        app = fastapi_app()
        app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
        app.add_middleware(BotanuMiddleware)
        assert routed(exported, app, "/sub/acme/items/3")[1] == "/sub/{tenant}/items/{id}"

    def test_a_middleware_of_a_mounted_application_sees_the_whole_template(self, exported):
        """Added to the inner application only: the mount around it is part of the route."""
        inner = FastAPI(telemetry=NO_NATIVE_TELEMETRY)
        inner.add_api_route("/items/{id}", page)
        inner.add_middleware(BotanuMiddleware)
        outer = Starlette(routes=[Mount("/sub/{tenant}", app=inner)])
        assert routed(exported, outer, "/sub/acme/items/3")[1] == "/sub/{tenant}/items/{id}"
