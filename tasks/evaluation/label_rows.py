"""Averages over labels ask that each label has test rows enough."""

from dataclasses import replace

from tasks.task_types.measures import Measure, Measured


def with_enough_label_rows(measured: Measured, least: int) -> Measured:
    """The same, averages over labels undefined where a label has fewer test rows than asked.

    Of several labels of five rows each, gates at the truth pass falsely in up to 6% of test splits
    (tests/simulation/rare_label_worlds.py).

    Args:
        measured: of one model.
        least: test rows of a label (``evaluation.min_label_rows``).

    """
    return replace(measured, measures=tuple(_judged(one, least) for one in measured.measures))


def _judged(measure: Measure, least: int) -> Measure:
    if measure.reason or measure.rarest is None or measure.rarest[1] >= least:
        return measure
    label, rows = measure.rarest
    reason = (
        f"the label {label!r} has {rows} row{'' if rows == 1 else 's'}, too few for an "
        f"average over labels; {least} are asked for (evaluation.min_label_rows): add rows, or "
        "gate the accuracy"
    )
    return replace(measure, reason=reason)
