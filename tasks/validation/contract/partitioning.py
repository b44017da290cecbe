"""The rows of a shard that keep the contract's row rules, and those that do not."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks.records.data import PersonalData
from tasks.task_types.rows import TEXT, RowShape, texts_of
from tasks.validation.contract.checking import RowSuite
from tasks.validation.contract.control_tokens import ControlTokenSearch
from tasks.validation.contract.frames import FrameMaker
from tasks.validation.contract.quarantine import (
    Fault,
    quarantine_schema,
    rows_put_aside,
    write_value,
)
from tasks.validation.contract.snapshot_shards import SnapshotShard
from tasks.validation.contract.suites import RowRule
from tasks.validation.personal_data.protection import Protector
from tasks.validation.personal_data.settings import PersonalDataKind, PrivacySettings

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

_PERSONAL_DATA: Final = "personal_data"
_SPELLED: Final = "control_token"
_SHOWN_CHARACTERS: Final = 60
# Derived columns whose values quote nothing of a row.
_NOTHING_QUOTED: Final = frozenset(
    {
        "text_length", "token_length", "language", "splits_of_text", "equal_text",
        "near_duplicate", "overlap", "golden_row", _PERSONAL_DATA, _SPELLED,
    }
)  # fmt: skip
_TEXT_KINDS: Final = frozenset({"text", "texts", "turns"})
# Values of any column as rows of their own.
_VALUES: Final = RowShape(task_type="values", columns=(TEXT,), leading="")


class Marks(Protocol):
    """What is known of a snapshot's rows beforehand: a value or null for each, by column."""

    def columns(self, start: int, stop: int) -> dict[str, list[str | None]]:
        """The values for these positions."""


@dataclass(frozen=True)
class PartitionedShard:
    """A shard after the row rules.

    Attributes:
        clean: rows that keep them, protected as the policy says.
        lengths: of the clean texts, by unit.
        quarantine: rows that do not, as `tasks.validation.contract.quarantine` has them.

    """

    clean: pa.Table
    lengths: dict[str, npt.NDArray[np.int64]]
    quarantine: pa.Table


