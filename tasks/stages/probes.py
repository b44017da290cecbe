"""Probes of the trained model beside its evaluation."""

from infra.store import open_store
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage


@cached_stage(gpu=True)
def probe_robustness(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: RobustnessSettings,
    evaluation: EvaluationSettings,
) -> Scores:
    """Ask the model about the test rows with small changes, and add what they do to its answers."""
    from tasks.probes.robustness.probing import add_robustness

    return add_robustness(
        scores, weights, data, task_type, settings, evaluation, store=open_store()
    )
