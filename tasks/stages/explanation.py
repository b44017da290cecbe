"""Why the candidate answers as it does, and how far each way of telling is to be believed."""

from infra.store import open_store
from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.settings import ExplanationSettings
from tasks.records.data import DataReport, SourceFile
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage, look_up


@look_up
def pin_rationales(settings: ExplanationSettings) -> SourceFile | None:
    """Read the file of the rationales once, and fingerprint it as it is now."""
    if settings.rationales is None:
        return None
    from tasks.explanation.rationales import pin_rationales as pin

    return pin(settings.rationales, open_store())


@cached_stage(gpu=True)
def explain(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: ExplanationSettings,
    evaluation: EvaluationSettings,
    rationales: SourceFile | None,
) -> Scores:
    """Explain a sample of the test rows by each method, and add what that comes to."""
    from tasks.explanation.explaining import add_explanation

    return add_explanation(
        scores, weights, data, task_type, settings, evaluation, rationales, store=open_store()
    )
