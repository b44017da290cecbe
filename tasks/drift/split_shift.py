"""The held-out rows of a snapshot against its training rows.

Splits by the hash of a row are alike by their making. Splits that a column, a file or a date makes
can differ, and then a test on them says little of what was learnt, or of what comes. The checks are
those of drift, without its classifier, which takes as long as all others together.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from infra.base_models import Fingerprint, locate_pinned
from infra.errors import DataError
from infra.store import ObjectStore
from tasks.drift.checks import DOMAIN_CLASSIFIER, measure_sides, questions_of
from tasks.drift.measurement import judge_checks
from tasks.drift.row_samples import RowSample, read_row_sample
from tasks.drift.settings import DriftSettings, least_permutations
from tasks.drift.text_vectors import TextVectors
from tasks.records.data import DataReport
from tasks.records.split_shift import SplitShift, SplitShifts
from tasks.records.training import BaseModel
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Verdict, combine

TRAIN = "train"
HELD_OUT = ("validation", "test")


def shift_name(split: str, name: str) -> str:
    """What the check of drift is called where it compares a split with the training rows."""
    return name.replace("drift.", f"shift.{split}.", 1)


def compare_splits(
    data: DataReport, base: BaseModel | None, settings: DriftSettings, store: ObjectStore
) -> SplitShifts:
    """Compare each held-out split with the training split, in this order.

    Raises:
        DataError: drift.on_split_shift is refuse, and a split is unlike, or that cannot be told.
        BaseModelError: the base model is not what was pinned, or cannot embed a text.
        StoreError: the store cannot be asked, or the rows are not what was written.

    """
    shape = shape_of(data.task_type)
    folder = None
    if base is not None:
        pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
        folder = locate_pinned(base.reference, base.revision, pinned)
    fewer = min(settings.permutations, least_permutations(settings.false_discovery_rate))
    quick = settings.model_copy(update={"permutations": fewer})
    with tempfile.TemporaryDirectory() as work:
        path = store.get_file(data.clean, Path(work) / "clean.parquet")
        train, *held_out = (
            read_row_sample(
                path, shape, max_rows=settings.max_rows, seed=settings.seed, split=split
            )
            for split in (TRAIN, *HELD_OUT)
        )
    questions = questions_of(settings, shape, has_model=base is not None)
    questions.pop(DOMAIN_CLASSIFIER)
    vectors = TextVectors(folder) if folder else None  # the training rows are in every comparison

    def shift(split: str, rows: RowSample) -> SplitShift:
        found = measure_sides(train, rows, questions, folder, quick, vectors)
        checks = tuple(
            replace(check, name=shift_name(split, check.name))
            for check in judge_checks(found.measurements, settings.false_discovery_rate)
        )
        verdict = combine(check.verdict for check in checks)
        return SplitShift(split, checks, found.label_shares, verdict)

    shifts = tuple(
        shift(split, rows) for split, rows in zip(HELD_OUT, held_out, strict=True) if rows.rows
    )
    if settings.on_split_shift == "refuse" and any(
        one.verdict is not Verdict.PASS for one in shifts
    ):
        raise DataError(_explain(shifts))
    return SplitShifts(shifts)


def _explain(shifts: tuple[SplitShift, ...]) -> str:
    words = {Verdict.FAIL: "is unlike the training rows", Verdict.UNDETERMINED: "is undetermined"}
    points = "".join(
        f"\n  - {check.name} {words[check.verdict]}: {check.effect} {check.reason}"
        for one in shifts
        for check in one.checks
        if check.verdict is not Verdict.PASS
    )
    return (
        f"held-out rows are not shown to be like the training rows, and drift.on_split_shift is "
        f"refuse:{points}\nsplit the rows anew, or set drift.on_split_shift to report, to train on "
        "them as they are"
    )
