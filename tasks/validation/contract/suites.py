"""The Great Expectations suites that a data contract comes to.

Row rules are judged on all rows, and a row that fails one is put aside. Set rules are judged on
the rows that are left, and one that fails ends the run.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import great_expectations.expectations as gxe

from infra.errors import DataError
from tasks.protected_groups.group_names import SEPARATOR
from tasks.records.data import SPLITS
from tasks.task_types.entity_faults import FAULTS
from tasks.task_types.relations.relation_labels import undirected_beside_directed
from tasks.task_types.rows import Column, RowShape, arrow_type
from tasks.validation.contract import expectations as ours
from tasks.validation.contract.counts import ALL_ROWS, LABELS_WITH_ROWS, OUTSIDE, name_type
from tasks.validation.contract.expectations.chats import Role
from tasks.validation.contract.messages import excerpt, explain_unknown, name_values
from tasks.validation.contract.settings import ContractSettings

if TYPE_CHECKING:
    import pyarrow as pa

# A column of more distinct values is no label column, and would fill the memory.
MAX_LABELS: Final = 10_000
_TEXT_KINDS: Final = frozenset({"text", "texts", "turns"})
# In no setting: PostgreSQL, in which Prefect keeps settings, has no NUL in its JSON.
NUL: Final = "\x00"
_LIST_KINDS: Final = frozenset({"labels", "tags"})


@dataclass(frozen=True)
class RowRule:
    """What is asked of each row.

    Attributes:
        reason: why a row that fails is put aside, in two or three words. Rules on several columns
            of a row can share one.
        title: the rule in words; its name, too.
        expectation: a map expectation of Great Expectations over one column or several.
        explain: from the value seen (of several columns: a dict by column) to a sentence about it,
            which holds nothing of a text.

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
        expectation: an expectation over `tasks.validation.contract.counts.RowCounts.frame`, which
            observes a sentence.
        mend: what to do where it fails.

    """

    title: str
    expectation: Any
    mend: str


def labels_of(
    contract: ContractSettings,
    shape: RowShape,
    shards: "Iterable[pa.Table]",
    unmapped: Iterable[str] = (),
) -> tuple[str, ...]:
    """The label set, sorted: that of the contract, or all labels that the shards hold.

    What stands for a missing label is none, nor is a label that source.label_map should have named
    (`unmapped`).

    Raises:
        DataError: there are too many of them to be labels.

    """
    if shape.label_column is None:
        return ()
    if contract.labels is not None:
        return tuple(sorted(contract.labels))
    found: set[str] = set()
    missing = contract.words_for_missing if shape.has_one_class else frozenset()
    others = missing.union(unmapped)
    for rows in shards:
        found |= _labels_in(rows[shape.label_column]) - others
        if len(found) > MAX_LABELS:
            raise DataError(
                f"column {shape.label_column!r} holds more than {MAX_LABELS:,} different values, "
                f"for example {excerpt(min(found))}; name the column of labels in source.columns, "
                "or the labels in contract.labels"
            )
    return tuple(sorted(found))


def _labels_in(values: "pa.ChunkedArray") -> set[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(values.type):
        values = pc.list_flatten(values)
    return set(values.unique().drop_null().to_pylist())


def derived_columns(contract: ContractSettings, shape: RowShape) -> frozenset[str]:
    """Which columns that are costly to derive the contract's rules read, of those that may be."""
    del shape  # both can be asked of every task type
    counts_tokens = contract.min_tokens is not None or contract.max_tokens is not None
    asked = {"token_length": counts_tokens, "language": contract.languages is not None}
    return frozenset(name for name, is_asked in asked.items() if is_asked)


def row_rules(
    contract: ContractSettings,
    shape: RowShape,
    labels: Sequence[str],
    group_columns: Sequence[str],
) -> list[RowRule]:
    """The rules for single rows, over a frame of a snapshot's columns and derived ones.

    Derived are text_length, token_length and language (see `derived_columns`), splits_of_text and
    conflict (null for a row without inputs or with an unknown label), equal_text, near_duplicate,
    overlap, label_conflict, golden_row, personal_data and control_token. A missing value breaks no
    rule but that it is there. Columns of lists are best of pandas' Arrow type: of Python objects
    Great Expectations takes a fingerprint that costs 50 times what the rules do.
    """
    return [
        *(_presence_rule(column) for column in shape.columns if not column.may_be_missing),
        *_label_rules(contract, shape, labels),
        _length_rule(contract),
        *_text_rules(contract, shape),
        *_task_rules(contract, shape, labels),
        *_same_text_rules(),
        *_likeness_rules(),
        _told("personal data", ours.ExpectColumnValuesToHoldNoPersonalData(column="personal_data")),
        *_control_token_rule(contract),
        *(
            _group_rule(name, contract.groups[name])
            for name in group_columns
            if name in contract.groups
        ),
    ]


