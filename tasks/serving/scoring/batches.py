"""Scores all rows of some objects, each object once, however often this is done."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Production
from tasks.records.scoring import ScoredObject, ScoringRun
from tasks.serving.production_model import download_model
from tasks.serving.scoring.inputs import InputObject
from tasks.serving.scoring.kept_scores import KeptScores, key_of
from tasks.serving.scoring.object_scores import ScoresOfObjects
from tasks.serving.scoring.progress import Progress, ScoringProgress
from tasks.serving.scoring.settings import ScoringSettings
from tasks.serving.scoring.worker_messages import Job
from tasks.serving.scoring.worker_pool import WorkerPool, worker_count


def score_objects(
    production: Production,
    objects: Sequence[InputObject],
    settings: ScoringSettings,
    progress: Progress,
    slot: Callable[[], AbstractContextManager[None]] = nullcontext,
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> ScoringRun:
    """Score the rows of objects by one version; those that it scored before are found.

    An object is visible when all of its rows are scored. One that cannot be read ends the run
    after the others are scored.

    Args:
        production: the version.
        objects: as `find_inputs` gives them.
        settings: how they are read.
        progress: takes a percentage and words, every few seconds.
        slot: what is held while something is scored, such as a turn at the device.
        store: where predictions and index go.
        tracking: where the version and the record of what was scored are.

    Raises:
        DataError: objects cannot be read, or hold no row that can be scored; all of them are told.
        SettingsError: a setting names a column that there is not.
        ScoringError: workers are lost again and again.
        IntegrityError: the version's files are not those of its manifest.
        StoreError, TrackingError: a server is unreachable.

    """
    kept = KeptScores(production, store, tracking)
    keys = {key_of(one, production, settings): one for one in objects}
    done = {key: scored for key in keys if (scored := kept.find(key)) is not None}
    found = len(done)
    lacking = {key: one for key, one in keys.items() if key not in done}
    told = ScoringProgress(progress, lacking.values())
    scores = ScoresOfObjects(production, settings, store, told)
    if lacking:
        with slot(), TemporaryDirectory(prefix="assayline-") as folder:
            model = download_model(production, Path(folder), store=store, tracking=tracking)
            count = worker_count(settings.workers)
            job = Job(production, model, store.settings)
            with scores, WorkerPool(job, count) as pool:
                for scored in scores.complete(pool.score(scores.pieces(lacking))):
                    done[scored.key] = kept.keep(scored)
        scores.raise_refused(len(done))
    return _run_of(production, [done[key] for key in keys], found)


def _run_of(production: Production, objects: Sequence[ScoredObject], found: int) -> ScoringRun:
    return ScoringRun(
        line=production.line,
        version=production.version,
        weights_sha256=production.weights_sha256,
        manifest_sha256=production.manifest_sha256,
        objects=tuple(objects),
        rows=sum(one.rows for one in objects),
        rows_put_aside=sum(one.rows_put_aside for one in objects),
        found=found,
    )
