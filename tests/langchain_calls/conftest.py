"""What the tests of the LangChain handler share: real models of a provider on this machine, and what Botanu sent."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

import botanu
from botanu_langchain import BotanuCallbackHandler
from demo.provider import Provider
from demo.receiver import LogEvent, Receiver, Span
from tests.langchain_calls.billing import owed

# LangChain closes no client; without this one that served an event loop would keep its sockets beyond it.
_CLOSE = {"connection": "close"}


class Seen:
    """What has arrived at the collector, once Botanu is switched off."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def spans(self, start: str = "") -> list[Span]:
        """Spans whose name begins so, in the order in which they ended."""
        assert botanu.disable(timeout_s=10), "the receiver did not get everything"
        return [span for span in self._receiver.spans() if span.name.startswith(start)]

    def span(self, start: str) -> Span:
        """The one span whose name begins so."""
        [span] = self.spans(start)
        return span

    def entries(self) -> list[LogEvent]:
        """The ledger's entries."""
        assert botanu.disable(timeout_s=10), "the receiver did not get everything"
        return [event for event in self._receiver.events() if event.event_name == "botanu.ledger.entry"]

    def runs(self) -> list[LogEvent]:
        """The runs that have been completed."""
        assert botanu.disable(timeout_s=10), "the receiver did not get everything"
        return [event for event in self._receiver.events() if event.event_name == "botanu.run.completed"]

    def usd(self) -> Decimal:
        """What all entries come to."""
        return sum((Decimal(entry.attributes["botanu.cost.usd_exact"]) for entry in self.entries()), Decimal(0))


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A model provider with an invoice of its own."""
    with Provider() as running:
        yield running


@pytest.fixture
def switch_on(receiver: Receiver) -> Callable[..., Seen]:
    """Switches Botanu on, with further settings."""

    def enable(**settings: Any) -> Seen:
        botanu.enable(**{"otlp_endpoint": receiver.endpoint, "instrument": "none", **settings})
        return Seen(receiver)

    return enable


@pytest.fixture
def seen(switch_on: Callable[..., Seen]) -> Seen:
    """Botanu is on; this is what it will have sent."""
    return switch_on()


@pytest.fixture
def handler() -> Iterator[BotanuCallbackHandler]:
    """A handler in which nothing is open when the test has ended."""
    made = BotanuCallbackHandler()
    yield made
    assert len(made.open) == 0, "something was left open"


@pytest.fixture
def gpt(provider: Provider) -> Callable[..., ChatOpenAI]:
    """Makes OpenAI's model."""

    def model(**options: Any) -> ChatOpenAI:
        known = {"model": "gpt-5-mini", "base_url": provider.openai_url, "api_key": "k", "max_retries": 0}
        return ChatOpenAI(**{**known, "stream_usage": True, "default_headers": _CLOSE, **options})

    return model


@pytest.fixture
def claude(provider: Provider) -> Callable[..., ChatAnthropic]:
    """Makes Anthropic's model."""

    def model(**options: Any) -> ChatAnthropic:
        known = {"model": "claude-sonnet-5", "base_url": provider.url, "api_key": "k", "max_retries": 0}
        return ChatAnthropic(**{**known, "max_tokens": 64, "default_headers": _CLOSE, **options})

    return model


@pytest.fixture
def balanced(provider: Provider, seen: Seen) -> Callable[[], None]:
    """Checks that the ledger comes to what the provider has billed, call by call and cent by cent."""

    def check() -> None:
        bills = [bill for bill in provider.invoice.rows() if bill.input_tokens]
        assert seen.usd() == owed(bills)
        assert len(seen.entries()) == len(bills)

    return check
