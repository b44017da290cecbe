"""How often the answers to the rows of a behaviour suite are the expected ones, by functionality.

The form is that of CheckList (Ribeiro et al. 2020, arXiv:2005.04118) and HateCheck (Röttger et al.
2021, arXiv:2012.15606).
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from tasks.evaluation.intervals import Quantity, draw, level_of
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.golden import FailedCase, FunctionalityResult, GoldenSet
from tasks.resampling import Floats, estimate_of_proportion
from tasks.resampling_units import MIN_CLUSTERS, Units, clusters_of_groups, for_groups
from tasks.task_types.measures import Measured, mean_of
from tasks.task_types.rows import RowShape, texts_of
from tasks.verdicts import Estimate

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

PASS_RATE: Final = "pass_rate"  # noqa: S105 - no password
# Of each functionality that many rows that fail are shown.
SHOWN_CASES: Final = 5
_SHOWN_CHARACTERS: Final = 200


def measure_behaviour(
    suite: GoldenSet,
    rows: pa.Table,
    shape: RowShape,
    labels: Sequence[str],
    answers: pa.Table,
    measured: Measured,
    champion: Floats | None,
    units: Units,
    settings: EvaluationSettings,
) -> tuple[tuple[Estimate, ...], tuple[FunctionalityResult, ...]]:
    """Pass rates over all rows and by functionality, and the rows that fail; worst first.

    A row passes if its answer is wholly right. Where rows are drawn one by one the intervals are
    exact (Clopper and Pearson); where they have clusters, such as the template that they were made
    of, clusters are drawn, and of fewer than ten a functionality is undetermined.

    Args:
        suite: whose rows these are.
        rows: N rows with the column of functionalities.
        shape: of the task type.
        labels: the label set.
        answers: of the candidate, N rows.
        measured: of them.
        champion: (N,) row scores of the champion, NaN where it was not asked; None where there is
            none.
        units: what is drawn.
        settings: how often.

    """
    passed = measured.row_scores >= 1
    column = np.array(rows[suite.functionality_column].to_pylist())
    members = {name: column == name for name, _ in suite.rows_by_functionality}
    everything = {"": np.ones(rows.num_rows, np.bool_)}
    rates = pass_rates(suite.family, everything | members, passed, units, settings)
    cases = _Cases(shape, labels, rows, answers)
    results = [
        FunctionalityResult(
            name=name,
            rows=int(own.sum()),
            pass_rate=rates[name],
            champion=_passing(champion[own]) if champion is not None else None,
            failed=cases.failed(own & ~passed),
        )
        for name, own in members.items()
    ]
    return tuple(rates.values()), tuple(sorted(results, key=lambda one: _worst_first(one, passed)))


def _passing(scores: Floats) -> float | None:
    """The share of rows that pass among those that were asked; None where none was."""
    asked = scores[~np.isnan(scores)]
    return float((asked >= 1).mean()) if len(asked) else None


def _worst_first(one: FunctionalityResult, passed: Bools) -> tuple[float, str]:
    value = one.pass_rate.value
    return (value if value is not None else float(passed.mean()), one.name)


def pass_rates(
    family: str,
    members: dict[str, Bools],
    passed: Bools,
    units: Units,
    settings: EvaluationSettings,
) -> dict[str, Estimate]:
    """The share of rows that pass among those of each functionality.

    Args:
        family: behaviour.NAME.
        members: which of the N rows try what, by its name; empty for all rows.
        passed: (N,) whether the answer is right.
        units: what is drawn.
        settings: how often.

    """
    names = {name: ".".join(filter(None, (family, name, PASS_RATE))) for name in members}
    if not units.clustered:
        return {
            name: estimate_of_proportion(names[name], int(passed[own].sum()), int(own.sum()))
            for name, own in members.items()
        }
    scores: Floats = passed.astype(np.float64)
    quantities = [_of_clusters(names[name], own, scores, units) for name, own in members.items()]
    drawn = draw(quantities, settings.repeats, settings.seed)
    return {name: one.estimate for name, one in zip(members, drawn, strict=True)}


def _of_clusters(name: str, own: Bools, scores: Floats, units: Units) -> Quantity:
    among = own[:, None]
    spread = for_groups(units, among)
    quantity = level_of("", mean_of(PASS_RATE, scores), spread, np.where(own, 0, -1), name)
    clusters = int(clusters_of_groups(units, among)[0])
    if clusters >= MIN_CLUSTERS:
        return quantity
    reason = f"its rows are of {clusters} clusters (templates); {MIN_CLUSTERS} would do"
    return replace(quantity, reason=reason)


class _Cases:
    """Rows that fail, in words."""

    def __init__(
        self, shape: RowShape, labels: Sequence[str], rows: pa.Table, answers: pa.Table
    ) -> None:
        self._shape, self._labels, self._rows, self._answers = shape, labels, rows, answers
        self._expected = [column.name for column in shape.columns if not column.is_input]

    def failed(self, wrong: Bools) -> tuple[FailedCase, ...]:
        places = np.flatnonzero(wrong)[:SHOWN_CASES].tolist()
        rows, answers = self._rows.take(places), self._answers.take(places)
        texts = texts_of(self._shape, rows).to_pylist()
        expected = [
            "; ".join(_told(row[name]) for name in self._expected) for row in rows.to_pylist()
        ]
        given = [self._said(answer) for answer in answers.to_pylist()]
        return tuple(
            FailedCase(_start(text or ""), _start(right), _start(said))
            for text, right, said in zip(texts, expected, given, strict=True)
        )

    def _said(self, answer: dict[str, object]) -> str:
        predicted = answer.get("predicted")
        if isinstance(predicted, int) and self._labels:
            return self._labels[predicted]
        return str(answer.get("answer") or "")


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _start(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN_CHARACTERS else f"{plain[:_SHOWN_CHARACTERS]}…"
