"""Membership inference: which rows did the model learn, told by what it holds of them."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from infra.base_models import Fingerprint, locate_pinned
from infra.errors import BaseModelError
from infra.store import ObjectStore
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.attacks import (
    Scored,
    area_estimate,
    held_against_control,
    judge_attack,
    why_too_few,
)
from tasks.probes.memory.losses import losses_of_rows
from tasks.probes.memory.rows import Sides, draw_sides
from tasks.probes.memory.settings import FAMILY, MemorySettings
from tasks.probes.memory.shadows import likelihood_ratios
from tasks.records.memory import CALIBRATED, LIRA, LOSS, Membership
from tasks.records.training import BaseModel, Weights
from tasks.resampling import Floats
from tasks.task_types.learner import Learner
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.task_types.text_likelihood import TEXT_LIKELIHOODS, why_no_likelihood
from tasks.verdicts import Estimate, undetermined

CONTROL: Final = f"{FAMILY}.control_auc"


@dataclass(frozen=True)
class AskedRows:
    """The rows of both sides, and how they are asked about.

    Attributes:
        learner: of the task type.
        sides: training and test rows.
        settings: of the probe.
        evaluation: how intervals are made.

    """

    learner: Learner
    sides: Sides
    settings: MemorySettings
    evaluation: EvaluationSettings

    @property
    def rows(self) -> pa.Table:
        """Training rows, and test rows behind them."""
        return pa.concat_tables([self.sides.members, self.sides.others])

    @property
    def row_ids(self) -> list[str]:
        """Of all of them."""
        return list(self.rows["row_id"].to_pylist())

    def losses(self, model: Path) -> Floats:
        """What a model's loss is of each row, (N,)."""
        return losses_of_rows(self.learner, model, self.rows, self.settings.seed).mean

    def scored(self, scores: Floats) -> Scored:
        """A number of each row, (N,), by side."""
        members = self.sides.members.num_rows
        return Scored(scores[:members], scores[members:], self.row_ids)


def draw_rows(
    clean: Path,
    task_type: str,
    settings: MemorySettings,
    evaluation: EvaluationSettings,
    sources: Mapping[str, str] | None,
    against: str = "train",
) -> Sides:
    """Rows of a split, and as many test rows.

    Args:
        clean: Parquet file of the clean rows.
        task_type: what they are of.
        settings: of the probe.
        evaluation: whether clusters count.
        sources: source of each row_id; None of a line with one.
        against: the split.

    Raises:
        DataError: a split is empty.

    """
    shape = shape_of(task_type)
    one, test = (read_rows(clean, split, shape) for split in (against, "test"))
    return draw_sides(
        one, test, task_type, limit=settings.rows, seed=settings.seed,
        by_cluster=evaluation.by_cluster, sources=sources,
    )  # fmt: skip


def infer_membership(
    asked: AskedRows,
    control: Sides,
    model: Path,
    reference: BaseModel | None,
    shadows: Sequence[Weights],
    store: ObjectStore,
    work: Path,
) -> Membership:
    """All attacks that the line asks for, as far as the control lets them tell something.

    Args:
        asked: the rows.
        control: validation rows, and test rows.
        model: folder of the candidate.
        reference: the model that it was trained from; None where that cannot be asked.
        shadows: models that learned halves of the training rows.
        store: holds these.
        work: local folder for models.

    Raises:
        BaseModelError, TrainingError: a model cannot be asked, or its losses are no numbers.
        StoreError: a shadow is missing.

    """
    settings, evaluation = asked.settings, asked.evaluation
    losses = asked.losses(model)
    attacks = [judge_attack(LOSS, asked.scored(-losses), settings.min_rows, evaluation)]
    folder, why = _reference(asked.learner.name, reference)
    if folder is not None:
        calibrated = asked.scored(asked.losses(folder) - losses)
        attacks.append(judge_attack(CALIBRATED, calibrated, settings.min_rows, evaluation))
    if shadows:
        ratios = asked.scored(_ratios(asked, losses, shadows, store, work))
        attacks.append(judge_attack(LIRA, ratios, settings.min_rows, evaluation))
    rows, told = asked.sides.members, _control(asked, control, model)
    return Membership(
        members=rows.num_rows,
        others=asked.sides.others.num_rows,
        left_out=asked.sides.left_out,
        by_cluster=evaluation.by_cluster and _has_clusters(rows),
        attacks=tuple(held_against_control(one, told) for one in attacks),
        control=told,
        why_uncalibrated=why,
        shadows=len(shadows),
    )


def _has_clusters(rows: pa.Table) -> bool:
    """Whether any of the rows is of an author or document that is named."""
    return CLUSTER in rows.column_names and rows[CLUSTER].null_count < rows.num_rows


def _ratios(
    asked: AskedRows,
    losses: Floats,
    shadows: Sequence[Weights],
    store: ObjectStore,
    work: Path,
) -> Floats:
    of_shadows = []
    for number, shadow in enumerate(shadows):
        folder = store.get_folder(shadow.artifact, work / f"shadow-{number}")
        of_shadows.append(asked.losses(folder))
        shutil.rmtree(folder)
    return likelihood_ratios(losses, np.stack(of_shadows), asked.row_ids, asked.settings.seed)


def _reference(task_type: str, base: BaseModel | None) -> tuple[Path | None, str]:
    """Folder of the model to hold a language model's losses against; or why there is none."""
    if base is None:
        return None, (
            "what the model was trained from has no loss of its own that tells how hard a row is: "
            "it was built from scratch, or cut out of a model that may have learned the rows"
        )
    if why := why_no_likelihood(task_type):
        return None, f"the base model has no head for the task yet: {why}"
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    folder = locate_pinned(base.reference, base.revision, pinned)
    try:
        TEXT_LIKELIHOODS.load(task_type).load(folder)
    except BaseModelError as error:
        return None, f"the base model cannot be asked before it is trained: {error}"
    return folder, ""


def _control(asked: AskedRows, control: Sides, model: Path) -> Estimate:
    """The first attack where neither side was learned."""
    rows = AskedRows(asked.learner, control, asked.settings, asked.evaluation)
    count = control.members.num_rows + control.others.num_rows
    if min(control.members.num_rows, control.others.num_rows) < asked.settings.min_rows:
        empty = rows.scored(np.zeros(count))
        return undetermined(CONTROL, count, why_too_few(empty, asked.settings.min_rows))
    scored = rows.scored(-rows.losses(model)).defined()
    if why := why_too_few(scored, asked.settings.min_rows):
        return undetermined(CONTROL, count, why)
    return area_estimate(CONTROL, scored, asked.evaluation)
