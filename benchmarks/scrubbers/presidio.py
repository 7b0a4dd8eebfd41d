"""Presidio's own recognisers by pattern, on a blank spaCy pipeline: no model is loaded."""

from collections.abc import Callable

from benchmarks.scrubbers import without

TITLE = "presidio, no model"
REQUIREMENTS = ("presidio-analyzer",)
DISTRIBUTIONS = ("presidio-analyzer", "spacy")
NOTE = "`AnalyzerEngine` with its predefined recognisers, a blank English pipeline and no fetched suffix list"


def scrubber() -> Callable[[str], str]:
    """All predefined recognisers but the one of the model."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    # Else its e-mail recogniser asks the network for a list of suffixes.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}
            self.nlp["en"].max_length = 1 << 22

    engine = Blank()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    registry.remove_recognizer("SpacyRecognizer")
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def scrub(text: str) -> str:
        found = analyzer.analyze(text=text, language="en", score_threshold=0.4)
        return without(text, [(each.start, each.end) for each in found])

    return scrub
