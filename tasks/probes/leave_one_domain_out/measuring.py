"""Ask the candidate and the models that did not learn a domain about it: a stage's function."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.comparison import Comparator, gains_over
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.leave_one_domain_out.domains import TEST, DomainRows, read_domains
from tasks.probes.leave_one_domain_out.settings import (
    DROP,
    ELSEWHERE,
    FAMILY,
    LeaveOneDomainOutSettings,
)
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.leave_one_domain_out import Domain, Domains, LeaveOneDomainOut, LeftOut
from tasks.records.training import Weights
from tasks.resampling_units import Units, units_of_table
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import Measured
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate, undetermined

_UNSEEN: Final = "unseen"
_GAIN: Final = "_gain"


def add_left_out_domains(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    snapshot: Snapshot,
    domains: Domains,
    unseen: Sequence[Weights],
    task_type: str,
    settings: LeaveOneDomainOutSettings,
    evaluation: EvaluationSettings,
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with leave_one_domain_out.COLUMN.DOMAIN.METRIC, ….METRIC_drop and elsewhere.

    Leave-one-domain-out, as Gulrajani and Lopez-Paz (2021, arXiv:2007.01434) test domain
    generalization: a model that learned all other domains is asked about the one it never saw. A
    drop is the candidate's metric less that model's, on the same rows and the same draws.

    Args:
        scores: of the candidate.
        weights: the candidate.
        data: the clean rows.
        snapshot: says which source each row came from.
        domains: that are left out in turn.
        unseen: for each that a model is trained without, that model, in their order.
        task_type: of all models.
        settings: which column says the domain.
        evaluation: how intervals are made.
        store: holds the artifacts.

    Raises:
        DataError: the test split is empty.
        StoreError: an artifact is missing.
        TrainingError: the scores of a model are no numbers.

    """
    plain = examiner_of(task_type, data.labels, TokenLimits.of(weights), evaluation.seed)
    examiner = AskedExaminer(plain, evaluation)
    found = read_domains(data, snapshot, task_type, settings, store=store)
    models = iter(unseen)
    with (
        tempfile.TemporaryDirectory(prefix="left-out-") as name,
        quiet_transformers(),
    ):
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        test = read_rows(clean, TEST, shape_of(task_type), extra=True)
        asked = _Asked.of(test, weights, examiner, store, work)
        told = []
        for domain in domains.asked:
            family = f"{FAMILY}.{domains.column}.{domain.name}"
            if domain.reason:
                told.append(asked.untold(domain, family))
                continue
            answers = _answers(next(models), test, examiner, store, work)
            told.append(asked.told(domain, family, _members(found, domain), answers))
    made = LeaveOneDomainOut(
        domains=domains,
        data_sha256=data.clean.sha256,
        rows=test.num_rows,
        left_out=tuple(told),
        on=datetime.now(UTC).date().isoformat(),
    )
    return replace(
        scores, estimates=(*scores.estimates, *made.estimates), leave_one_domain_out=made
    )


def _members(found: DomainRows, domain: Domain) -> NDArray[np.bool_]:
    """Which test rows are of a domain, in the order of the file."""
    return found.of(domain.name)[found.in_split(TEST)]


def _answers(
    weights: Weights, test: pa.Table, examiner: AskedExaminer, store: ObjectStore, work: Path
) -> pa.Table:
    """What a model says of all test rows; its files are gone after."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        return examiner.predict(store.get_folder(weights.artifact, Path(name) / "model"), test)


@dataclass(frozen=True, eq=False)
class _Asked:
    """The test rows with the candidate's answers.

    Attributes:
        test: the rows, (N,).
        answers: to them, (N,).
        examiner: measures them.
        leading: names of the metrics that models are compared in.

    """

    test: pa.Table
    answers: pa.Table
    examiner: AskedExaminer
    leading: tuple[str, ...]

    @classmethod
    def of(
        cls, test: pa.Table, weights: Weights, examiner: AskedExaminer, store: ObjectStore,
        work: Path,
    ) -> "_Asked":  # fmt: skip
        answers = _answers(weights, test, examiner, store, work)
        return cls(test, answers, examiner, examiner.measure(test, answers).leading)

    def untold(self, domain: Domain, family: str) -> LeftOut:
        """A domain that no model was trained without."""

        def none(at: str, ending: str = "") -> tuple[Estimate, ...]:
            return tuple(
                undetermined(f"{at}.{name}{ending}", domain.test_rows, domain.reason)
                for name in self.leading
            )

        elsewhere = none(f"{family}.{ELSEWHERE}", f"_{DROP}")
        return LeftOut(domain, none(family), none(family, f"_{DROP}"), elsewhere)

    def told(
        self, domain: Domain, family: str, members: NDArray[np.bool_], answers: pa.Table
    ) -> LeftOut:
        """What the other model's answers to all test rows come to, in the domain and elsewhere."""
        settings = self.examiner.settings
        rows, ours, theirs = self._measured(members, answers)
        by_name = {one.name: one for one in theirs.measures}
        named = [(family, by_name[name]) for name in ours.leading]
        units = self._units(rows)
        return LeftOut(
            domain,
            tuple(levels(named, units, settings.repeats, settings.seed)),
            self._drops(family, rows, ours, theirs),
            self._elsewhere(f"{family}.{ELSEWHERE}", ~members, answers),
        )

    def _elsewhere(
        self, family: str, others: NDArray[np.bool_], answers: pa.Table
    ) -> tuple[Estimate, ...]:
        if not others.any():
            return tuple(
                undetermined(f"{family}.{name}_{DROP}", 0, "no test row is of another domain")
                for name in self.leading
            )
        rows, ours, theirs = self._measured(others, answers)
        return self._drops(family, rows, ours, theirs)

    def _measured(
        self, kept: NDArray[np.bool_], answers: pa.Table
    ) -> tuple[pa.Table, Measured, Measured]:
        """Some of the test rows, and both models' answers to them, measured."""
        chosen = pa.array(kept)
        rows = self.test.filter(chosen)
        ours, theirs = (
            self.examiner.measure(rows, side.filter(chosen)) for side in (self.answers, answers)
        )
        return rows, ours, theirs

    def _drops(
        self, family: str, rows: pa.Table, ours: Measured, theirs: Measured
    ) -> tuple[Estimate, ...]:
        settings = self.examiner.settings
        other = Comparator(_UNSEEN, measured=theirs)
        gains = gains_over(ours, other, self._units(rows), settings, family)
        return tuple(replace(one, name=f"{one.name.removesuffix(_GAIN)}_{DROP}") for one in gains)

    def _units(self, rows: pa.Table) -> Units:
        settings = self.examiner.settings
        cluster = CLUSTER if settings.by_cluster else None
        return units_of_table(rows, cluster=cluster, seed=settings.seed)