def _control_token_rule(contract: ContractSettings) -> Iterator[RowRule]:
    if contract.control_tokens != "text":
        spelled = ours.ExpectColumnValuesToSpellNoControlToken(column="control_token")
        yield _told("control token", spelled)


def _told(reason: str, expectation: Any) -> RowRule:
    """A rule by an expectation of our own, which tells itself."""
    kwargs = expectation.configuration.kwargs
    return RowRule(
        reason,
        expectation.sentence(kwargs),
        expectation,
        lambda value: str(expectation.fault(kwargs, value)),
    )


def _stock(reason: str, expectation: Any, title: str, explain: Callable[[Any], str]) -> RowRule:
    """A rule by an expectation that Great Expectations brings, told in our words in its pages."""
    expectation.description = title
    return RowRule(reason, title, expectation, explain)


def _presence_rule(column: Column) -> RowRule:
    verb = "are" if column.name.endswith("s") else "is"
    return _stock(
        f"missing {column.name}",
        gxe.ExpectColumnValuesToNotBeNull(column=column.name),
        f"{column.name} {verb} there",
        lambda _: f"the {column.name} {verb} empty",
    )


def _label_rules(
    contract: ContractSettings, shape: RowShape, labels: Sequence[str]
) -> Iterator[RowRule]:
    for column in shape.columns:
        if column.is_input:  # a name that the model reads, and none that it gives
            continue
        if column.kind == "label":
            missing = sorted(contract.words_for_missing)
            if missing:
                yield _stock(
                    f"missing {column.name}",
                    gxe.ExpectColumnValuesToNotBeInSet(column=column.name, value_set=missing),
                    f"{column.name} is no word for a missing one",
                    lambda seen: (
                        f"{excerpt(seen)} stands for a label that is missing "
                        "(contract.missing_labels; name it in contract.labels if it is one)"
                    ),
                )
            yield _stock(
                "unknown label",
                gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=[*labels, *missing]),
                f"{column.name} is one of {name_values(labels)}",
                lambda seen: explain_unknown(seen, labels),
            )
        elif column.kind in _LIST_KINDS:
            lists = ours.ExpectColumnListsToBeInSet(column=column.name, value_set=list(labels))
            yield _told("unknown label", lists)
        if column.kind == "labels":
            once = ours.ExpectColumnListsToBeDistinct(column=column.name)
            yield _told("repeated label", once)


def _length_rule(contract: ContractSettings) -> RowRule:
    low, high = contract.min_text_length, contract.max_text_length
    return _stock(
        "text length",
        gxe.ExpectColumnValuesToBeBetween(column="text_length", min_value=low, max_value=high),
        f"text has {low:,} to {high:,} characters",
        lambda seen: f"{int(seen):,} characters, and {low:,} to {high:,} are admitted",
    )


def _text_rules(contract: ContractSettings, shape: RowShape) -> Iterator[RowRule]:
    """Rules on the language, the characters and the tokens of what is read."""
    if "token_length" in derived_columns(contract, shape):
        tokens = ours.ExpectColumnTokenLengthsToBeBetween(
            column="token_length", min_value=contract.min_tokens, max_value=contract.max_tokens
        )
        yield _told("token length", tokens)
    if contract.languages:
        languages = list(contract.languages)
        in_language = ours.ExpectColumnValuesToBeInLanguage(column="language", languages=languages)
        yield _told("language", in_language)
    for column in (one.name for one in shape.columns if one.kind in _TEXT_KINDS):
        if contract.scripts:
            in_scripts = ours.ExpectColumnValuesToBeWrittenInScripts(
                column=column, scripts=list(contract.scripts)
            )
            yield _told("script", in_scripts)
        without = ours.ExpectColumnValuesToHaveNoForbiddenCharacters(
            column=column, characters=NUL + contract.forbidden_characters
        )
        yield _told("forbidden character", without)


