"""Base models side by side on the same validation rows, and which of them is recommended.

The best is picked by the numbers themselves, so each comparison with it is one of any pair: all
intervals are at a confidence that holds for all pairs of candidates together (Bonferroni), as in
multiple comparisons with the best (Hsu 1984, doi:10.1214/aos/1176346711), without its gain in
width. What cannot be told apart from the best on so few rows does not count as as good.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from infra.store import ObjectStore
from tasks.evaluation.base_models.ground import ChoiceGround
from tasks.evaluation.base_models.probing import probed_rows, read_answers
from tasks.evaluation.base_models.recommendation import notes_on, place_of, recommend
from tasks.evaluation.intervals import draw, gain_of, levels
from tasks.evaluation.label_rows import with_enough_label_rows
from tasks.records.choice import Candidate, Choice, FoundModel, Number, ProbedModel, Standing
from tasks.resampling_units import Units, units_of_table
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.measures import Measure
from tasks.task_types.probing.probe import why_no_probe
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import ALPHA, Estimate, ends_at

# A training step goes forward once and backward, which takes about twice as long (Kaplan et al.
# 2020, arXiv:2001.08361, section 2.1).
PASSES: Final = 3
_HOUR_S: Final = 3600


@dataclass(frozen=True)
class _Measured:
    """What the probes come to on the same rows."""

    by_name: dict[str, Measure]
    reasons: dict[str, str]
    words: Measure | str
    units: Units
    train_rows: int
    rows: int


def choose(
    ground: ChoiceGround,
    models: Sequence[tuple[FoundModel, ProbedModel | None]],
    own: str,
    *,
    store: ObjectStore,
) -> Choice:
    """Hold candidates against each other; their order does not matter.

    Args:
        ground: of all of them.
        models: as each was looked up, and what its probe came to; None where it was not asked.
        own: name of the line's own base model.
        store: holds rows and answers.

    Raises:
        DataError: the answers are of other rows.
        StoreError: the store cannot be reached.

    """
    plain = [_candidate(found, probed, ground, own) for found, probed in models]
    probed = {found.name: one for found, one in models if one and not one.reason}
    measured = _measure(ground, probed, store) if _has_answers(probed) else None
    judged = _judge(plain, probed, measured, ground)
    rising = measured is None or _rises(measured)
    ordered = sorted(judged, key=lambda one: place_of(one, rising=rising))
    recommended, why = recommend(
        ordered, ground.metric, ground.margin, _why_no_probe(probed, ground.task_type)
    )
    words = _words(measured, ground) if measured else None
    pairs = _pairs(measured.by_name if measured else {})
    return Choice(
        line=ground.line,
        task_type=ground.task_type,
        metric=ground.metric,
        greater_is_better=rising,
        margin=ground.margin,
        train_rows=measured.train_rows if measured else 0,
        validation_rows=measured.rows if measured else 0,
        confidence=1 - ALPHA / pairs,
        candidates=tuple(ordered),
        words_alone=words,
        recommended=recommended,
        why=why,
        notes=tuple(notes_on(ordered, recommended, words, rising=rising)),
        basis=_basis(ground) if any(one.training_s for one in ordered) else "",
    )


def _candidate(
    found: FoundModel, probed: ProbedModel | None, ground: ChoiceGround, own: str
) -> Candidate:
    made = Candidate(
        name=found.name,
        is_own=found.name == own,
        licence=found.licence,
        size_bytes=found.size_bytes,
        reason=found.reason or (probed.reason if probed else ""),
        at_hand=found.at_hand,
    )
    if probed is None or made.reason:
        return made
    row_s = probed.row_s
    training_s = None
    if row_s is not None:
        training_s = row_s * PASSES * ground.epochs * ground.data.rows_by_split["train"]
    price = ground.machine_hour_cost
    return replace(
        made,
        parameters=probed.parameters,
        tokens=probed.tokens,
        row_s=row_s,
        training_s=training_s,
        training_cost=training_s / _HOUR_S * price if training_s is not None and price else None,
    )


def _why_no_probe(probed: dict[str, ProbedModel], task_type: str) -> str:
    """Why there is no number of any model; empty where there is one, or it is told elsewhere."""
    if why := why_no_probe(task_type):
        return why
    return "" if _has_answers(probed) else "; ".join(sorted({o.no_probe for o in probed.values()}))


def _has_answers(probed: dict[str, ProbedModel]) -> bool:
    return any(one.answers for one in probed.values())


def _measure(ground: ChoiceGround, probed: dict[str, ProbedModel], store: ObjectStore) -> _Measured:
    task_type, data, evaluation = ground.task_type, ground.data, ground.evaluation
    train = probed_rows(data, task_type, "train", ground.probe.train_rows, store)
    rows = probed_rows(data, task_type, "validation", ground.probe.validation_rows, store)
    examiner = examiner_of(task_type, data.labels, ground.limits, evaluation.seed)
    by_name, reasons = {}, {}
    for name, one in probed.items():
        if one.answers is None:
            reasons[name] = one.no_probe
        else:
            by_name[name] = _leading(examiner, rows, read_answers(one.answers, rows, store), ground)
    words = examiner.baseline(train, rows)
    return _Measured(
        by_name=by_name,
        reasons=reasons,
        words=words if isinstance(words, str) else _leading(examiner, rows, words, ground),
        units=units_of_table(
            rows, cluster=CLUSTER if evaluation.by_cluster else None, seed=evaluation.seed
        ),
        train_rows=train.num_rows,
        rows=rows.num_rows,
    )


def _leading(
    examiner: Examiner, rows: pa.Table, answers: pa.Table, ground: ChoiceGround
) -> Measure:
    measured = with_enough_label_rows(
        examiner.measure(rows, answers), ground.evaluation.min_label_rows
    )
    return next(one for one in measured.measures if one.name == ground.metric)


def _rises(measured: _Measured) -> bool:
    return all(one.greater_is_better for one in measured.by_name.values())


def _pairs(by_name: dict[str, Measure]) -> int:
    count = len(by_name)
    return max(1, count * (count - 1) // 2)


def _judge(
    candidates: Sequence[Candidate],
    probed: dict[str, ProbedModel],
    measured: _Measured | None,
    ground: ChoiceGround,
) -> list[Candidate]:
    """The candidates with what their probes come to, beside that of the best."""
    if measured is None:
        told = {name: Number(None, reason=one.no_probe) for name, one in probed.items()}
        return [replace(one, quality=told.get(one.name)) for one in candidates]
    names = list(measured.by_name)
    evaluation = ground.evaluation
    found = levels(
        [("probe", measured.by_name[name]) for name in names],
        measured.units, evaluation.repeats, evaluation.seed,
    )  # fmt: skip
    quality = {name: _number(one, 1) for name, one in zip(names, found, strict=True)}
    quality |= {name: Number(None, reason=why) for name, why in measured.reasons.items()}
    with_quality = [replace(one, quality=quality.get(one.name)) for one in candidates]
    usable = [one for one in with_quality if one.quality and one.quality.value is not None]
    if not usable:
        return with_quality
    best = min(usable, key=lambda one: place_of(one, rising=_rises(measured))).name
    behind = _behind(best, measured, ground)
    return [_beside(one, best, behind, ground.margin) for one in with_quality]


def _behind(best: str, measured: _Measured, ground: ChoiceGround) -> dict[str, Number]:
    """How much better each other candidate is than the best, on the same draws of the rows."""
    others = [name for name in measured.by_name if name != best]
    gains = [
        gain_of("probe", measured.by_name[name], measured.by_name[best], measured.units)
        for name in others
    ]
    drawn = draw(gains, ground.evaluation.repeats, ground.evaluation.seed)
    pairs = _pairs(measured.by_name)
    return {name: _number(one.estimate, pairs) for name, one in zip(others, drawn, strict=True)}


def _beside(one: Candidate, best: str, behind: dict[str, Number], margin: float) -> Candidate:
    if one.name == best:
        return replace(one, standing="best")
    gain = behind.get(one.name)
    if one.quality is None:
        return one
    return replace(one, behind_best=gain, standing=_standing(gain, margin))


def _standing(gain: Number | None, margin: float) -> Standing:
    if gain is None or gain.low is None or gain.high is None:
        return "not told"
    if gain.low >= -margin:
        return "as good"
    return "worse" if gain.high < 0 else "not told"


def _number(estimate: Estimate, share: int) -> Number:
    """An estimate at the confidence ``1 - ALPHA / share``."""
    ends = ends_at(estimate.ladder, share) if estimate.value is not None else None
    if ends is None:
        return Number(None, reason=estimate.reason or "its interval cannot be told")
    return Number(estimate.value, *ends)


def _words(measured: _Measured, ground: ChoiceGround) -> Number:
    """What a model of words comes to on the same rows."""
    if isinstance(measured.words, str):
        return Number(None, reason=measured.words)
    evaluation = ground.evaluation
    found = levels(
        [("baseline", measured.words)], measured.units, evaluation.repeats, evaluation.seed
    )
    return _number(found[0], 1)


def _basis(ground: ChoiceGround) -> str:
    """What the estimate of a training rests on."""
    rows = ground.data.rows_by_split["train"]
    return (
        f"training: {rows:,} rows x epochs {ground.epochs} x {PASSES} passes (forward, and "
        "backward at twice that) of the seconds a row that the probe took here, whatever else the "
        "machine did; `assayline run CONFIG --dry-run` measures steps"
    )
