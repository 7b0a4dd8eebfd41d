"""Names, places and whatever else Presidio knows, as a detector beside the patterns.

Nothing here downloads a model: Presidio would, in the middle of a request, if it were asked to analyse without one.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from botanu_core.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from botanu_core.privacy.detectors import Detector

__all__ = ["MODEL", "presidio"]

MODEL: Final = "en_core_web_sm"
"""The spaCy model that is taken where none is named: 12 MB, fast; ``en_core_web_lg`` finds more."""

# What patterns find is ours already; these need a model of the language.
_ENTITIES: Final = ("PERSON", "LOCATION", "NRP")
_SCORE: Final = 0.4


def presidio(
    *,
    model: str = MODEL,
    language: str = "en",
    entities: Sequence[str] | None = None,
    min_score: float = _SCORE,
    analyzer: Any = None,
) -> "Detector":
    """A detector for ``Scrubber(detectors=[presidio()])`` or ``enable(detectors=["presidio"])``.

    Args:
        model: An installed spaCy model; ``python -m spacy download en_core_web_sm`` installs this one.
        language: Its language.
        entities: What to look for; persons, places and groups by default.
        min_score: How sure Presidio must be.
        analyzer: An `AnalyzerEngine` of your own, such as one with other recognisers; then `model` is not asked for.

    Raises:
        MissingExtra: Presidio is not installed.
        ConfigError: The model is not installed, or Presidio does not know an entity.
    """
    if analyzer is None:
        analyzer = _analyzer(model, language)
    wanted = list(_ENTITIES if entities is None else entities)
    known = analyzer.get_supported_entities(language=language)
    if unknown := sorted(set(wanted) - set(known)):
        raise ConfigError(
            f"Presidio finds no {', '.join(unknown)} in {language!r}; it knows {', '.join(sorted(known))}"
        )

    def detect(text: str) -> Any:
        return analyzer.analyze(text=text, language=language, entities=wanted, score_threshold=min_score)

    return detect


def _analyzer(model: str, language: str) -> Any:
    if find_spec("presidio_analyzer") is None:
        raise MissingExtra("The Presidio detector", "pii-nlp")
    import spacy.util
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    if not spacy.util.is_package(model):
        raise ConfigError(f"the spaCy model {model!r} is not installed: run python -m spacy download {model}")
    models = [{"lang_code": language, "model_name": model}]
    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
    return AnalyzerEngine(nlp_engine=engine, supported_languages=[language])