def _task_rules(
    contract: ContractSettings, shape: RowShape, labels: Sequence[str]
) -> Iterator[RowRule]:
    """Rules on what only rows of some task types hold."""
    if shape.has_tags:
        tags = ours.ExpectMulticolumnValuesToBeValidTagSequences(
            column_list=[shape.tagged_column, shape.label_column], scheme=contract.tag_scheme
        )
        yield _told("broken tag sequence", tags)
    if shape.passage:
        one = shape.passage
        answers = ours.ExpectMulticolumnAnswersToStandAtTheirOffsets(
            column_list=[one.context, one.answer, one.start]
        )
        yield _told("answer not at its offset", answers)
    for reason in FAULTS if shape.entities else ():
        names = dict.fromkeys(name for one in shape.entities for name in one.names)
        entities = ours.ExpectMulticolumnEntitiesToStandInTheirText(
            column_list=list(names), entities=[list(one.names) for one in shape.entities],
            reason=reason,
        )  # fmt: skip
        yield _told(reason, entities)
    if shape.entities and shape.label_column:
        yield from _direction_rule(shape.label_column, labels)
    yield from _chat_rules(shape)
    if shape.target_column:
        yield _target_rule(contract, shape.target_column)
    if shape.pair and (contract.min_length_ratio or contract.max_length_ratio):
        ratio = ours.ExpectMulticolumnLengthRatiosToBeBetween(
            column_list=list(shape.pair),
            min_value=contract.min_length_ratio,
            max_value=contract.max_length_ratio,
        )
        yield _told("length ratio", ratio)


def _chat_rules(shape: RowShape) -> Iterator[RowRule]:
    """A conversation, or a prompt with two answers to it."""
    last: Role = "user" if shape.preference else "assistant"
    for turns in (column.name for column in shape.columns if column.kind == "turns"):
        yield _told("broken chat", ours.ExpectColumnChatTurnsToAlternate(column=turns, last=last))
    if shape.preference:
        yield _difference_rule(*shape.preference)


def _difference_rule(chosen: str, rejected: str) -> RowRule:
    """Of two equal answers none can have been preferred."""
    return _stock(
        "equal answers",
        gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(
            column_list=[chosen, rejected], ignore_row_if="any_value_is_missing"
        ),
        f"{chosen} and {rejected} differ",
        lambda _: f"{chosen} and {rejected} are the same text, so that neither was preferred",
    )


def _direction_rule(column: str, labels: Sequence[str]) -> Iterator[RowRule]:
    """A relation that other labels have with a direction says nothing without one."""
    found = undirected_beside_directed(labels)
    if found:
        yield _stock(
            "relation without direction",
            gxe.ExpectColumnValuesToNotBeInSet(column=column, value_set=sorted(found)),
            f"{column} names its direction where other labels of it do",
            lambda seen: (
                f"{excerpt(seen)} names no direction, and other rows have "
                f"{name_values(found.get(seen, ()))}; name it, or map the labels of both "
                "directions to one in source.label_map"
            ),
        )


def _target_rule(contract: ContractSettings, column: str) -> RowRule:
    least, most = contract.min_target, contract.max_target
    low = -sys.float_info.max if least is None else least
    high = sys.float_info.max if most is None else most
    bounds = [
        *(() if least is None else (f"at least {least:g}",)),
        *(() if most is None else (f"at most {most:g}",)),
    ]
    asked = " and ".join(bounds) or "finite"
    return _stock(
        "target out of bounds",
        gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high),
        f"{column} is {asked}",
        lambda seen: f"the {column} is {seen:g}, not {asked}",
    )


def _same_text_rules() -> list[RowRule]:
    """Rules against a text that stands twice, among rows that could be used."""
    return [
        _stock(
            "conflicting rows",
            gxe.ExpectColumnValuesToBeNull(column="conflict"),
            "a text stands in one row",
            lambda seen: f"the same text also stands with another {seen}",
        ),
        _stock(
            "text in two splits",
            gxe.ExpectColumnValuesToBeBetween(column="splits_of_text", max_value=1),
            "a text stands in one split",
            lambda seen: f"the same text stands in {int(seen)} splits",
        ),
    ]


def _likeness_rules() -> Iterator[RowRule]:
    """Rules against rows that a search found to be like others."""
    for reason, column, likeness in (
        ("conflicting labels", "label_conflict", "equal text with another answer"),
        ("equal text in a held-out split", "equal_text", "equal text in a held-out split"),
        (
            "near-duplicate in a held-out split",
            "near_duplicate",
            "near-duplicate in a held-out split",
        ),
        ("benchmark overlap", "overlap", "overlap with a benchmark"),
        ("golden row", "golden_row", "row of a golden set that is like it"),
    ):
        yield _told(
            reason, ours.ExpectColumnValuesToHaveNoDuplicate(column=column, likeness=likeness)
        )


