"""The clean rows of a run against those that the champion was trained on."""

import tempfile
from pathlib import Path

from infra.base_models import Fingerprint, locate_pinned
from infra.errors import DataError
from infra.store import ObjectStore
from tasks.drift.checks import Findings, measure_sides, questions_of
from tasks.drift.measurement import judge_checks
from tasks.drift.row_samples import RowSample, read_row_sample
from tasks.drift.settings import DriftSettings
from tasks.records.data import DataReference, DataReport, Drift, DriftCheck, Histogram
from tasks.records.training import BaseModel
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Verdict, combine


def compare(
    data: DataReport,
    reference: DataReference | None,
    base: BaseModel | None,
    settings: DriftSettings,
    store: ObjectStore,
) -> Drift | None:
    """Compare the clean rows with those of the champion; None where there is no champion.

    Without a pretrained base model, what only such a model can tell is not asked. A reference that
    is gone, or that cannot be read, leaves every check undetermined.

    Raises:
        DataError: drift.on_drift is refuse, and there is drift or it cannot be told.
        BaseModelError: the base model is not what was pinned, or cannot embed a text.
        StoreError: the store cannot be asked, or the reference is not what was written.

    """
    if reference is None:
        return None
    found = _measure(data, reference, base, settings, store)
    checks = judge_checks(found.measurements, settings.false_discovery_rate)
    drift = Drift(
        reference=reference,
        checks=checks,
        label_shares=found.label_shares,
        lengths=found.lengths,
        newest_rows=found.newest_rows,
        discriminating_words=found.discriminating_words,
        verdict=combine(check.verdict for check in checks),
    )
    if settings.on_drift == "refuse" and drift.verdict is not Verdict.PASS:
        raise DataError(_explain(drift))
    return drift


def _measure(
    data: DataReport,
    reference: DataReference,
    base: BaseModel | None,
    settings: DriftSettings,
    store: ObjectStore,
) -> Findings:
    shape = shape_of(data.task_type)
    questions = questions_of(settings, shape, has_model=base is not None)

    def read(path: Path) -> RowSample:
        return read_row_sample(path, shape, max_rows=settings.max_rows, seed=settings.seed)

    with tempfile.TemporaryDirectory() as folder:
        now = read(store.get_file(data.clean, Path(folder) / "now.parquet"))
        try:
            before = read(_get_reference(reference, Path(folder) / "before.parquet", store))
        except DataError as error:
            reason = f"the rows of version {reference.version} {error}"
            untold = tuple(asked.untold(reason, (0, now.rows)) for asked in questions.values())
            return Findings(untold, {}, (Histogram((), ()), Histogram((), ())))
    folder_of_base = None
    if base is not None:
        pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
        folder_of_base = locate_pinned(base.reference, base.revision, pinned)
    return measure_sides(before, now, questions, folder_of_base, settings)


def _get_reference(reference: DataReference, path: Path, store: ObjectStore) -> Path:
    """An object that is gone must not be taken for no drift."""
    if not store.exists(reference.clean.uri):
        raise DataError(f"are gone from the store ({reference.clean.uri})")
    return store.get_file(reference.clean, path)


def _explain(drift: Drift) -> str:
    points = "".join(
        f"\n  - {check.name} {_finding(check)}"
        for check in drift.checks
        if check.verdict is not Verdict.PASS
    )
    drifted = drift.verdict is Verdict.FAIL
    return (
        f"the data {'drifted' if drifted else 'cannot be told to be free of drift'} from that of "
        f"version {drift.reference.version}, and drift.on_drift is refuse:{points}\n"
        "mend the source, or set drift.on_drift to report, to train on it as it is"
    )


def _finding(check: DriftCheck) -> str:
    if check.verdict is Verdict.FAIL:
        return f"is drift: {check.effect} {check.reason}"
    return f"is undetermined: {check.effect} {check.reason}"
