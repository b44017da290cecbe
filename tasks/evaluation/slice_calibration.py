"""Whether a model claims more than it keeps on some slices, and less on others."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tasks.evaluation.intervals import draw, level_of
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.slices import slices_of
from tasks.records.evaluation import SliceCalibration
from tasks.resampling import Floats
from tasks.resampling_units import MIN_CLUSTERS, Units, clusters_of_groups
from tasks.task_types.measures import mean_of
from tasks.verdicts import MAX_FAMILY, Estimate, undetermined

OVERCONFIDENCE = "overconfidence"


def measure_slice_calibration(
    rows: pa.Table, answers: pa.Table, units: Units, settings: EvaluationSettings
) -> tuple[SliceCalibration, ...]:
    """Mean confidence less accuracy on all rows and on each slice; nothing without probabilities.

    Over a slice it is calibration in the large: above 0 the model is overconfident there, below 0
    underconfident. A whole that is calibrated may be neither on its parts (Hebert-Johnson et al.
    2018, arXiv:1711.08513).

    Args:
        rows: the test rows with their features.
        answers: with label and predicted (class ids) and probabilities, of one class a row.
        units: what is drawn.
        settings: which slices, and how many rows they must have.

    """
    if not {"label", "predicted", "probabilities"} <= set(answers.column_names):
        return ()
    confidence, correct = _claimed(answers)
    measure = mean_of(
        OVERCONFIDENCE, confidence - correct, low=-1.0, high=1.0, greater_is_better=False
    )
    everyone = np.ones(len(correct), np.bool_)
    named = [("", everyone), *((one.name, one.members) for one in slices_of(rows, settings.slices))]
    told = [
        (name, members, _why_not(members, units, settings.slices.min_rows))
        for name, members in named
    ]
    made = draw(
        [
            level_of("slice", measure, units, np.where(members, 0, -1), _name(name))
            for name, members, reason in told
            if not reason
        ],
        settings.repeats,
        settings.seed,
    )
    drawn = iter(made)
    family = min(MAX_FAMILY, sum(not reason for _, _, reason in told))
    return tuple(
        SliceCalibration(
            name=name,
            rows=int(members.sum()),
            confidence=float(confidence[members].mean()) if members.any() else None,
            accuracy=float(correct[members].mean()) if members.any() else None,
            overconfidence=undetermined(_name(name), int(members.sum()), reason)
            if reason
            else next(drawn).estimate,
            family=family,
        )
        for name, members, reason in told
    )


def _claimed(answers: pa.Table) -> tuple[Floats, Floats]:
    """Probability of the predicted class, and 1 where it is right, (N,) each."""
    flat = answers["probabilities"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    scores = np.asarray(flat, dtype=np.float64).reshape(answers.num_rows, -1)
    predicted = answers["predicted"].to_numpy()
    right = predicted == answers["label"].to_numpy()
    return scores[np.arange(len(scores)), predicted], right.astype(np.float64)


def _name(slice_name: str) -> str:
    return f"slice.{slice_name}.{OVERCONFIDENCE}" if slice_name else f"quality.{OVERCONFIDENCE}"


def _why_not(members: np.ndarray, units: Units, least: int) -> str:
    rows = int(members.sum())
    if rows < least:
        return f"the slice has {rows} rows; {least} are asked for"
    if units.clustered:
        clusters = int(clusters_of_groups(units, members[:, None]).min())
        if clusters < MIN_CLUSTERS:
            return f"its rows are of {clusters} clusters; {MIN_CLUSTERS} would do"
    return ""


def estimates_of(found: Sequence[SliceCalibration]) -> list[Estimate]:
    """The estimates that a gate may be put on."""
    return [one.overconfidence for one in found]
