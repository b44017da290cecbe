"""Quality on the held-out rows, against a baseline and against the champion."""

from collections.abc import Sequence

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport, Snapshot
from tasks.records.distillation import Teacher
from tasks.records.evaluation import Champion, Scores
from tasks.records.looks import HeldOut
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage


@cached_stage()
def name_held_out(data: DataReport) -> HeldOut:
    """Name the rows of the test split."""
    from tasks.evaluation.held_out import name_held_out as name

    return name(data, store=open_store())


@cached_stage(gpu=True)
def scale_temperature(weights: Weights, data: DataReport, task_type: str) -> Weights:
    """Divide a classifier's logits by the temperature that the validation rows ask for."""
    from tasks.evaluation.temperature import scale_weights

    return scale_weights(weights, data, task_type, open_store())


@cached_stage(gpu=True)
def evaluate(
    weights: Weights,
    data: DataReport,
    champion: Champion | None,
    task_type: str,
    settings: EvaluationSettings,
    snapshot: Snapshot | None = None,
    anchor: Champion | None = None,
    fresh: HeldOut | None = None,
    least_fresh: int = 0,
    teacher: Teacher | None = None,
    uncompressed: Weights | None = None,
    unmitigated: Weights | None = None,
) -> Scores:
    """Score the test rows with the candidate and all that it is compared with; measure all."""
    from tasks.evaluation.evaluation import evaluate_weights
    from tasks.evaluation.fresh import FreshRows

    return evaluate_weights(
        weights, data, champion, task_type, settings,
        store=open_store(), tracking=open_tracking(), snapshot=snapshot, anchor=anchor,
        fresh=FreshRows(fresh, least_fresh) if fresh else None, teacher=teacher,
        uncompressed=uncompressed, unmitigated=unmitigated,
    )  # fmt: skip


@cached_stage()
def measure_recipe(
    scores: Scores, others: Sequence[Scores], seeds: Sequence[int], weights: Sequence[str]
) -> Scores:
    """Add what the recipe comes to, over several trainings of it, to the candidate's scores."""
    from tasks.evaluation.recipe import with_recipe

    return with_recipe(scores, others, seeds, weights)
