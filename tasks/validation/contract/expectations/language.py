"""The language of a text, told by lingua, and the expectation that it is an admitted one."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)

from tasks.validation.contract.expectations.rendering import ColumnRule
from tasks.validation.contract.language_codes import LANGUAGES

if TYPE_CHECKING:
    from lingua import LanguageDetector

# From 120 characters on lingua looks at trigrams alone; more of a text than this adds time only.
_CHARACTERS_READ: Final = 200
# How far ahead of the next one, of 1, the best language must be for the text to count as told.
_FAST_DISTANCE: Final = 0.1
_CAREFUL_DISTANCE: Final = 0.05


def languages_of(
    texts: Sequence[str | None], minimum_characters: int, languages: Sequence[str]
) -> list[str | None]:
    """ISO 639-1 code of each text's language; None: too short, or not told with confidence.

    All texts are read by lingua's fast models. Those that they do not find to be in an admitted
    language are read again by its full models, which err less and take three times as long.

    Args:
        texts: in any language, admitted or not.
        minimum_characters: a shorter text is not told.
        languages: the admitted ones.

    """
    starts = {
        place: text[:_CHARACTERS_READ]
        for place, text in enumerate(texts)
        if text is not None and len(text) >= minimum_characters
    }
    found = _tell(starts, _fast_detector())
    doubtful = {place: starts[place] for place, code in found.items() if code not in languages}
    if doubtful:
        found |= _tell(doubtful, _careful_detector())
    return [found.get(place) for place in range(len(texts))]


def _tell(texts: Mapping[int, str], detector: "LanguageDetector") -> dict[int, str | None]:
    """Code of each text's language, by the text's place."""
    told = detector.detect_languages_in_parallel_of(list(texts.values()))
    codes = (language and language.iso_code_639_1.name.lower() for language in told)
    return dict(zip(texts, codes, strict=True))


@cache
def _fast_detector() -> "LanguageDetector":
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode()
    return builder.with_minimum_relative_distance(_FAST_DISTANCE).build()


# Its models come to 1.2 GB; lingua reads those of a language when a text first asks for them.
@cache
def _careful_detector() -> "LanguageDetector":
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages()
    return builder.with_minimum_relative_distance(_CAREFUL_DISTANCE).build()


def name_languages(codes: Sequence[str]) -> str:
    """Languages by name and code."""
    return ", ".join(f"{LANGUAGES.get(code, 'unknown')} ({code})" for code in codes)


class ColumnValuesLanguage(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether a language is one of the admitted."""

    condition_metric_name = "column_values.assayline.language"
    condition_value_keys = ("languages",)

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Any, languages: list[str], **_: Any) -> Any:  # noqa: N805
        return column.isin(languages)


class ExpectColumnValuesToBeInLanguage(ColumnRule):
    """The column, the languages of texts as `languages_of` tells them, holds admitted ones.

    Args:
        languages: ISO 639-1 codes.

    """

    languages: list[str]

    map_metric = "column_values.assayline.language"
    success_keys = ("languages", "mostly")
    args_keys = ("column", "languages")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return f"text is in {name_languages(kwargs['languages'])}, or too short to tell"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """The language that was found."""
        admitted = name_languages(kwargs["languages"])
        return f"reads as {name_languages([value])}; admitted: {admitted}"
