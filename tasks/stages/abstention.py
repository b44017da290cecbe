"""When a classifier answers `abstain`, and what that comes to."""

from infra.store import open_store
from tasks.abstention.settings import AbstentionSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage


@cached_stage()
def check_validation_rows(data: DataReport, task_type: str, settings: AbstentionSettings) -> int:
    """Count the rows that a threshold would be fitted on, and refuse too few before training."""
    from tasks.abstention.validation_rows import check_validation_rows as check

    return check(data, task_type, settings, store=open_store())


@cached_stage(gpu=True)
def fit_abstention(
    weights: Weights, data: DataReport, task_type: str, settings: AbstentionSettings
) -> Weights:
    """Put the threshold that the validation rows ask for into the model's folder."""
    from tasks.abstention.fitting import fit_abstention as fit

    return fit(weights, data, task_type, settings, store=open_store())


@cached_stage()
def measure_abstention(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    settings: AbstentionSettings,
    fairness: FairnessSettings,
    evaluation: EvaluationSettings,
) -> Scores:
    """Add to the scores which test rows the model answers, and how often it is wrong there."""
    from tasks.abstention.measuring import add_abstention

    return add_abstention(scores, weights, data, settings, fairness, evaluation, store=open_store())
