"""docs/django.md: every block of it runs, and does what the page says."""

import re
from pathlib import Path

import pytest

from tests.support import script

GUIDE = (Path(__file__).parents[2] / "docs" / "django.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"(<!-- not run: [^\n]+-->\n+)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [found[2] for found in _BLOCK.finditer(GUIDE) if not found[1]]

ASK = """
from django.test import Client

answer = Client().{method}("{path}", headers={headers})
assert answer.status_code == 200, answer.content
print(answer.headers["x-botanu-run-id"])
botanu.disable()
"""


def block_with(text):
    """The one block that has `text` in it."""
    (found,) = [block for block in BLOCKS if text in block]
    return found


def server_span(receiver, code):
    """What the collector gets of a request that `code` sends, and the run that the response told."""
    # The instrumentor that is installed beside our tests would make the server span, and name it.
    variables = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "django"}
    ended = script.run(code, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **variables)
    assert (ended.code, ended.err) == (0, "")
    (server,) = [span for span in receiver.spans() if span.kind == "SERVER"]
    assert server.attributes["botanu.run_id"] == ended.out.strip()
    return server


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1])
def test_a_block_runs(block):
    """As it is printed."""
    ended = script.run(block, **{f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")})
    assert (ended.code, ended.err) == (0, "")


def test_the_copy_paste_start_answers_and_is_seen(receiver):
    """Its ticket is a named run under the id of the response."""
    ask = ASK.format(method="post", path="/tickets/T-1", headers={})
    server = server_span(receiver, block_with("get_wsgi_application()") + ask)
    assert (server.service, server.name) == ("support-desk", "POST /tickets/<str:ticket_id>")
    named = {"botanu.workflow": "Customer Support", "botanu.event_id": "T-1", "botanu.outcome.status": "success"}
    assert server.attributes.items() >= named.items()


def test_the_options_do_what_the_page_says(receiver):
    """Customer and ticket come from the request, by the dict that is printed."""
    project = block_with("get_wsgi_application()").replace("@botanu.event", "# @botanu.event")
    project = project.replace("ROOT_URLCONF=", "BOTANU=BOTANU, ROOT_URLCONF=")
    ask = ASK.format(method="get", path="/tickets/T-1", headers={"x-customer": "acme"})
    attributes = server_span(receiver, block_with("BOTANU = {") + project + ask).attributes
    expected = {"botanu.workflow": "Shop", "botanu.event_id": "T-1", "botanu.customer_id": "acme"}
    assert attributes.items() >= expected.items()


def test_log_records_carry_the_run():
    """Django's own of a 404, by the LOGGING that is printed."""
    project = block_with("get_wsgi_application()").replace("ROOT_URLCONF=", "LOGGING=LOGGING, ROOT_URLCONF=")
    ask = """
from django.test import Client
print(Client().get("/nowhere").headers["x-botanu-run-id"])
"""
    off = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    ended = script.run(block_with("LOGGING = {") + project + ask, **off)
    assert f"{ended.out.strip()} Not Found: /nowhere" in ended.err


def test_the_example_shows_a_tree_for_each_request():
    """Three requests, three runs, their outcomes, and the model call in the right one; nothing on standard error."""
    path = Path(__file__).parents[2] / "examples" / "django_app.py"
    ended = script.run(f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')")
    assert (ended.code, ended.err) == (0, "")
    assert len(set(re.findall(r"run (\S{36})", ended.out))) == 3
    assert "GET /tickets/<str:ticket_id>  workflow=Customer Support  customer=acme  outcome=success" in ended.out
    assert "outcome=failed  error=LookupError" in ended.out
    assert ended.out.count("tokens out=8") == 2
