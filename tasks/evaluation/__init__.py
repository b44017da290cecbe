"""Quality on the held-out rows, against a baseline and against the champion."""

from pathlib import Path

from infra.stages import cached_stage
from infra.store import open_store
from infra.tracking import open_tracking
from tasks import records, verdicts
from tasks.evaluation.settings import EvaluationSettings
from tasks.records import Champion, DataReport, Scores, Snapshot, Weights

_TASKS = Path(__file__).parents[1]


@cached_stage(
    also=(
        _TASKS / "task_types",
        _TASKS / "resampling.py",
        _TASKS / "units.py",
        Path(records.__file__),
        Path(verdicts.__file__),
    ),
    libraries=(
        "numpy",
        "scipy",
        "scikit-learn",
        "pyarrow",
        "torch",
        "transformers",
        "tokenizers",
        "sacrebleu",
        "rouge-score",
    ),
    gpu=True,
)
def evaluate(
    weights: Weights,
    data: DataReport,
    champion: Champion | None,
    task_type: str,
    settings: EvaluationSettings,
    snapshot: Snapshot | None = None,
) -> Scores:
    """Score the test rows with candidate, baseline and champion, and measure all three."""
    from tasks.evaluation.evaluation import evaluate_weights

    return evaluate_weights(
        weights, data, champion, task_type, settings,
        store=open_store(), tracking=open_tracking(), snapshot=snapshot,
    )  # fmt: skip
