"""How the candidate treats groups: assessed, with intervals, and never called debiased."""

from pathlib import Path

from infra.stages import cached_stage, look_up
from infra.store import open_store
from tasks import records, verdicts
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.settings import FairnessSettings
from tasks.records import DataReport, Fairness, Scores, SourceFile, Weights

_TASKS = Path(__file__).parents[1]
_INFRA = _TASKS.parent / "infra"


@cached_stage(
    also=(
        _TASKS / "identity",
        _TASKS / "resampling.py",
        _TASKS / "task_types" / "labels" / "calibration.py",
        _TASKS / "task_types" / "measures.py",
        _TASKS / "task_types" / "rows.py",
        Path(records.__file__),
        Path(verdicts.__file__),
    ),
    libraries=("numpy", "scipy", "pyarrow"),
)
def assess(scores: Scores, data: DataReport, settings: FairnessSettings) -> Fairness:
    """Compare the groups of every attribute on the test rows."""
    from tasks.fairness.assessment import assess_scores

    return assess_scores(scores, data, settings, store=open_store())


@look_up
def pin_swaps(settings: CounterfactualSettings) -> tuple[SourceFile, ...]:
    """Fingerprint the swap lists and template files, as they are now."""
    from tasks.fairness.word_files import pin_word_files

    return pin_word_files(settings)


@cached_stage(
    also=(
        _TASKS / "task_types",
        _TASKS / "identity",
        _TASKS / "resampling.py",
        Path(records.__file__),
        Path(verdicts.__file__),
        _INFRA / "base_models.py",
        _INFRA / "device.py",
    ),
    libraries=("numpy", "scipy", "scikit-learn", "pyarrow", "torch", "transformers", "tokenizers"),
    gpu=True,
)
def ask_counterfactuals(
    fairness: Fairness,
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: CounterfactualSettings,
    word_files: tuple[SourceFile, ...] = (),  # noqa: ARG001 - a changed list makes another key
) -> Fairness:
    """Ask the model about the test rows with other people in them, and add what it says."""
    from tasks.fairness.asking import add_counterfactuals

    return add_counterfactuals(
        fairness, scores, weights, data, task_type, settings, store=open_store()
    )
