"""Every scenario of the facts, and more, through the real clients: nothing leaks, nothing changes, all is said."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from answering import Answers
from calls import OWN, Failed, call, clients_of, is_bedrock
from opentelemetry import trace

FACTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("facts.json").read_text())
DOCUMENTED = re.compile(
    r"gen_ai\.(prompt|completion)\.|gen_ai\.openai\.request\.(user|tools|seed|response_format)|gen_ai\.bedrock\."
)
# The seed's package says nothing, or less, of these: it crashes, leaks the span, or does not know the model or shape.
SAYS_LESS = re.compile(
    "abandoned|cancelled|timeout|never|async-close|response-attribute|raw-response|with-streaming|midfail|app-error|"
    "made-before|break-close|utf8|unknown-model|missing-model|responses|embed|-arn|nova|titan|array|refusal|invoke-agent"
)
NO_SPAN = ("openai-legacy-completions",)
WITHHELD = re.compile(r"gen_ai\.openai\.request\.user|\.tools\.\d+\.function\.(description|parameters)")


FAILS = re.compile("error-|refused|midfail|app-error|missing-model|generator-raises")
PLAIN: dict[str, tuple[Any, list[Any]]] = {}
"""What callers get, and the server, without an instrumentor."""


def documented(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if DOCUMENTED.match(name)}


def request_of(scenario: str) -> dict[str, Any]:
    return dict(FACTS[scenario]["request"] if scenario in FACTS else OWN[scenario])


def called_twice(scenario: str, answers: Answers, instrumented: Any, content: bool) -> None:
    """Call without and with the instrumentors: the caller gets the same, and the server too."""
    request = request_of(scenario)
    if scenario not in PLAIN:
        PLAIN[scenario] = call(scenario, clients_of(scenario, answers.url), request), answers.bodies[-1:]
    plain, sent = PLAIN[scenario]
    assert isinstance(plain, Failed) == bool(FAILS.search(scenario)), plain
    early = clients_of(scenario, answers.url) if "made-before" in scenario else None
    instrumented(content)
    assert call(scenario, early or clients_of(scenario, answers.url), request) == plain
    assert answers.bodies[-1:] == sent


# Callers that walk away leave sockets to the garbage collection, with an instrumentor and without.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("content", [True, False], ids=["content", "no content"])
@pytest.mark.parametrize("scenario", [*FACTS, *OWN])
def test_a_call_ends_its_span_changes_nothing_and_says_what_is_documented(
    scenario, content, answers, seen, instrumented
):
    called_twice(scenario, answers, instrumented, content)
    assert not seen.open, "a span was left open"
    assert not trace.get_current_span().get_span_context().is_valid, "a span was left current"
    assert len(seen.ended) == (0 if scenario in NO_SPAN else 1)
    if scenario in NO_SPAN:
        return
    said = documented(seen.attributes)
    wanted = FACTS.get(scenario, {}).get("content" if content else "nocontent", {})
    if not content:
        wanted = {name: value for name, value in wanted.items() if not WITHHELD.search(name)}
        assert not [name for name in said if name.endswith((".content", ".arguments")) or WITHHELD.search(name)]
    assert {name: said.get(name) for name in wanted} == wanted
    is_known = scenario in FACTS and (content or "nocontent" in FACTS[scenario])
    if is_known and not SAYS_LESS.search(scenario):
        assert said == wanted


def test_the_facts_are_all_there():
    """So that a lost file cannot quietly lose scenarios."""
    assert len(FACTS) == 72
    assert sum("nocontent" in fact for fact in FACTS.values()) == 28
    assert sum(map(is_bedrock, FACTS)) > 20
