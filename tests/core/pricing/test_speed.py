"""A price costs next to nothing: a warm book against a bare OpenTelemetry span, side by side."""

from timeit import timeit

from opentelemetry.sdk.trace import TracerProvider

from botanu_core.model.usage import Units, Usage
from botanu_core.pricing import PriceBook

ROUNDS, CALLS = 25, 400
MOST = 0.3  # of a span


def test_pricing_a_call_takes_less_than_a_third_of_a_span(book: PriceBook):
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    plain = Usage(input_tokens=1200, output_tokens=300, cache_read_tokens=1000)
    searched = Usage(input_tokens=1200, output_tokens=300, cache_read_tokens=1000, units=Units(web_searches=2))
    names = ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5")

    def span() -> None:
        with tracer.start_as_current_span("bare"):
            pass

    prices = {
        "plain": lambda: book.price(plain, "openai", "gpt-5"),
        "tiers": lambda: book.price(plain, "anthropic", names),
        "searches": lambda: book.price(searched, "anthropic", names),
        "unknown": lambda: book.rates("nobody", "nothing"),
    }
    for price in prices.values():
        price()
    # The quickest of many short rounds: what else runs on the machine slows both, but not in every round.
    best = dict.fromkeys(("span", *prices), float("inf"))
    for _ in range(ROUNDS):
        for name, call in (("span", span), *prices.items()):
            best[name] = min(best[name], timeit(call, number=CALLS))
    ratios = {name: best[name] / best["span"] for name in prices}
    assert max(ratios.values()) <= MOST, ratios
