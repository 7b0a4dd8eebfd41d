"""A whole project, in processes of its own: `manage.py`, system checks, and what runs an application's tests."""

import pytest
from django.conf import settings
from django.core import checks
from django.test import override_settings

from botanu_django.checks import check_middleware, check_options
from tests.adapters.django_apps import RUN_MIDDLEWARE, set_up
from tests.support import script

set_up()
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "tests.adapters.django_service",
    **{f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")},
}


def manage(*arguments, **variables):
    """What ``manage.py`` says to these arguments."""
    code = f"from django.core.management import execute_from_command_line as run; run(['manage.py', *{arguments!r}])"
    return script.run(code, **(SETTINGS | variables))


class TestChecks:
    @pytest.mark.parametrize(
        ("given", "ids", "hint"),
        [
            (None, [], ""),
            ({}, [], ""),
            ({"workflow": "Shop", "exclude": ["/health"]}, [], ""),
            (["workflow"], ["botanu.E001"], ""),
            ({"worflow": "Shop"}, ["botanu.E002"], "did you mean workflow?"),
            ({7: "Shop"}, ["botanu.E002"], "they are"),
            ({"exclude": "/health"}, ["botanu.E003"], "write ['/health']"),
            ({"event_id": "T-1"}, ["botanu.E003"], "write event_id=lambda"),
            ({"worflow": "Shop", "capture": 1}, ["botanu.E002", "botanu.E003"], ""),
        ],
    )
    def test_a_mistake_in_the_setting_has_an_id(self, monkeypatch, given, ids, hint):
        """Each of them, with its mend; what is right has none."""
        monkeypatch.setattr(settings, "BOTANU", given, raising=False)
        found = check_options()
        assert [each.id for each in found] == ids
        assert all(isinstance(each, checks.Error) for each in found)
        assert hint in "".join(each.hint or "" for each in found)

    @pytest.mark.parametrize(
        ("middleware", "ids"),
        [
            ([], ["botanu.W001"]),
            ([RUN_MIDDLEWARE], []),
            ((RUN_MIDDLEWARE, "no.such.Middleware"), []),
            ([f"{__name__}.Ours"], []),
            ([RUN_MIDDLEWARE, f"{__name__}.Ours"], ["botanu.W002"]),
            ([RUN_MIDDLEWARE, RUN_MIDDLEWARE], ["botanu.W002"]),
        ],
    )
    def test_the_middleware_is_there_once(self, middleware, ids):
        """Missing or listed twice is a warning; a subclass counts."""
        with override_settings(MIDDLEWARE=middleware):
            found = check_middleware()
        assert [each.id for each in found] == ids
        assert all(each.hint for each in found)


def __getattr__(name):
    """A middleware of the application that is made of ours."""
    if name != "Ours":
        raise AttributeError(name)
    from botanu_django import RunMiddleware

    return type("Ours", (RunMiddleware,), {})


class TestManage:
    def test_check_says_what_is_wrong(self):
        """By its id, and the command fails."""
        ended = manage("check", BOTANU_TEST_OPTIONS="{'worflow': 'Shop'}")
        assert ended.code == 1
        assert "(botanu.E002) worflow is no option" in ended.err
        assert "did you mean workflow?" in ended.err

    def test_check_says_nothing_where_all_is_well(self):
        """Not even a warning."""
        ended = manage("check", "--fail-level", "WARNING")
        assert (ended.code, ended.err) == (0, "")

    def test_the_command_prints_the_report(self):
        """Of what `AppConfig.ready` has switched on."""
        ended = manage("botanu")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith("Botanu ")
        assert "traces     off (OTEL_TRACES_EXPORTER=none)" in ended.out

    def test_commands_are_in_no_run(self):
        """`shell`, as any other command: no run, no warning, the default in log records."""
        ended = manage("shell", "--no-imports", "-c", "import botanu; print('run', botanu.get_run_id())")
        assert (ended.code, ended.err, ended.out.strip()) == (0, "", "run None")

    def test_importing_reads_no_settings(self):
        """Before Django is configured, and without being so afterwards."""
        code = "import botanu_django; from django.conf import settings; print(settings.configured)"
        ended = script.run(code)
        assert (ended.code, ended.err, ended.out.strip()) == (0, "", "False")


TESTS = """
import asyncio, urllib.request
import pytest
from django.test import AsyncClient, Client, LiveServerTestCase, RequestFactory, SimpleTestCase
import botanu

HEADER = "x-botanu-run-id"


@pytest.fixture(autouse=True)
def nothing_leaks():
    assert botanu.get_run_id() is None
    yield
    assert botanu.get_run_id() is None


@pytest.mark.parametrize("path", ["/plain", "/stream"])
def test_client(client, path):
    answers = [client.get(path) for _ in range(2)]
    bodies = [(b"".join(each.streaming_content) if each.streaming else each.content).split() for each in answers]
    assert [set(body) for body in bodies] == [{each.headers[HEADER].encode()} for each in answers]
    assert bodies[0] != bodies[1]


def test_async_client(async_client):
    answer = asyncio.run(async_client.get("/plain"))
    assert answer.content.decode() == answer.headers[HEADER]


def test_settings_fixture(client, settings):
    client.get("/plain")
    settings.BOTANU = {"response_header": "X-Run"}
    answer = client.get("/plain")
    assert HEADER not in answer.headers
    assert answer.content.decode() == answer.headers["X-Run"]


def test_live_server(live_server):
    with urllib.request.urlopen(live_server.url + "/stream") as answer:
        assert set(answer.read().decode().split()) == {answer.headers[HEADER]}


class Cases(SimpleTestCase):
    def test_client(self):
        assert self.client.get("/plain").headers[HEADER]


class Live(LiveServerTestCase):
    def test_live(self):
        with urllib.request.urlopen(self.live_server_url + "/plain") as answer:
            assert answer.read().decode() == answer.headers[HEADER]
"""


def test_an_application_tests_itself_with_pytest_django(tmp_path):
    """Its clients, its live server and its settings, Botanu being on; nothing leaks from test to test."""
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    code = f"import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'pytest_django.plugin', {str(tmp_path)!r}]))"
    # Without the plugins of whoever else is installed: some take seconds.
    ended = script.run(code, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", **SETTINGS)
    assert ended.code == 0, ended.out + ended.err
    assert "7 passed" in ended.out
