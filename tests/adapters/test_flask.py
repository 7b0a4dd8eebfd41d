"""The contract suite on Flask, and on WSGI without it."""

import pytest

from tests.adapters import wsgi_apps
from tests.adapters.contract import AdapterContract
from tests.adapters.harness import Call, own_span


class TestFlask(AdapterContract):
    """Four applications, one suite."""

    @pytest.fixture(params=["flask_sync", "flask_async", "flask_configured", "flask_propagating"])
    def build(self, request):
        """Options in the call and in the configuration, async views, exceptions that escape, ours inside and around."""
        return getattr(wsgi_apps, request.param)


class TestWsgi(AdapterContract):
    """No framework, and so no routes that anybody could know of."""

    @pytest.fixture
    def build(self):
        return wsgi_apps.wsgi_wrapped

    def test_the_request_has_one_server_span_with_route_method_status_and_path(self, web):
        """The span is named by its method: the path would make a name of each kettle."""
        span = own_span(web.send(Call(path="/item/kettle-4711")).spans)
        assert span.name == "GET"
        assert "http.route" not in span.attributes
        assert span.attributes["url.path"] == "/item/kettle-4711"
        assert (span.attributes["http.request.method"], span.attributes["http.response.status_code"]) == ("GET", 200)

    @staticmethod
    def _named(request):
        return request.environ["wsgiorg.routing_args"][1]["name"]

    def test_what_only_the_route_knows_is_asked_again(self, build, exported):
        """What a router puts into the environ is not there when the request arrives; the run gets it all the same."""
        answer = build(exported, event_id=self._named).send(Call(path="/item/kettle"))
        assert own_span(answer.spans).attributes["botanu.event_id"] == "kettle"

    def test_what_only_the_route_knows_is_no_warning(self, build, exported, caplog):
        """That it was asked before is nobody's mistake."""
        build(exported, event_id=self._named).send(Call(path="/item/kettle"))
        assert [record for record in caplog.records if record.name == "botanu"] == []
