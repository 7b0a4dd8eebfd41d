"""scrubadub with its default detectors, none of which needs a model."""

from collections.abc import Callable

TITLE = "scrubadub"
REQUIREMENTS = ("scrubadub",)
DISTRIBUTIONS = ("scrubadub",)
NOTE = "`Scrubber().clean`"


def scrubber() -> Callable[[str], str]:
    """All defaults."""
    from scrubadub import Scrubber

    clean: Callable[[str], str] = Scrubber().clean
    return clean
