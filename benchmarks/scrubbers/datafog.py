"""datafog with its engine of regular expressions."""

from collections.abc import Callable

from benchmarks.scrubbers import without

TITLE = "datafog"
REQUIREMENTS = ("datafog",)
DISTRIBUTIONS = ("datafog",)
NOTE = "`RegexAnnotator().annotate_with_spans`"


def scrubber() -> Callable[[str], str]:
    """Its regex annotator."""
    from datafog.processing.text_processing.regex_annotator import RegexAnnotator

    annotator = RegexAnnotator()

    def scrub(text: str) -> str:
        _, found = annotator.annotate_with_spans(text)
        return without(text, [(each.start, each.end) for each in found.spans])

    return scrub
