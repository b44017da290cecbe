"""Expectations of the characters of a text: its scripts, and characters that it may not hold.

Both are a search with RE2, Arrow's engine for regular expressions: one pass over the bytes.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)

from tasks.validation.contract.expectations.arrow_columns import strings_of, to_mask
from tasks.validation.contract.expectations.rendering import ColumnRule


def _foreign_letter(scripts: Sequence[str]) -> str:
    """Pattern of a letter of another script.

    The class is what is neither no letter nor of an admitted script, since RE2 has no other way to
    intersect classes. Letters that several scripts share (Common, Inherited) are admitted.
    """
    admitted = "".join(rf"\p{{{script}}}" for script in scripts)
    return rf"[^\P{{L}}\p{{Common}}\p{{Inherited}}{admitted}]"


def _any_of(characters: str) -> str:
    return "[" + "".join(rf"\x{{{ord(character):x}}}" for character in characters) + "]"


def _lacks(column: "pd.Series[Any]", pattern: str) -> Any:
    found = pc.match_substring_regex(strings_of(column), pattern)
    return to_mask(pc.invert(found), column)


def _find(value: Any, pattern: str) -> str:
    """The first character that matches, and its place from 1."""
    text = strings_of(pd.Series([value], dtype=object))
    found = pc.extract_regex(text, f"(?P<found>{pattern})")[0].as_py()
    if found is None:
        return "a character that stands in a secret"
    character = found["found"]
    return f"character {text[0].as_py().index(character) + 1:,}, {_describe(character)}"


def _describe(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' {name}' if name else ''}"


class ColumnValuesScripts(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether all letters are of the admitted scripts."""

    condition_metric_name = "column_values.assayline.scripts"
    condition_value_keys = ("scripts",)

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Any, scripts: list[str], **_: Any) -> Any:  # noqa: N805
        return _lacks(column, _foreign_letter(scripts))


class ExpectColumnValuesToBeWrittenInScripts(ColumnRule):
    """All letters of the text are of the scripts; digits, punctuation and marks always are.

    Args:
        scripts: names of Unicode scripts, for example Latin.

    """

    scripts: list[str]

    map_metric = "column_values.assayline.scripts"
    success_keys = ("scripts", "mostly")
    args_keys = ("column", "scripts")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return f"letters of {kwargs['column']} are written in {', '.join(kwargs['scripts'])}"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """The first letter of another script."""
        found = _find(value, _foreign_letter(kwargs["scripts"]))
        return (
            f"{kwargs['column']} holds {found}; letters of {', '.join(kwargs['scripts'])} are "
            "admitted"
        )


class ColumnValuesForbiddenCharacters(ColumnMapMetricProvider):  # type: ignore[misc]
    """Whether a text holds none of some characters."""

    condition_metric_name = "column_values.assayline.forbidden_characters"
    condition_value_keys = ("characters",)

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Any, characters: str, **_: Any) -> Any:  # noqa: N805
        return _lacks(column, _any_of(characters))


class ExpectColumnValuesToHaveNoForbiddenCharacters(ColumnRule):
    """The text holds none of the characters.

    Args:
        characters: all of them in one string.

    """

    characters: str

    map_metric = "column_values.assayline.forbidden_characters"
    success_keys = ("characters", "mostly")
    args_keys = ("column", "characters")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        named = ", ".join(map(_describe, kwargs["characters"]))
        return f"{kwargs['column']} holds none of {named}"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """The first forbidden character."""
        return f"{kwargs['column']} holds {_find(value, _any_of(kwargs['characters']))}"
