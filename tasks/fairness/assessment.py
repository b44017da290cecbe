"""From row-wise scores to how groups fare: the stage's plain function."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.fairness.gaps import gap_estimates
from tasks.fairness.group_rates import rates_of_groups
from tasks.fairness.rates import collapse_outcomes
from tasks.fairness.settings import FairnessSettings
from tasks.identity.mentions import Membership, column_groups, mentioned_groups, read_terms
from tasks.identity.term_lists import TERMS_FOLDER
from tasks.records import DataReport, Fairness, GroupRates, Scores
from tasks.resampling import Ints
from tasks.verdicts import Estimate


def assess_scores(
    scores: Scores, data: DataReport, settings: FairnessSettings, *, store: ObjectStore
) -> Fairness:
    """Compare the groups of every attribute on the test rows.

    Raises:
        DataError: the scores are not those of these test rows, or a group column is missing.
        StoreError: an artifact is missing or was changed.

    """
    with tempfile.TemporaryDirectory(prefix="assess-") as name:
        work = Path(name)
        scored = pq.read_table(
            store.get_file(scores.artifact, work / "scores.parquet"),
            columns=["row_id", "label", "predicted"],
        )
        clean = store.get_file(data.clean, work / "clean.parquet")
        rows = read_test_rows(clean, data.group_columns)
    if rows["row_id"].to_pylist() != scored["row_id"].to_pylist():
        raise DataError(
            "the scores and the clean data hold different test rows; score these rows again"
        )
    truth, predicted = (scored[name].to_numpy().astype(np.int64) for name in ("label", "predicted"))
    return assess_rows(rows, truth, predicted, data.group_columns, scores.labels, settings)


def read_test_rows(clean: Path, group_columns: tuple[str, ...]) -> pa.Table:
    """Text and groups of the test rows.

    Raises:
        DataError: a group column is missing.

    """
    found = pq.read_schema(clean).names
    if missing := [column for column in group_columns if column not in found]:
        raise DataError(f"the clean data has no group column {missing}; it has {found}")
    columns = ["row_id", "text", *group_columns]
    return pq.read_table(clean, columns=columns, filters=[("split", "=", "test")])


def assess_rows(
    rows: pa.Table,
    truth: Ints,
    predicted: Ints,
    group_columns: tuple[str, ...],
    labels: tuple[str, ...],
    settings: FairnessSettings,
) -> Fairness:
    """Compare the groups of every attribute.

    Args:
        rows: text and group columns of N rows.
        truth: class ids, shape (N,).
        predicted: class ids, shape (N,).
        group_columns: columns whose values are groups.
        labels: names of the class ids.
        settings: attributes, least rows, repeats and seed.

    """
    groups: list[GroupRates] = []
    estimates: list[Estimate] = []
    for member in memberships(rows, group_columns, settings):
        outcomes = collapse_outcomes(member.groups, member.rows, truth, predicted, len(labels))
        rates = rates_of_groups(member.attribute, outcomes, settings)
        groups += rates
        estimates += gap_estimates(member.attribute, outcomes, labels, settings)
        estimates += [group.accuracy_gap for group in rates]
    return Fairness(tuple(groups), tuple(estimates), settings.min_group_rows)


def memberships(
    rows: pa.Table, group_columns: tuple[str, ...], settings: FairnessSettings
) -> Iterator[Membership]:
    """Groups by column, then by mention; a column stands in for the term list of the same name."""
    for column in group_columns:
        yield column_groups(column, rows[column].to_pylist())
    texts = rows["text"].to_pylist()
    for attribute in settings.identity_attributes:
        if attribute not in group_columns:
            terms = read_terms(TERMS_FOLDER / f"{attribute}.csv")
            yield mentioned_groups(attribute, texts, terms)
