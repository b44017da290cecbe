"""Golden sets and behaviour suites: pinned, copied and scored."""

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.evaluation.golden_settings import GoldenSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Champion
from tasks.records.golden import GoldenFiles, GoldenScores, GoldenSets
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage, look_up


@look_up
def pin_golden(settings: GoldenSettings) -> tuple[GoldenFiles, ...]:
    """Fingerprint what the golden sets are made of, as they are now."""
    from tasks.ingestion.golden_sets import pin_golden_source

    store = open_store()
    return tuple(
        pin_golden_source(kind, name, source, store) for kind, name, source in settings.sources()
    )


@cached_stage()
def ingest_golden(
    files: tuple[GoldenFiles, ...],
    settings: GoldenSettings,
    task_type: str,
    gated: tuple[str, ...],
) -> GoldenSets:
    """Copy the golden sets to the store, and see that the gates name what their rows try."""
    from tasks.ingestion.golden_sets import check_gated_functionalities, ingest_golden_source

    store = open_store()
    sets = tuple(
        ingest_golden_source(
            pinned, source, settings.functionality_of(kind, name), task_type, store
        )
        for pinned, (kind, name, source) in zip(files, settings.sources(), strict=True)
    )
    check_gated_functionalities(sets, gated)
    return GoldenSets(sets)


@cached_stage(gpu=True)
def evaluate_golden(
    weights: Weights,
    data: DataReport,
    champion: Champion | None,
    golden: GoldenSets,
    task_type: str,
    settings: EvaluationSettings,
) -> GoldenScores:
    """Score the golden sets with the candidate and the champion, and measure both."""
    from tasks.evaluation.golden import evaluate_golden_sets

    return evaluate_golden_sets(
        weights, data, champion, golden, task_type, settings,
        store=open_store(), tracking=open_tracking(),
    )  # fmt: skip


def hold_out_golden(
    settings: GoldenSettings, task_type: str, gated: tuple[str, ...]
) -> GoldenSets | None:
    """Pin and copy the golden sets of a line; None where it has none, and then no stage runs."""
    if not (settings.golden or settings.behaviour):
        return None
    return ingest_golden(pin_golden(settings), settings, task_type, gated)


def score_golden(
    weights: Weights,
    data: DataReport,
    champion: Champion | None,
    golden: GoldenSets | None,
    task_type: str,
    settings: EvaluationSettings,
) -> GoldenScores | None:
    """What candidate and champion make of the golden sets; None where there are none."""
    if golden is None:
        return None
    return evaluate_golden(weights, data, champion, golden, task_type, settings)
