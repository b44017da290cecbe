"""Rare labels that look like noise: misspelt ones, words for a missing one, punctuation alone."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from tasks.records.data import DoubtfulLabel
from tasks.task_types.rows import RowShape
from tasks.validation.contract.messages import plain_form
from tasks.validation.contract.settings import ContractSettings

# A label of fewer rows than this share is rare.
MAX_SHARE: Final = 0.01
# A label that a rare one may be a misspelling of has so many times its rows.
_TIMES: Final = 10
# Likeness as difflib measures it; one letter more or less in a word of six is 0.92.
_LIKENESS: Final = 0.85
# Labels that are looked at and that they are held against, so that no number of labels takes long.
_LOOKED_AT: Final = 1_000
_HELD_AGAINST: Final = 100
_DIGITS: Final = re.compile(r"\d+")
# What people and programs write where nothing is known, in the form of `plain_form`.
_WORDS_FOR_NOTHING: Final = frozenset(
    {
        "?", "??", "???", "-", "--", "---", ".", "..", "...", "n/a", "n.a.", "n. a.", "#n/a", "na",
        "<na>", "nan", "none", "null", "nil", "void", "unknown", "unk", "<unk>", "undefined",
        "missing", "not available", "not applicable", "no label", "unlabeled", "unlabelled",
        "unassigned", "empty", "blank", "tbd", "todo", "#ref!", "#value!", "#name?", "#div/0!",
        "error", "未知", "无", "無", "空",
    }
)  # fmt: skip

# Words that YAML 1.1 does not read as text.
_READ_OTHERWISE: Final = frozenset(
    {"yes", "no", "on", "off", "true", "false", "null", "y", "n", "nan"}
)


def doubtful_labels(
    contract: ContractSettings, shape: RowShape, rows_by_label: Mapping[str, int], rows: int
) -> tuple[DoubtfulLabel, ...]:
    """Labels of under 1% of the rows that look like noise, and what would mend each.

    Labels that the contract names are none, nor are tags, which stand at few tokens by nature.
    """
    if contract.labels is not None or shape.labels is None or shape.has_tags:
        return ()
    by_rows = sorted(rows_by_label.items(), key=lambda one: (-one[1], one[0]))
    rare = [(label, number) for label, number in by_rows if 0 < number < MAX_SHARE * rows]
    frequent = by_rows[:_HELD_AGAINST]
    found = (_judge(*one, dict(frequent)) for one in rare[:_LOOKED_AT])
    return tuple(one for one in found if one)


def _judge(label: str, rows: int, frequent: Mapping[str, int]) -> DoubtfulLabel | None:
    others = [other for other, number in frequent.items() if number >= _TIMES * rows]
    if plain_form(label) in _WORDS_FOR_NOTHING:
        reason = "like a word for a missing one"
    elif all(unicodedata.category(one)[0] in "PZ" for one in label):
        reason = "like punctuation alone"
    elif near := next(_misspelt(label, others), None):
        mend = f"source.label_map: {{{_yaml(label)}: {_yaml(near)}}}"
        return DoubtfulLabel(label, rows, "like a misspelling", near, mend)
    else:
        return None
    mend = f"contract.missing_labels, or source.label_map: {{{_yaml(label)}: null}}"
    return DoubtfulLabel(label, rows, reason, "", mend)


def _misspelt(label: str, others: list[str]) -> Iterator[str]:
    """Labels that differ from it in a letter or two; not in a number, which tells classes apart."""
    form = plain_form(label)
    by_form = {plain_form(other): other for other in others}
    for near in get_close_matches(form, by_form, n=3, cutoff=_LIKENESS):
        if near == form or _DIGITS.sub("", near) != _DIGITS.sub("", form):
            yield by_form[near]


def _yaml(label: str) -> str:
    """The label as a key of YAML, in quotes where it would be read as something else."""
    is_plain = label.replace("_", "").isalpha() and plain_form(label) not in _READ_OTHERWISE
    return label if is_plain else "'" + label.replace("'", "''") + "'"
