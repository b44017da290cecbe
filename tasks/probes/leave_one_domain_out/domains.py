"""Which rows are of which domain, and which domains can be left out: said before any training."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.evaluation.features import read_sources
from tasks.probes.cutting import cut_tokens
from tasks.probes.leave_one_domain_out.settings import (
    FAMILY,
    SOURCE,
    SPANS,
    LeaveOneDomainOutSettings,
)
from tasks.protected_groups.memberships import groups_by_row
from tasks.records.data import SPLITS, DataReport, Snapshot
from tasks.records.leave_one_domain_out import Domain, Domains
from tasks.records.training import Tokens
from tasks.resampling import Ints
from tasks.task_types.row_shapes import shape_of

SETTING: Final = f"probes.{FAMILY}"
_SHOWN: Final = 12
_LEAST_DOMAINS: Final = 2
TRAIN, VALIDATION, TEST = SPLITS
# Splits whose rows shape a model: it learns of one, and of the other its best epoch is chosen.
LEARNED: Final = (TRAIN, VALIDATION)


@dataclass(frozen=True, eq=False)
class DomainRows:
    """Clean rows with their domains; a row may be of several, or of none.

    Attributes:
        rows: row_id, split and, where each row has one class, its label, (N,).
        names: of D domains, sorted.
        places: of rows, (K,), each with one domain that it is of.
        codes: of these domains, (K,), 0 to D - 1; no pair stands twice.

    """

    rows: pa.Table
    names: tuple[str, ...]
    places: Ints
    codes: Ints

    def of(self, domain: str) -> NDArray[np.bool_]:
        """Whether each row is of the domain, (N,)."""
        found = np.zeros(self.rows.num_rows, dtype=np.bool_)
        found[self.places[self.codes == self.names.index(domain)]] = True
        return found

    def in_split(self, split: str) -> NDArray[np.bool_]:
        """Whether each row is of the split, (N,)."""
        told = pc.equal(self.rows["split"], split)
        return np.asarray(told.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def counts(self, split: str) -> Ints:
        """Rows of each domain in a split, (D,)."""
        there = self.in_split(split)[self.places]
        return np.bincount(self.codes[there], minlength=len(self.names))


def find_domains(
    data: DataReport,
    snapshot: Snapshot,
    task_type: str,
    settings: LeaveOneDomainOutSettings,
    *,
    store: ObjectStore,
) -> Domains:
    """The domains that are left out in turn, with their rows, before anything is trained.

    Args:
        data: the clean rows.
        snapshot: says which source each row came from.
        task_type: what they are of.
        settings: which domains.
        store: holds the rows.

    Raises:
        DataError: the column is missing, holds no date where dates are asked for, has fewer than
            two values, or lacks one that is named.
        StoreError: an artifact is missing.

    """
    found = read_domains(data, snapshot, task_type, settings, store=store)
    if len(found.names) < _LEAST_DOMAINS:
        seen = repr(found.names[0]) if found.names else "none at all"
        raise DataError(
            f"{SETTING}.column is {settings.column}, and the clean rows have one value of it "
            f"({seen}): nothing would be left to learn from; name a column with two values or more"
        )
    if missing := [name for name in settings.values if name not in found.names]:
        raise DataError(
            f"{SETTING}.values names {missing}, of which no clean row is; the column "
            f"{settings.column} has {_listed(found.names)}"
        )
    test = found.counts(TEST)
    ordered = sorted(found.names, key=lambda name: (-test[found.names.index(name)], name))
    asked = settings.values or ordered[: settings.max_trainings]
    return Domains(
        column=settings.column,
        span=settings.span,
        asked=tuple(_domain(name, found, settings.min_rows) for name in asked),
        others=len(found.names) - len(asked),
        train_rows=int(found.in_split(TRAIN).sum()),
    )


def cut_domain(
    tokens: Tokens,
    data: DataReport,
    snapshot: Snapshot,
    task_type: str,
    settings: LeaveOneDomainOutSettings,
    domain: str,
    *,
    store: ObjectStore,
) -> Tokens:
    """The tokens without the training and validation rows of a domain; planted rows stay.

    Args:
        tokens: of the candidate.
        data: the clean rows.
        snapshot: says which source each row came from.
        task_type: what they are of.
        settings: which column says the domain.
        domain: its name.
        store: holds tokens and rows.

    Raises:
        DataError: see `find_domains`.
        StoreError: an artifact is missing.

    """
    found = read_domains(data, snapshot, task_type, settings, store=store)
    gone = set(found.rows.filter(pa.array(found.of(domain)))["row_id"].to_pylist())
    return cut_tokens(
        tokens, {split: lambda row_id: row_id not in gone for split in LEARNED}, store=store
    )


def read_domains(
    data: DataReport,
    snapshot: Snapshot,
    task_type: str,
    settings: LeaveOneDomainOutSettings,
    *,
    store: ObjectStore,
) -> DomainRows:
    """All clean rows, in the order of their file, with their domains.

    Raises:
        DataError: the column is missing, holds too many values, or no dates where such are asked
            for.
        StoreError: an artifact is missing.

    """
    shape = shape_of(task_type)
    label = shape.label_column if shape.has_one_class else None
    with tempfile.TemporaryDirectory(prefix="domains-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        known = pq.read_schema(clean).names
        stated = settings.column in data.group_columns
        if not stated and settings.column != SOURCE:
            raise DataError(
                f"{SETTING}.column is {settings.column}, which is none of source.group_columns "
                f"({_listed(data.group_columns)}); add it there, or name another"
            )
        if stated and settings.column not in known:
            raise DataError(f"the clean data has no column {settings.column!r}; it has {known}")
        wanted = ["row_id", "split", *([label] if label else []), *[settings.column] * stated]
        rows = pq.read_table(clean, columns=wanted)
        values = rows[settings.column] if stated else _sources_of(rows, snapshot, store, work)
        rows = rows.select(wanted[:3] if label else wanted[:2])
    if settings.span:
        values = _spans_of(values, settings)
    return _with_domains(rows, values)


def _sources_of(
    rows: pa.Table, snapshot: Snapshot, store: ObjectStore, work: Path
) -> pa.ChunkedArray:
    """Names of the sources that rows came from."""
    if not snapshot.by_source:
        raise DataError(
            f"{SETTING}.column is {SOURCE}, and the line has one; name several under sources, or "
            "one of source.group_columns here"
        )
    named = read_sources(snapshot, store, work)
    first = pc.index_in(rows["row_id"].combine_chunks(), named["row_id"].combine_chunks())
    return pa.chunked_array([named["file"].combine_chunks().take(first)])


def _spans_of(values: pa.ChunkedArray, settings: LeaveOneDomainOutSettings) -> pa.ChunkedArray:
    """Years or months of ISO 8601 dates; what is null stays so."""
    assert settings.span is not None  # noqa: S101 - asked of settings with a span
    pattern, length, example = SPANS[settings.span]
    trimmed = pc.utf8_trim_whitespace(values)
    is_date = pc.match_substring_regex(trimmed, rf"^{pattern}($|[-T ][^|]*$)")
    wrong = values.filter(pc.invert(pc.fill_null(is_date, fill_value=True)))
    if len(wrong):
        raise DataError(
            f"{SETTING}.span is {settings.span}, and the column {settings.column} has "
            f"{wrong[0].as_py()!r} in one of {len(wrong):,} clean rows, which is no date; right "
            f"would be {example!r} or {'2026-11-29'!r}, or no span"
        )
    return pc.utf8_slice_codeunits(trimmed, 0, length)


def _with_domains(rows: pa.Table, values: pa.ChunkedArray) -> DomainRows:
    places, named = groups_by_row(values)
    names = sorted(pc.unique(named).to_pylist())
    codes = pc.index_in(named, value_set=pa.array(names, pa.string()))
    pairs = np.stack([places, np.asarray(codes, dtype=np.int64)], axis=1)  # (K, 2)
    pairs = np.unique(pairs, axis=0) if len(pairs) else pairs
    return DomainRows(rows, tuple(names), pairs[:, 0], pairs[:, 1])


def _domain(name: str, found: DomainRows, least: int) -> Domain:
    member = found.of(name)
    rows = {split: int((member & found.in_split(split)).sum()) for split in SPLITS}
    return Domain(
        name, rows[TRAIN], rows[VALIDATION], rows[TEST],
        reason=_why_not(name, found, least, rows),
    )  # fmt: skip


def _why_not(name: str, found: DomainRows, least: int, rows: Mapping[str, int]) -> str:
    """Why no model is trained without a domain; empty where one is."""
    if rows[TEST] < least:
        return f"{rows[TEST]:,} test rows are of {name}, fewer than {SETTING}.min_rows ({least:,})"
    if not rows[TRAIN]:
        return f"no training row is of {name}, so that the candidate has not learned it either"
    for split in LEARNED:
        if rows[split] == int(found.in_split(split).sum()):
            return f"all {split} rows are of {name}, so that none would be left"
    if gone := _labels_of_it_alone(found, name):
        return (
            f"all training rows with the label {_listed(gone)} are of {name}: a model without them "
            "would show what an unknown label costs, and not another domain"
        )
    return ""


def _labels_of_it_alone(found: DomainRows, name: str) -> list[str]:
    """Labels that no training row of another domain has, and a test row of this one has."""
    others = {*found.rows.column_names} - {"row_id", "split"}
    if not others:
        return []
    labels = np.array(found.rows[others.pop()].to_pylist(), dtype=object)
    member, train = found.of(name), found.in_split(TRAIN)
    left = set(labels[train & ~member])
    return sorted(set(labels[found.in_split(TEST) & member]) - left)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) or "none"
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
