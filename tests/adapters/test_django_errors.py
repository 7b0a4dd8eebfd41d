"""Every way a Django request can fail, and whose fault it is."""

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import connection, transaction
from django.http import Http404, HttpResponse
from django.test import Client, override_settings
from django.urls import path

import botanu
from tests.adapters.django_apps import RUN_MIDDLEWARE, project, set_up
from tests.adapters.harness import Call, own_span

STATUS = "botanu.outcome.status"
OUTER = f"{__name__}.Answers"
INNER = f"{__name__}.Breaks"
set_up()
servers = pytest.mark.parametrize("is_asgi", [False, True], ids=["WSGI", "ASGI"])


class Broken(Exception):
    """What views and middleware raise."""


def Answers(get_response):
    """Middleware that answers for exceptions of views."""

    class Middleware:
        def __call__(self, request):
            return get_response(request)

        def process_exception(self, request, exception):
            return HttpResponse("sorry", status=int(request.GET["as"]))

    return Middleware()


def Breaks(get_response):
    """Middleware that fails by itself."""

    def middleware(request):
        raise Broken("in a middleware")

    return middleware


def raising(error):
    """A view that raises it, and the same with the run named by an event."""

    def view(request):
        raise error

    return [path("plain", view), path("named", botanu.event(workflow="Shop", event_id="7")(view))]


