"""A snapshot held against the data contract, shard by shard."""

import hashlib
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.base_models import Fingerprint, locate_pinned
from infra.errors import DataError, SettingsError
from infra.parquet_tables import TableWriter, open_table
from infra.store import Artifact, ObjectStore
from tasks.records.data import (
    SPLITS,
    BrokenContractError,
    Check,
    DataReport,
    Histogram,
    Leakage,
    Snapshot,
)
from tasks.records.golden import GoldenSets
from tasks.records.training import BaseModel
from tasks.sources import shards
from tasks.task_types.control_tokens import control_tokens
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape
from tasks.task_types.tokenizers import load_tokenizer
from tasks.validation.contract.checking import CheckedSet, check_set
from tasks.validation.contract.counts import RowCounts
from tasks.validation.contract.data_docs import render_page
from tasks.validation.contract.doubtful_labels import doubtful_labels
from tasks.validation.contract.expectations.language import languages_of
from tasks.validation.contract.frames import FrameMaker
from tasks.validation.contract.lengths import LengthCounts
from tasks.validation.contract.partitioning import RowPartitioner
from tasks.validation.contract.quarantine import rows_not_read
from tasks.validation.contract.quarantine_limits import ShareCheck, check_shares
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.contract.snapshot_shards import read_shards
from tasks.validation.contract.suites import (
    SetRule,
    derived_columns,
    labels_of,
    row_rules,
    set_rules,
)
from tasks.validation.golden_contract import check_golden_sets, read_golden_sets
from tasks.validation.leakage.finding import find_leaks
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.verdicts import Verdict

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

_BATCH_ROWS: Final = 65_536
_TOKENIZED_AT_ONCE: Final = 1_024
# A message lists at most this many breaches, and counts; the data report shows all.
_LISTED_BREACHES: Final = 30
_LISTED_COUNTS: Final = 30
# In place of the clean rows where the contract is broken.
NOT_KEPT: Final = Artifact("", "", 0)
# What helps most often where many rows are put aside for one reason.
_MENDS: Final = {
    shards.invalid_encoding("utf-8"): "invalid utf-8: what Excel or Windows saved is often cp1252; "
    "set source.fallback_encoding: cp1252, or source.encoding to what the file is in",
    shards.WRONG_NUMBER_OF_FIELDS: "wrong number of fields: is the delimiter another, such as ';' "
    "(source.delimiter), or are quotes characters like any other (source.quoting: none)?",
    shards.BROKEN_CSV: "broken CSV: where quotes are characters like any other, set "
    "source.quoting: none; where a backslash stands before them, source.escape: '\\'",
    shards.OPEN_QUOTE: "open quote: close it, or set source.quoting: none where quotes are "
    "characters like any other",
    shards.HEADER_AGAIN: "header repeated: files were put one behind another; remove the header of "
    "each but the first, or name their folder in source.path",
    shards.INEXACT_NUMBER: "inexact number: keep the column as whole numbers or as text; pandas "
    "makes it floating-point where one is missing (dtype Int64 does not)",
    shards.TOOL_CALL: "tool call in a turn: leave such chats out, or write what is said as turns "
    "of user and assistant",
    shards.NOT_COMPARABLE: "not comparable in keep_rows: source.keep_rows compares a column with a "
    "number or truth value, and these rows hold another word there; mend them, or compare it with "
    "a text in quotes",
    "unknown label": "unknown label: mend the source, or map the label to one of the line's in "
    "source.label_map",
    "golden row": "golden row: the source holds rows that are like one of a golden set, and no "
    "model may learn from these; take them out of the source where they are many",
    "missing label": "missing label: contract.missing_labels lists the words that stand for one",
}


@dataclass(frozen=True)
class PartitionedSnapshot:
    """A snapshot after the row rules: its counts and its quarantine file.

    Attributes:
        figures: of the clean rows.
        rows: all of them, broken ones included.
        by_reason: rows that were put aside; one with two reasons counts in both.

    """

    sorter: RowPartitioner
    figures: RowCounts
    lengths: dict[str, Histogram]
    rows: int
    rows_quarantined: int
    by_reason: dict[str, int]
    quarantine: Artifact


