"""What we show works: every example runs offline, and every Python block of README and of the adapters' pages runs.

A block that only hints at something has the line ``<!-- not run: why -->`` before it.
"""

import functools
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from demo.receiver import Receiver

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("_"))
SERVICES = ("README.md", "docs/fastapi.md", "docs/flask.md")
PAGES = (*SERVICES, "docs/langchain.md", "docs/ledger.md")
_BLOCK = re.compile(r"(<!-- not run: [^\n]+-->\n+)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks_of(page):
    """The runnable blocks of a page, by the line they begin at."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return {
        f"{page}:{text[: found.start(2)].count(chr(10)) + 1}": found[2]
        for found in _BLOCK.finditer(text)
        if not found[1]
    }


BLOCKS = {place: code for page in PAGES for place, code in blocks_of(page).items()}


def run(*arguments, **variables):
    """Run this Python away from the tree's settings; warnings are errors."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "BOTANU_"))}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=kept | {"PYTHONPATH": path} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@functools.cache
def said_by(example):
    """What an example prints; each runs once."""
    done = run(str(ROOT / "examples" / f"{example}.py"))
    assert done.stderr == ""
    return done.stdout


def test_there_is_something_to_run():
    """An empty list would make every test below pass."""
    assert {"fastapi_app", "flask_app", "langchain_agent", "two_services"} <= {path.stem for path in EXAMPLES}
    assert {place.partition(":")[0] for place in BLOCKS} == set(PAGES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_says_something(path):
    """Offline, with nothing on standard error."""
    assert len(said_by(path.stem).splitlines()) > 5


def test_the_fastapi_example_shows_a_tree_for_each_request():
    """Three requests and a websocket, a run each, their outcomes, the model call in the right one; none for health."""
    out = said_by("fastapi_app")
    assert len(set(re.findall(r"run (\S{36})", out))) == 4
    told = "workflow=Customer Support  customer=acme  tenant=kettles-inc  outcome=success"
    assert f"POST /tickets/{{ticket_id}}  {told}" in out
    assert "outcome=failed" in out
    assert "GET /health: 200, run (none" in out
    assert "WS /live  workflow=unnamed  outcome=success" in out
    assert out.count("tokens out=8") == 3


def test_the_flask_example_shows_a_tree_for_each_request():
    """Three requests, three runs, their outcomes, and the model call in the right one."""
    out = said_by("flask_app")
    assert len(set(re.findall(r"run (\S{36})", out))) == 3
    assert "POST /tickets/<ticket_id>  workflow=Customer Support  customer=acme  outcome=success" in out
    assert "outcome=failed" in out
    assert out.count("tokens out=8") == 2


def test_the_two_services_example_shows_one_run_and_nothing_outside():
    """Research got the run's id, the provider got no baggage, and both server spans carry it."""
    out = said_by("two_services")
    (run_id,) = set(re.findall(r"botanu\.run_id=(\S{36})", out))
    assert out.startswith(f"run {run_id}")
    assert "baggage: (nothing)" in out.partition("arrived at provider")[2]
    assert "GET /notes and POST /tickets/{ticket_id}" in out


def test_the_agent_costs_what_the_provider_bills():
    """Each node has its cost, the calls were all seen twice, and the sum is the invoice."""
    out = said_by("langchain_agent")
    costs = dict(re.findall(r"^(\w+) +(\d\.\d+) USD", out, re.MULTILINE))
    total, invoice = costs.pop("total"), costs.pop("invoice")
    assert set(costs) == {"classify", "policy", "history", "model", "send"}
    assert total == invoice
    assert sum(map(Decimal, costs.values())) == pytest.approx(Decimal(total), abs=Decimal("0.000005"))
    assert "for 6 calls, seen 6 times more" in out


@pytest.mark.parametrize("place", BLOCKS)
def test_a_block_of_the_documentation_runs(place, receiver: Receiver):
    """As it is printed, in a process of its own."""
    run("-c", BLOCKS[place], OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)


ASK = """
from starlette.testclient import TestClient

with TestClient(app, raise_server_exceptions=False) as client:
    answer = client.{method}("{path}")
    assert answer.status_code == {status}, answer.text
    print(answer.headers["x-botanu-run-id"])
botanu.disable()
"""
ASK_FLASK = """
answer = app.test_client().{method}("{path}")
assert answer.status_code == {status}, answer.text
print(answer.headers["x-botanu-run-id"])
botanu.disable()
"""
ROUTES = {"docs/flask.md": "/tickets/<ticket_id>"}


def test_the_options_of_the_guide_do_what_it_says(receiver: Receiver):
    """The block with all of them: ids, the exposed header, and a path that is left alone."""
    (code,) = [code for code in BLOCKS.values() if "on_error=meaning" in code]
    ask = """
from starlette.testclient import TestClient
import botanu

botanu.enable(instrument="none")
with TestClient(app) as client:
    answer = client.get("/tickets/T-1", headers={"x-customer": "acme"})
    assert answer.headers["access-control-expose-headers"] == "x-botanu-run-id"
    assert "x-botanu-run-id" not in client.get("/health").headers
botanu.disable()
"""
    run("-c", code + ask, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    (server,) = [span for span in receiver.spans() if span.kind == "SERVER" and "botanu.run_id" in span.attributes]
    assert (server.attributes["botanu.event_id"], server.attributes["botanu.customer_id"]) == ("T-1", "acme")


@pytest.mark.parametrize("page", SERVICES)
def test_the_first_service_of_a_page_answers_and_is_seen(page, receiver: Receiver):
    """The copy-paste start: a ticket is sent, and its run arrives at the collector under the id of the response."""
    code = next(code for place, code in BLOCKS.items() if place.startswith(page))
    ask = (ASK_FLASK if page == "docs/flask.md" else ASK).format(method="post", path="/tickets/T-1", status=200)
    run_id = run("-c", code + ask, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint).stdout.strip()
    (server,) = [span for span in receiver.spans() if span.kind == "SERVER"]
    assert (server.service, server.name) == ("support-desk", f"POST {ROUTES.get(page, '/tickets/{ticket_id}')}")
    named = {"botanu.run_id": run_id, "botanu.workflow": "Customer Support", "botanu.event_id": "T-1"}
    assert server.attributes.items() >= named.items()
    assert server.attributes["botanu.outcome.status"] == "success"


def test_the_explanation_in_the_guide_is_what_is_printed(receiver: Receiver):
    """But for ids, the day and the release of the price table."""
    page = (ROOT / "docs/ledger.md").read_text(encoding="utf-8")
    shown = re.search(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    code = next(code for place, code in BLOCKS.items() if place.startswith("docs/ledger.md"))
    said = run("-c", code, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint).stdout
    ids = re.compile(r"(?<=run )\S{36}|(?<=span )\w{16}|(?<=entry )\w{32}|(?<=genai-prices/)[\d.]+|(?<=@)[\d-]+")
    assert ids.sub("…", said) == ids.sub("…", shown[1])


def test_a_wrapped_application_has_the_header_on_its_500(receiver: Receiver):
    """As docs/fastapi.md says where it shows how."""
    (code,) = [code for code in BLOCKS.values() if "BotanuMiddleware(application)" in code]
    ask = ASK.format(method="get", path="/fail", status=500)
    setup = 'import botanu\nbotanu.enable(instrument="none")\n'
    run_id = run("-c", setup + code + ask, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint).stdout.strip()
    (server,) = [span for span in receiver.spans() if span.kind == "SERVER"]
    assert (server.attributes["botanu.run_id"], server.attributes["error.type"]) == (run_id, "RuntimeError")