def _group_rule(name: str, values: Sequence[str]) -> RowRule:
    known = "|".join(map(re.escape, values))
    part = rf" *(?:{known}) *"
    return _stock(
        f"unknown {name}",
        gxe.ExpectColumnValuesToMatchRegex(
            column=name, regex=rf"^{part}(?:{re.escape(SEPARATOR)}{part})*\Z"
        ),
        f"{name} is one of the contract's values, or several of them",
        lambda seen: explain_unknown(_stranger(seen, values), values),
    )


def _stranger(seen: object, values: Sequence[str]) -> object:
    """The first of the groups of a row that is none of the contract's."""
    parts = [part.strip() for part in str(seen).split(SEPARATOR)]
    return next((part for part in parts if part not in values), seen)


def set_rules(
    contract: ContractSettings, shape: RowShape, labels: Sequence[str], columns: Sequence[str]
) -> list[SetRule]:
    """The rules for the rows that are left; `columns` are those of the snapshot, by name."""
    names = [f"{name} ({kind})" for name, kind in _types_of(shape, columns).items()]
    return [
        _rule(ours.ExpectCountsToMatch(kind="column", names=names), "ingest the source again"),
        _at_least("rows", "row", [ALL_ROWS], contract.min_rows, "contract.min_rows"),
        *(_rows_in_split(split) for split in SPLITS),
        *(_rules_of_labels(contract, shape, labels) if shape.label_column else ()),
    ]


def _types_of(shape: RowShape, columns: Sequence[str]) -> dict[str, str]:
    """Type in words of each column; all that the shape does not name hold text."""
    of_shape = {column.name: name_type(arrow_type(column.kind)) for column in shape.columns}
    return {name: of_shape.get(name, "text") for name in columns}


def _rule(expectation: Any, mend: str) -> SetRule:
    return SetRule(expectation.sentence(expectation.configuration.kwargs), expectation, mend)


def _at_least(subject: str, kind: str, names: Sequence[str], minimum: int, why: str) -> SetRule:
    return _rule(
        ours.ExpectCountsToBeBetween(
            kind=kind, subject=subject, names=list(names), min_value=minimum
        ),
        why,
    )


def _rows_in_split(split: str) -> SetRule:
    why = "no split may be empty; add rows or change splits"
    return _at_least(f"{split} rows", "split", [split], 1, why)


def _rules_of_labels(
    contract: ContractSettings, shape: RowShape, labels: Sequence[str]
) -> Iterator[SetRule]:
    why = "there is nothing to tell apart with fewer; add rows of another label"
    yield _at_least("labels", "count", [LABELS_WITH_ROWS], shape.min_labels, why)
    if contract.labels is None:
        yield _rule(
            ours.ExpectCountsToDifferInSpelling(kind="label"),
            "set source.normalise_labels, such as [strip, casefold], map one to the other in "
            "source.label_map, or name the labels in contract.labels",
        )
    judged = _judged_labels(contract, shape, labels)
    if judged:
        yield from _rules_of_judged(contract, judged)


def _judged_labels(contract: ContractSettings, shape: RowShape, labels: Sequence[str]) -> list[str]:
    """Labels that need rows of their own.

    Of tags in the scheme BIO these are the ones that open a span, one an entity type: a type whose
    spans are all of one token has no other.
    """
    if not shape.has_tags:
        return list(labels)
    if contract.tag_scheme == "BIO":
        return [tag for tag in labels if tag.startswith("B-")]
    return [tag for tag in labels if tag != OUTSIDE]


def _rules_of_judged(contract: ContractSettings, labels: Sequence[str]) -> Iterator[SetRule]:
    for where, kind, minimum, why in (
        ("rows", "label", contract.min_rows_per_label, "contract.min_rows_per_label"),
        ("train rows", "label in train", 1, "a label is learnt from examples"),
        (
            "test rows",
            "label in test",
            contract.min_rows_per_label_in_test,
            "contract.min_rows_per_label_in_test",
        ),
    ):
        yield _at_least(f"{where} of each label", kind, labels, minimum, why)
    low, high = contract.min_label_share, contract.max_label_share
    if low > 0 or high < 1:
        yield _rule(
            ours.ExpectCountsToBeBetween(
                kind="label", measure="share", subject="share of each label",
                names=list(labels), min_value=low, max_value=high,
            ),
            "contract.min_label_share and contract.max_label_share",
        )  # fmt: skip