def validate_snapshot(
    snapshot: Snapshot,
    base: BaseModel | None,
    contract: ContractSettings,
    leakage: LeakageSettings,
    privacy: PrivacySettings,
    store: ObjectStore,
    *,
    scratch_tokens: Sequence[str] = (),
    golden: GoldenSets | None = None,
) -> DataReport:
    """Put the rows aside that break the contract, and judge those that are left.

    The quarantine file and the Data Docs are written before anything is refused. Memory does not
    grow with the rows, but for some bytes each that the search for leaks holds.

    Args:
        snapshot: the rows.
        base: the pinned base model; None where it is yet to be built.
        contract: what is asked of the rows.
        leakage: what is looked for between rows.
        privacy: what becomes of personal data.
        store: that the rows lie in.
        scratch_tokens: control tokens of a base model that is yet to be built.
        golden: sets that no row to learn from may be like; such rows are put aside, and these sets
            are never changed.

    Raises:
        BrokenContractError: too many rows were put aside, those that are left break the contract,
            or a kind of personal data was found with which the run may not go on; with what the
            check found.
        DataError: the contract names a group column that the source has not, or a golden set has
            rows that cannot be judged.
        BaseModelError: tokens are to be counted and the base model cannot be loaded.

    """
    shape = shape_of(snapshot.task_type)
    _check_group_columns(snapshot, contract)
    with tempfile.TemporaryDirectory(prefix="assayline-") as name:
        rows = open_table(snapshot.artifact, store, Path(name))
        origins = open_table(snapshot.origins, store, Path(name))
        broken = open_table(snapshot.broken, store, Path(name))
        unmapped = snapshot.changes.labels_unmapped
        labels = labels_of(contract, shape, _label_shards(rows, shape), unmapped)
        golden_paths = _checked_golden(golden, shape, labels, store, Path(name))
        leaks = find_leaks(
            Path(name) / f"{snapshot.artifact.sha256}.parquet", shape, leakage, store, golden_paths
        )
        tokenizer = load_pinned_tokenizer(base) if base else None
        spelled = control_tokens(tokenizer) if tokenizer else scratch_tokens
        maker = make_frames(shape, labels, snapshot.group_columns, tokenizer, contract)
        rules = row_rules(contract, shape, labels, snapshot.group_columns)
        sorter = RowPartitioner(
            maker, rules, leaks, privacy, tuple(spelled), has_sources=bool(snapshot.by_source)
        )
        with TableWriter("clean", rows.schema_arrow, store) as clean:
            found = partition_snapshot(sorter, snapshot, rows, origins, broken, clean, store)
            return _judge(snapshot, contract, found, leaks.record, clean, store)


def _checked_golden(
    golden: GoldenSets | None,
    shape: RowShape,
    labels: Sequence[str],
    store: ObjectStore,
    folder: Path,
) -> dict[str, Path]:
    if golden is None:
        return {}
    paths = read_golden_sets(golden, store, folder)
    check_golden_sets(golden, shape, labels, paths, store)
    return paths


def make_frames(
    shape: RowShape,
    labels: Sequence[str],
    group_columns: Sequence[str],
    tokenizer: "PreTrainedTokenizerFast | None",
    contract: ContractSettings,
) -> FrameMaker:
    """Frames with the columns that the contract's rules read, and no dearer ones."""
    asked = derived_columns(contract, shape)
    count = _count_with(tokenizer) if "token_length" in asked else None
    tell = _tell_with(contract) if "language" in asked else None
    return FrameMaker(shape, labels, group_columns, count, tell)


def _tell_with(contract: ContractSettings) -> Callable[[list[str | None]], list[str | None]]:
    """Languages of texts, as the contract asks for them."""
    least, languages = contract.min_language_characters, contract.languages or ()

    def tell(texts: list[str | None]) -> list[str | None]:
        return languages_of(texts, least, languages)

    return tell


def load_pinned_tokenizer(base: BaseModel) -> "PreTrainedTokenizerFast":
    """The tokenizer of a pinned base model.

    Raises:
        BaseModelError: it changed since, or cannot be loaded.

    """
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    return load_tokenizer(locate_pinned(base.reference, base.revision, pinned))


