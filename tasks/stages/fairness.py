"""How the candidate treats groups: assessed, with intervals, and never called debiased."""

from infra.store import open_store
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport, SourceFile
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage, look_up


@cached_stage()
def assess(scores: Scores, data: DataReport, settings: FairnessSettings) -> Fairness:
    """Compare the groups of every attribute on the test rows."""
    from tasks.fairness.assessment import assess_scores

    return assess_scores(scores, data, settings, store=open_store())


@look_up
def pin_swaps(settings: CounterfactualSettings) -> tuple[SourceFile, ...]:
    """Fingerprint the swap lists and template files, as they are now."""
    from tasks.fairness.word_files import pin_word_files

    return pin_word_files(settings)


@cached_stage(gpu=True)
def score_counterfactuals(
    fairness: Fairness,
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: CounterfactualSettings,
    word_files: tuple[SourceFile, ...] = (),  # noqa: ARG001 - a changed list makes another key
) -> Fairness:
    """Ask the model about the test rows with other people in them, and add what it says."""
    from tasks.fairness.counterfactual_scoring import add_counterfactuals

    return add_counterfactuals(
        fairness, scores, weights, data, task_type, settings, store=open_store()
    )
