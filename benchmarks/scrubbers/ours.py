"""This repository's scrubber, with all its patterns and nothing else."""

from collections.abc import Callable

TITLE = "this repository"
REQUIREMENTS = ()
DISTRIBUTIONS = ("google-re2",)
NOTE = "`Scrubber()`"


def scrubber() -> Callable[[str], str]:
    """All defaults."""
    from botanu_core.privacy import Scrubber

    return Scrubber().scrub