def _count_with(tokenizer: "PreTrainedTokenizerFast | None") -> Callable[[list[str]], list[int]]:
    """Numbers of the base model's tokens, special ones included, nothing cut."""
    if tokenizer is None:
        raise SettingsError(
            "contract.min_tokens and contract.max_tokens count tokens of a pretrained base model, "
            "and there is none; set contract.min_text_length and contract.max_text_length"
        )

    def count(texts: list[str]) -> list[int]:
        counts: list[int] = []
        for start in range(0, len(texts), _TOKENIZED_AT_ONCE):
            some = texts[start : start + _TOKENIZED_AT_ONCE]
            ids = tokenizer(some, truncation=False, padding=False, verbose=False)["input_ids"]
            counts.extend(len(one) for one in ids)
        return counts

    return count


def _label_shards(rows: pq.ParquetFile, shape: RowShape) -> Iterator[pa.Table]:
    columns = [shape.label_column] if shape.label_column else []
    for batch in rows.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
        yield pa.Table.from_batches([batch])


def partition_snapshot(
    sorter: RowPartitioner,
    snapshot: Snapshot,
    rows: pq.ParquetFile,
    origins: pq.ParquetFile,
    broken: pq.ParquetFile,
    clean: TableWriter,
    store: ObjectStore,
) -> PartitionedSnapshot:
    """Hold every row against the row rules; write the clean ones and those that fail."""
    figures = RowCounts(sorter.shape, sorter.labels)
    lengths: dict[str, LengthCounts] = {}
    failing = 0
    with TableWriter("quarantine", sorter.schema, store) as quarantine:
        for shard in read_shards(rows, origins):
            parted = sorter.sort(shard)
            clean.write(parted.clean)
            quarantine.write(parted.quarantine)
            figures.add(parted.clean)
            failing += parted.quarantine.num_rows
            for unit, values in parted.lengths.items():
                lengths.setdefault(unit, LengthCounts()).add(values)
        for batch in broken.iter_batches(batch_size=_BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            quarantine.write(rows_not_read(table, sorter.redact_secrets, sorter.schema))
        return PartitionedSnapshot(
            sorter,
            figures,
            {unit: counts.histogram() for unit, counts in lengths.items()},
            rows.metadata.num_rows + snapshot.rows_broken,
            failing + snapshot.rows_broken,
            dict(Counter(sorter.by_reason) + Counter(snapshot.broken_by_reason)),
            quarantine.close(),
        )


def _check_group_columns(snapshot: Snapshot, contract: ContractSettings) -> None:
    for name in contract.groups:
        if name not in snapshot.group_columns:
            known = ", ".join(snapshot.group_columns) or "none"
            raise DataError(
                f"contract.groups names {name!r}, which is no group column of the source "
                f"(source.group_columns: {known}); add it there or remove it here"
            )


def _judge(
    snapshot: Snapshot,
    contract: ContractSettings,
    found: PartitionedSnapshot,
    leakage: Leakage,
    clean: TableWriter,
    store: ObjectStore,
) -> DataReport:
    """Judge what is left; only rows that keep the contract reach the store as clean.

    Raises:
        BrokenContractError: they do not.

    """
    figures, sorter = found.figures, found.sorter
    rules = set_rules(contract, sorter.shape, sorter.labels, sorter.snapshot_columns)
    left = check_set(rules, figures.frame()) if figures.rows else None
    docs_uri = _put_docs(snapshot, contract, found, left, store)
    shares = check_shares(
        contract, found.rows, found.rows_quarantined, found.by_reason, snapshot.broken_by_reason
    )
    breaches = [
        *_breaches_of_shares(shares, found),
        *_breaches_of_set(rules, left),
        *_breaches_of_privacy(sorter),
        *_breaches_of_control_tokens(contract, sorter),
    ]
    rows_by_label = {label: figures.rows_by_label.get(label, 0) for label in sorter.labels}
    doubtful = doubtful_labels(contract, sorter.shape, rows_by_label, figures.rows)
    report = DataReport(
        clean=NOT_KEPT if breaches else clean.close(),
        quarantine=found.quarantine,
        docs_uri=docs_uri,
        task_type=snapshot.task_type,
        labels=tuple(sorter.labels),
        group_columns=snapshot.group_columns,
        rows_by_split={split: figures.rows_by_split.get(split, 0) for split in SPLITS},
        rows_by_label=rows_by_label,
        rows_quarantined=found.rows_quarantined,
        quarantined_by_reason=found.by_reason,
        lengths=found.lengths,
        personal_data=sorter.protector.findings(),
        leakage=leakage,
        checks=(*_all_checks(sorter, shares, left),),
        verdict=Verdict.FAIL if breaches else Verdict.PASS,
        control_tokens=sorter.controls.counted(contract.control_tokens),
        doubtful_labels=doubtful,
        breaches=tuple(breaches),
    )
    if breaches:
        raise BrokenContractError(_explain(report), report)
    for one in doubtful:
        logger.warning("%s", one.sentence)
    return report


def _all_checks(
    sorter: RowPartitioner, shares: Sequence[ShareCheck], left: CheckedSet | None
) -> Iterator[Check]:
    yield from sorter.suite.checks()
    yield from (share.check for share in shares)
    yield from left.checks.values() if left else ()


def _breaches_of_shares(shares: Sequence[ShareCheck], found: PartitionedSnapshot) -> Iterator[str]:
    if not found.figures.rows:
        yield f"all {found.rows_quarantined:,} rows were put aside"
        return
    for share in shares:
        if not share.check.passed:
            yield share.breach


def _breaches_of_set(rules: Sequence[SetRule], left: CheckedSet | None) -> Iterator[str]:
    for rule in rules if left else ():
        check = left.checks[rule.title] if left else None
        if check and not check.passed:
            yield f"{rule.title}; seen {check.observed} ({rule.mend})"


def _breaches_of_privacy(sorter: RowPartitioner) -> Iterator[str]:
    for kind in sorter.fatal_findings():
        yield (
            f"personal data of kind {kind.kind}: {kind.findings:,} in {kind.rows:,} rows; "
            f"privacy.policy[{kind.kind!r}] is fail"
        )


def _breaches_of_control_tokens(
    contract: ContractSettings, sorter: RowPartitioner
) -> Iterator[str]:
    found = sorter.controls.counted(contract.control_tokens)
    if found.rows and contract.control_tokens == "fail":
        yield (
            f"control tokens of the base model: {', '.join(found.rows_by_token)} in "
            f"{found.rows:,} rows; contract.control_tokens is fail"
        )


def _explain(report: DataReport) -> str:
    points = "".join(f"\n  - {breach}" for breach in report.breaches[:_LISTED_BREACHES])
    more = len(report.breaches) - _LISTED_BREACHES
    reasons = report.quarantined_by_reason
    return (
        f"the data breaks its contract:{points}\n"
        + (f"  - and {more:,} more\n" if more > 0 else "")
        + f"rows put aside, by reason: {_counts(reasons) or 'none'}\n"
        + "".join(f"  {mend}\n" for reason, mend in _MENDS.items() if reason in reasons)
        + "".join(f"{one.sentence}\n" for one in report.doubtful_labels[:_LISTED_BREACHES])
        + (f"rows left, by label: {_counts(report.rows_by_label)}\n" if report.labels else "")
        + f"the rows put aside are in {report.quarantine.uri}"
    )


def _counts(rows: Mapping[str, int]) -> str:
    some = [f"{name} {number:,}" for name, number in list(rows.items())[:_LISTED_COUNTS]]
    more = len(rows) - _LISTED_COUNTS
    return ", ".join([*some, f"and {more:,} more"] if more > 0 else some)


def _put_docs(
    snapshot: Snapshot,
    contract: ContractSettings,
    found: PartitionedSnapshot,
    left: CheckedSet | None,
    store: ObjectStore,
) -> str:
    results = [found.sorter.docs_result(), *([left.result] if left else [])]
    page = render_page(results, snapshot.artifact.sha256)
    key = hashlib.sha256(f"{snapshot.artifact.sha256}{contract.model_dump_json()}".encode())
    key.update(found.quarantine.sha256.encode())
    return store.put_bytes(store.uri("docs", key.hexdigest(), "index.html"), page.encode()).uri