class RowPartitioner:
    """Judges shard after shard of a snapshot.

    Attributes:
        suite: what the row rules found up to now.
        controls: what the texts spell of the base model's control tokens.
        by_reason: failing rows by the rule's reason; a row with two reasons counts in both.

    """

    def __init__(
        self,
        maker: FrameMaker,
        rules: Sequence[RowRule],
        marks: Marks,
        privacy: PrivacySettings,
        control_tokens: Sequence[str] = (),
        *,
        has_sources: bool = False,
    ) -> None:
        self.suite = RowSuite(rules)
        self.by_reason: Counter[str] = Counter()
        self.protector = Protector(_setting_aside(privacy), maker.shape)
        self.controls = ControlTokenSearch(maker.shape, control_tokens)
        self._privacy = privacy
        self.shape, self.labels = maker.shape, tuple(maker.labels)
        self._maker, self._rules, self._marks = maker, rules, marks
        self._read_columns = columns_read(rules)
        # What is put aside is for a person to repair, so that only secrets are replaced there.
        self._secrets_alone = Protector(_secrets_policy(), maker.shape)
        self.redact_secrets = self._secrets_alone.redact_secrets
        by_kind = {column.name: column.kind in _TEXT_KINDS for column in maker.shape.columns}
        self._texts = frozenset(name for name, is_text in by_kind.items() if is_text)
        self._named = [name for name in (*by_kind, *maker.group_columns) if name not in self._texts]
        self._shown = _NOTHING_QUOTED.union(by_kind, maker.group_columns) - self._texts
        self.schema = quarantine_schema(maker.shape, maker.group_columns, has_sources=has_sources)

    def sort(self, shard: SnapshotShard) -> PartitionedShard:
        """Part the rows, protect those that go on, and say of the others why they do not."""
        protected = self.protector.protect(shard.rows)
        marks = self._marks.columns(shard.start, shard.start + shard.rows.num_rows)
        marks = {
            **marks,
            _PERSONAL_DATA: protected.quarantine,
            _SPELLED: self.controls.search(shard.rows),
        }
        frame = self._maker.frame(shard.rows, shard.start, marks)[self._read_columns]
        faults = self._find_faults(frame)
        kept = np.ones(shard.rows.num_rows, np.bool_)
        failing = sorted(faults)
        kept[failing] = False
        return PartitionedShard(
            clean=protected.rows.filter(pa.array(kept)) if failing else protected.rows,
            lengths=self._lengths(shard.rows, protected.rows, frame, kept),
            quarantine=self._put_aside(shard, failing, [faults[place] for place in failing]),
        )

    def fatal_findings(self) -> tuple[PersonalData, ...]:
        """Personal data of the kinds with which the run may not go on."""
        fatal = {kind for kind, action in self._privacy.policy.items() if action == "fail"}
        return tuple(one for one in self.protector.findings() if one.kind in fatal)

    @property
    def snapshot_columns(self) -> tuple[str, ...]:
        """Columns of the snapshot, and of its clean rows."""
        names = (*self.shape.names, "split", *self._maker.group_columns)
        return ("row_id", *names, "cluster")

    def docs_result(self) -> "ExpectationSuiteValidationResult":
        """What the row rules found, as Data Docs may show it: without personal data."""
        seen = [value for rule in self._rules for value in self.suite.seen_values(rule.title)]
        return self.suite.result(dict(zip(seen, _without_personal_data(seen), strict=True)))

    def _find_faults(self, frame: "pd.DataFrame") -> Mapping[int, list[Fault]]:
        """Faults by place in the frame; a row counts once for a reason."""
        faults: defaultdict[int, list[Fault]] = defaultdict(list)
        places_of: defaultdict[str, set[int]] = defaultdict(set)
        failing = self.suite.check(frame)
        for rule in self._rules:
            places = failing[rule.title]
            values = _values_at(rule, frame, places)
            for place, fault in zip(places, self._describe(rule, values), strict=True):
                faults[place].append(fault)
            places_of[rule.reason].update(places)
            self._note(rule, values)
        self.by_reason.update({reason: len(found) for reason, found in places_of.items() if found})
        return faults

    def _describe(self, rule: RowRule, values: Sequence[Any]) -> Iterator[Fault]:
        """Why each value fails, without secrets. Sentences on texts quote nothing of them."""
        columns = set(_columns_of(rule))
        name = rule.expectation.expectation_type
        for value in values:
            plain = value if columns <= _NOTHING_QUOTED else self._redact(value)
            seen = value if columns & self._texts else plain
            yield Fault(f"{rule.reason}: {rule.explain(seen)} ({name})", write_value(plain))

    def _redact(self, value: Any) -> Any:
        return _replace_strings(value, self.redact_secrets)

    def _note(self, rule: RowRule, values: Sequence[Any]) -> None:
        """Let Data Docs show these values, or sentences on them, if none is a row's text."""
        columns = set(_columns_of(rule))
        if self.suite.tells_faults(rule.title):
            some = values[: self.suite.places_left(rule.title)]
            if not columns & self._texts:
                some = [_replace_strings(value, _redact_personal_data) for value in some]
            self.suite.note_faulty(rule.title, some)
        elif columns <= self._shown:
            seen = [write_value(value)[:_SHOWN_CHARACTERS] for value in values if value is not None]
            self.suite.note_values(rule.title, seen)

    def _lengths(
        self,
        rows: pa.Table,
        protected: pa.Table,
        frame: "pd.DataFrame",
        kept: npt.NDArray[np.bool_],
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Characters and tokens of the clean texts, as they are after redaction."""
        texts = texts_of(self._maker.shape, protected).filter(pa.array(kept))
        lengths = {"characters": pc.utf8_length(texts).to_numpy()}
        if self._maker.count_tokens:
            before = texts_of(self._maker.shape, rows).filter(pa.array(kept))
            tokens = frame["token_length"].to_numpy()[kept].astype(np.int64)
            changed = np.flatnonzero(pc.not_equal(before, texts))
            if len(changed):
                tokens[changed] = self._maker.count_tokens(texts.take(changed).to_pylist())
            lengths["tokens"] = tokens
        return lengths

    def _put_aside(
        self, shard: SnapshotShard, places: Sequence[int], faults: Sequence[Sequence[Fault]]
    ) -> pa.Table:
        if not places:
            return self.schema.empty_table()
        rows = self._secrets_alone.protect(shard.rows.take(places)).rows
        for name in self._named:
            values = [_replace_strings(one, self.redact_secrets) for one in rows[name].to_pylist()]
            at = rows.column_names.index(name)
            rows = rows.set_column(at, name, pa.array(values, rows.schema.field(name).type))
        return rows_put_aside(rows, shard.origins.take(places), faults, self.schema)


def _secrets_policy() -> PrivacySettings:
    """Redact secrets, and nothing else."""
    kinds = set(get_args(PersonalDataKind)) - {"secret"}
    return PrivacySettings(policy=dict.fromkeys(kinds, "allow"))


def _setting_aside(privacy: PrivacySettings) -> PrivacySettings:
    """The policy with rows put aside that end the run, so that a person can find them."""
    policy = {
        kind: "quarantine" if action == "fail" else action
        for kind, action in privacy.policy.items()
    }
    return privacy.model_copy(update={"policy": policy})


def _without_personal_data(values: Sequence[str]) -> list[str]:
    """The values with a placeholder for all personal data that needs no language model."""
    if not values:
        return []
    rows = pa.table({"text": pa.array(values, pa.string())})
    protected = Protector(PrivacySettings(), _VALUES).protect(rows).rows
    return list(protected["text"].to_pylist())


def _redact_personal_data(value: str) -> str:
    return _without_personal_data([value])[0]


def columns_read(rules: Sequence[RowRule]) -> list[str]:
    """The columns that any rule reads: Great Expectations looks at every cell that it is given."""
    return list(dict.fromkeys(name for rule in rules for name in _columns_of(rule)))


def _columns_of(rule: RowRule) -> list[str]:
    """The columns that a rule judges together."""
    kwargs = rule.expectation.configuration.kwargs
    return list(kwargs.get("column_list") or [kwargs["column"]])


def _values_at(rule: RowRule, frame: "pd.DataFrame", places: list[int]) -> list[Any]:
    """The values that a rule saw: of several columns, a dict by column."""
    if not places:
        return []
    columns = _columns_of(rule)
    values = [[_plain(value) for value in frame[name].iloc[places]] for name in columns]
    if len(columns) == 1:
        return values[0]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _plain(value: Any) -> Any:
    """As Python has it: lists for arrays, None for what is missing."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA:
        return None
    if isinstance(value, list | dict):
        return value
    # Not a number is how pandas writes a missing value; it alone differs from itself.
    return None if value is None or value != value else value  # noqa: PLR0124


def _replace_strings(value: Any, replace: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [_replace_strings(item, replace) for item in value]
    if isinstance(value, dict):
        return {key: _replace_strings(item, replace) for key, item in value.items()}
    return value
