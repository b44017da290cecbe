"""The Great Expectations suites that a data contract comes to.

Row rules are judged on all rows, and a row that fails one is put aside. Set rules are judged on
the rows that are left, and one that fails ends the run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from tasks.data.contract import ContractSettings
from tasks.records import SPLITS

# How pandas names the type of a text column.
TEXT_TYPE: Final = "str"
# A message names at most this many admitted values.
_NAMED_VALUES: Final = 12


@dataclass(frozen=True)
class RowRule:
    """What is asked of each row.

    Attributes:
        reason: why a row that fails is put aside, in two or three words; its name, too.
        title: the rule in words.
        expectation: a column map expectation of Great Expectations.
        explain: from the value seen to a sentence about it.

    """

    reason: str
    title: str
    expectation: Any
    explain: Callable[[Any], str]


@dataclass(frozen=True)
class SetRule:
    """What is asked of the rows that are left: a count that reaches a minimum, or a shape.

    Attributes:
        title: the rule in words; its name, too.
        expectation: an aggregate expectation of Great Expectations.
        mend: what to do where it fails.

    """

    title: str
    expectation: Any
    mend: str


def row_rules(
    contract: ContractSettings,
    labels: Sequence[str],
    group_columns: Sequence[str],
    conflicts: Mapping[str, str],
) -> list[RowRule]:
    """The rules for single rows, over the columns of `tasks.data.frames.frame_of_rows`.

    `conflicts` says for each row_id that stands in several rows what these rows disagree in.
    """
    restricted = [name for name in group_columns if name in contract.groups]
    return [
        RowRule(
            "missing text",
            "text is there",
            gxe.ExpectColumnValuesToNotBeNull(column="text"),
            lambda _: "the text is empty",
        ),
        RowRule(
            "missing label",
            "label is there",
            gxe.ExpectColumnValuesToNotBeNull(column="label"),
            lambda _: "the label is empty",
        ),
        _label_rule(labels),
        _length_rule(contract),
        *_same_text_rules(labels, conflicts),
        *(_group_rule(name, contract.groups[name]) for name in restricted),
    ]


def _label_rule(labels: Sequence[str]) -> RowRule:
    return RowRule(
        "unknown label",
        "label is one of the line's labels",
        gxe.ExpectColumnValuesToBeInSet(column="label", value_set=list(labels)),
        lambda seen: f"{seen!r} is not one of {_name(labels)}",
    )


def _length_rule(contract: ContractSettings) -> RowRule:
    low, high = contract.min_text_length, contract.max_text_length
    return RowRule(
        "text length",
        f"text has {low:,} to {high:,} characters",
        gxe.ExpectColumnValuesToBeBetween(column="text_length", min_value=low, max_value=high),
        lambda seen: f"{int(seen):,} characters, and {low:,} to {high:,} are admitted",
    )


def _same_text_rules(labels: Sequence[str], conflicts: Mapping[str, str]) -> list[RowRule]:
    """Rules against a text that stands twice, among rows that have text and a known label."""
    usable = Column("text").is_not_null() & Column("label").is_in(labels)
    return [
        RowRule(
            "conflicting rows",
            "a text stands in one row",
            gxe.ExpectColumnValuesToBeUnique(column="row_id", row_condition=usable),
            lambda row_id: f"the same text also stands with another {conflicts[row_id]}",
        ),
        RowRule(
            "text in two splits",
            "a text stands in one split",
            gxe.ExpectColumnValuesToBeBetween(
                column="splits_of_text", max_value=1, row_condition=usable
            ),
            lambda seen: f"the same text stands in {int(seen)} splits",
        ),
    ]


def _group_rule(name: str, values: Sequence[str]) -> RowRule:
    return RowRule(
        f"unknown {name}",
        f"{name} is one of the contract's values",
        gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(values)),
        lambda seen: f"{seen!r} is not one of {_name(values)}",
    )


def _name(values: Sequence[str]) -> str:
    more = len(values) - _NAMED_VALUES
    named = ", ".join(values[:_NAMED_VALUES])
    return f"{named} and {more} more" if more > 0 else named


def set_rules(
    contract: ContractSettings, labels: Sequence[str], columns: Sequence[str]
) -> list[SetRule]:
    """The rules for the rows that are left; `columns` are those of the snapshot."""
    return [
        SetRule(
            f"columns are {', '.join(columns)}",
            gxe.ExpectTableColumnsToMatchSet(column_set=list(columns), exact_match=True),
            "ingest the source again",
        ),
        *(
            SetRule(
                f"column {name} holds text",
                gxe.ExpectColumnValuesToBeOfType(column=name, type_=TEXT_TYPE),
                "ingest the source again",
            )
            for name in columns
        ),
        _at_least("rows", contract.min_rows, "contract.min_rows"),
        SetRule(
            "labels: at least 2",
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="label", min_value=2),
            "there is nothing to tell apart with fewer; add rows of another label",
        ),
        *(_rows_in_split(split) for split in SPLITS),
        *(rule for label in labels for rule in _rules_of_label(contract, label)),
    ]


def _rules_of_label(contract: ContractSettings, label: str) -> list[SetRule]:
    of_label = Column("label") == label
    in_train, in_test = (of_label & (Column("split") == split) for split in ("train", "test"))
    return [
        _at_least(
            f"rows of label {label!r}",
            contract.min_rows_per_label,
            "contract.min_rows_per_label",
            of_label,
        ),
        _at_least(f"train rows of label {label!r}", 1, "a label is learnt from examples", in_train),
        _at_least(
            f"test rows of label {label!r}",
            contract.min_rows_per_label_in_test,
            "contract.min_rows_per_label_in_test",
            in_test,
        ),
    ]


def _rows_in_split(split: str) -> SetRule:
    why = "no split may be empty; add rows or change splits"
    return _at_least(f"{split} rows", 1, why, Column("split") == split)


def _at_least(subject: str, minimum: int, why: str, condition: Any = None) -> SetRule:
    return SetRule(
        f"{subject}: at least {minimum:,}",
        gxe.ExpectTableRowCountToBeBetween(min_value=minimum, row_condition=condition),
        why,
    )
