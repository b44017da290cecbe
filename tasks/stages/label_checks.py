"""The labels of the clean rows, before a model learns from them and after."""

from infra.store import open_store
from tasks.label_checks.settings import LabelCheckSettings
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.label_checks import LabelChecks
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage


@cached_stage()
def check_labels(data: DataReport, snapshot: Snapshot, settings: LabelCheckSettings) -> LabelChecks:
    """Look for what predicts a label too well, and for labels that look wrong."""
    from tasks.label_checks.checking import check_row_labels

    return check_row_labels(data, snapshot, settings, open_store())


@cached_stage(gpu=True)
def find_label_errors(
    scores: Scores,
    checks: LabelChecks,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: LabelCheckSettings,
) -> Scores:
    """Add what is known of the labels to the scores, the trained model's suspects among them."""
    from tasks.label_checks.model_errors import add_label_checks

    return add_label_checks(scores, checks, weights, data, task_type, settings, open_store())
