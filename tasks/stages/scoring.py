"""Batches that the version in production scores."""

from collections.abc import Sequence
from dataclasses import replace

from prefect.context import TaskRunContext

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records.registry import Production
from tasks.records.scoring import ScoringRun
from tasks.serving.scoring.inputs import InputObject
from tasks.serving.scoring.settings import ScoringSettings
from tasks.stages.caching import look_up
from tasks.stages.page_artifacts import show_markdown, show_progress
from tasks.stages.slots import gpu_slot


@look_up
def find_production(line: str) -> Production:
    """Look up the version that is in production now; all of a run is by this one."""
    from tasks.registry.production import production_of

    return production_of(line, store=open_store(), tracking=open_tracking())


@look_up
def find_inputs(named: Sequence[str], settings: ScoringSettings) -> tuple[InputObject, ...]:
    """Fingerprint the objects that are to be scored, as they are now."""
    from tasks.serving.scoring.inputs import find_inputs as find

    return find(named, settings, open_store())


@look_up
def score_inputs(
    production: Production, objects: tuple[InputObject, ...], settings: ScoringSettings
) -> ScoringRun:
    """Score the objects that this version has not scored yet."""
    from tasks.serving.scoring.batches import score_objects

    store, tracking = open_store(), open_tracking()
    progress = show_progress(f"scoring-progress-{production.line}", "scoring begins")
    run = score_objects(
        production, objects, settings, progress, gpu_slot, store=store, tracking=tracking
    )
    run = replace(run, in_production=tracking.aliases(production.line).get("production"))
    _show(run)
    return run


def _show(run: ScoringRun) -> None:
    """Put what was scored on the page of the Prefect run."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.scoring import scoring_markdown
    from tasks.reporting.summaries import artifact_key

    described = f"Rows that {run.line} version {run.version} has scored"
    show_markdown(scoring_markdown(run), artifact_key("scored", run.line), described)
