"""How the candidate treats groups: assessed, with intervals, and never called debiased."""

from pathlib import Path

from infra.stages import cached_stage
from infra.store import open_store
from tasks import records, verdicts
from tasks.fairness.settings import FairnessSettings
from tasks.records import DataReport, Fairness, Scores

_TASKS = Path(__file__).parents[1]


@cached_stage(
    also=(_TASKS / "resampling.py", Path(records.__file__), Path(verdicts.__file__)),
    libraries=("numpy", "scipy", "pyarrow"),
)
def assess(scores: Scores, data: DataReport, settings: FairnessSettings) -> Fairness:
    """Compare the groups of every attribute on the test rows."""
    from tasks.fairness.assessment import assess_scores

    return assess_scores(scores, data, settings, store=open_store())