@servers
@pytest.mark.parametrize("at", ["/plain", "/named"])
@pytest.mark.parametrize(
    ("error", "status"),
    [(Http404("no"), 404), (PermissionDenied("no"), 403), (SuspiciousOperation("no"), 400), (BadRequest("no"), 400)],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_that_is_an_answer_is_no_failure(exported, is_asgi, error, status, at):
    """Like any 4xx it leaves the outcome open, inside an `event` too, and nothing is written as an error."""
    answer = project(exported, raising(error), is_asgi=is_asgi).send(Call(path=at))
    span = own_span(answer.spans)
    assert answer.status == span.attributes["http.response.status_code"] == status
    assert STATUS not in span.attributes
    assert "error.type" not in span.attributes
    assert answer.run_id == span.attributes["botanu.run_id"]


@servers
def test_an_unhandled_exception_is_told_by_its_class(exported, is_asgi):
    """Django answers 500 inside of us; the exception is on the span once, and the header on the answer."""
    answer = project(exported, raising(Broken("no")), is_asgi=is_asgi).send(Call(path="/plain"))
    span = own_span(answer.spans)
    assert (answer.status, span.attributes[STATUS], span.attributes["error.type"]) == (500, "failed", "Broken")
    assert [event.name for event in span.events] == ["exception"]
    assert answer.run_id == span.attributes["botanu.run_id"]


@servers
def test_a_middleware_inside_that_raises_is_told_likewise(exported, is_asgi):
    """No `process_exception` hears of it; Django's signal does."""
    web = project(exported, [], is_asgi=is_asgi, middleware=(RUN_MIDDLEWARE, INNER))
    answer = web.send(Call(path="/"))
    span = own_span(answer.spans)
    assert (answer.status, span.attributes[STATUS], span.attributes["error.type"]) == (500, "failed", "Broken")


@servers
@pytest.mark.parametrize(("status", "outcome", "kind"), [(200, "success", None), (503, "failed", "Broken")])
@pytest.mark.parametrize("order", [(OUTER, RUN_MIDDLEWARE), (RUN_MIDDLEWARE, OUTER)], ids=["outside", "inside"])
def test_what_middleware_answers_for_goes_by_the_answer(exported, is_asgi, status, outcome, kind, order):
    """A page instead of an exception is a success; where it is an error, we say which, if we are told."""
    web = project(exported, raising(Broken("no")), is_asgi=is_asgi, middleware=order)
    answer = web.send(Call(path=f"/plain?as={status}"))
    attributes = own_span(answer.spans).attributes
    is_told = order[0] == OUTER
    assert (answer.status, attributes[STATUS]) == (status, outcome)
    assert attributes.get("error.type") == (kind if is_told else None)


@servers
def test_an_exception_that_is_to_be_seen_passes(exported, is_asgi):
    """DEBUG_PROPAGATE_EXCEPTIONS: the same object, and the run ends once."""
    error = Broken("no")
    web = project(exported, raising(error), is_asgi=is_asgi, DEBUG_PROPAGATE_EXCEPTIONS=True)
    answer = web.send(Call(path="/plain"))
    if not is_asgi:
        assert answer.error is error
    assert own_span(answer.spans).attributes[STATUS] == "failed"


@pytest.mark.parametrize("raises", [True, False])
def test_the_test_client_raises_as_it_is_told(exported, raises):
    """`raise_request_exception` shows the view's own exception."""
    error = Broken("no")
    web = project(exported, raising(error))
    with override_settings(**web._project.settings):
        client = Client(raise_request_exception=raises)
        if raises:
            with pytest.raises(Broken) as caught:
                client.get("/plain")
            assert caught.value is error
        else:
            assert client.get("/plain").status_code == 500
    assert own_span(exported.get_finished_spans()).attributes[STATUS] == "failed"


class TestAtomicRequests:
    @pytest.fixture
    def atomic(self, monkeypatch):
        """As ATOMIC_REQUESTS says, with a table."""
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
            cursor.execute("CREATE TABLE child (id INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)")
        yield
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE child")
            cursor.execute("DROP TABLE parent")

    def test_a_commit_that_fails_is_a_failure(self, exported, atomic):
        """The view has returned a 200; the constraint is checked after it."""

        def view(request):
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO child VALUES (7)")
            return HttpResponse("ok")

        answer = project(exported, [path("", view)]).send(Call(path="/"))
        attributes = own_span(answer.spans).attributes
        assert (answer.status, attributes[STATUS], attributes["error.type"]) == (500, "failed", "IntegrityError")

    def test_we_change_nothing_of_the_transaction(self, exported, atomic):
        """What the view says about rollback stands; we open no query."""
        seen = []

        def view(request):
            seen.append(connection.in_atomic_block)
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO parent VALUES (1)")
            transaction.set_rollback(True)
            return HttpResponse("ok")

        queries = []
        with connection.execute_wrapper(lambda execute, sql, *more: (queries.append(sql), execute(sql, *more))[1]):
            assert project(exported, [path("", view)]).send(Call(path="/")).status == 200
        with connection.cursor() as cursor:
            assert cursor.execute("SELECT count(*) FROM parent").fetchone() == (0,)
        assert seen == [True]
        assert queries == ["BEGIN", "INSERT INTO parent VALUES (1)"]


class TestRestFramework:
    def send(self, exported, error, decorate=lambda get: get):
        """Ask a view that raises what `error`, its name or itself, says."""
        from rest_framework import exceptions, views  # which read Django's settings when they are loaded

        class View(views.APIView):
            authentication_classes = ()
            permission_classes = ()

            @decorate
            def get(self, request):
                raise getattr(exceptions, error)() if isinstance(error, str) else error

        web = project(exported, [path("", View.as_view())], REST_FRAMEWORK={"UNAUTHENTICATED_USER": None})
        return web.send(Call(path="/"))

    @pytest.mark.parametrize(
        ("error", "status", "outcome", "kind"),
        [
            ("NotFound", 404, None, None),
            ("Throttled", 429, None, None),
            ("ParseError", 400, None, None),
            (PermissionDenied("no"), 403, None, None),
            ("APIException", 500, "failed", None),
            (Broken("no"), 500, "failed", "Broken"),
        ],
    )
    def test_its_exceptions_go_by_their_status(self, exported, error, status, outcome, kind):
        """Those it answers for never reach us; those it does not are told by their class."""
        answer = self.send(exported, error)
        attributes = own_span(answer.spans).attributes
        assert (answer.status, attributes.get(STATUS), attributes.get("error.type")) == (status, outcome, kind)

    @pytest.mark.parametrize(("error", "outcome"), [("NotFound", None), ("APIException", "failed")])
    def test_in_an_event_they_do_likewise(self, exported, error, outcome):
        """A 4xx that leaves the block is an answer, a 5xx a failure."""
        answer = self.send(exported, error, botanu.event(workflow="Shop", event_id="7"))
        assert own_span(answer.spans).attributes.get(STATUS) == outcome
