"""Evidence of several task types, measured by the stages themselves on small made-up answers."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.evaluation.comparison import Comparator, compare
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.evaluation.slice_results import measure_slices
from tasks.fairness.assessment import assess_rows
from tasks.fairness.predictions import ClassAnswers, ScoredAnswers
from tasks.fairness.settings import FairnessSettings
from tasks.records.evaluation import Scores
from tasks.records.fairness import CounterfactualFamily, Fairness, Flip
from tasks.records.registry import Judgement
from tasks.records.training import Epoch, TrainingPoint
from tasks.reporting.evidence import Evidence
from tasks.resampling_units import units_of_rows
from tasks.task_types.generation.generation_measures import measure_texts
from tasks.task_types.generation.written_texts import WrittenTexts
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.labels.regression_measures import measure_predictions
from tasks.task_types.language_models.language_measures import likelihood_table, measure_likelihood
from tasks.task_types.measures import Measured
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import texts_of
from tasks.task_types.tags.tagging_measures import measure_tags
from tasks.verdicts import Gate, combine, judge
from tests.unit.reporting.conftest import artifact, build_evidence, estimate

REPEATS = 4_000
LABELS = ("calm", "hateful", "rude")
TAGS = ("B-PER", "B-PLACE", "I-PER", "O")
WORDS = ("the man", "a woman", "her mother", "his father", "the city", "a river", "some rain")


def random() -> np.random.Generator:
    """The same numbers in every test."""
    return np.random.default_rng(20)


def texts(count: int) -> list[str]:
    """Some name men or women, and they differ in length."""
    draw = random()
    return [
        f"{number}: " + " and ".join(draw.choice(WORDS, size=draw.integers(1, 5)))
        for number in range(count)
    ]


def row_ids(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def evidence_of(
    task_type: str,
    columns: dict[str, Sequence[Any]],
    ours: Measured,
    comparators: Sequence[Comparator],
    *,
    labels: tuple[str, ...] = (),
    answers: ClassAnswers | None = None,
) -> Evidence:
    """What a run of the line leaves when its model and its comparators are measured so."""
    shape, made = shape_of(task_type), build_evidence(passing=True)
    rows = pa.table({"row_id": row_ids(len(ours.row_scores)), **columns})
    characters = [len(text) for text in texts_of(shape, rows).to_pylist()]
    rows = rows.append_column("characters", pa.array(characters))
    settings = EvaluationSettings(
        repeats=REPEATS, slices=SliceSettings(by=("characters",), min_rows=10, bins=3)
    )
    units = units_of_rows(rows["row_id"].to_pylist(), None, seed=0)
    gains, comparisons = compare(ours, comparators, units, settings)
    by_slice, slices = measure_slices(rows, shape, ours, units, settings)
    own = levels([("quality", one) for one in ours.measures], units, REPEATS, 0)
    fairness = assess_rows(
        rows, shape, answers or ScoredAnswers(ours.row_scores), (),
        FairnessSettings(
            repeats=REPEATS, min_group_rows=10, positive_labels=labels[1:2] if answers else ()
        ),
    )  # fmt: skip
    scores = Scores(
        artifact=artifact(f"{task_type}-scores", 61_442, ".parquet"),
        labels=labels,
        rows=rows.num_rows,
        estimates=(*own, *gains, *by_slice),
        confusion=ours.confusion,
        calibration=ours.calibration,
        champion_version=3,
        champion_note="",
        comparisons=comparisons,
        slices=slices,
    )
    lead = ours.leading[0]
    gates = [
        Gate(metric=f"champion.{lead}_gain", at_least=-0.5),
        Gate(metric=f"baseline.{lead}_gain", at_least=0.0),
        # Nobody serves these models, so that none of them is proven.
        Gate(metric="staging.same_predictions", at_least=1.0),
    ]
    judged = judge(gates, [*scores.estimates, *fairness.estimates])
    return replace(
        made,
        line=f"{task_type}-line",
        snapshot=replace(made.snapshot, task_type=task_type),
        data=replace(
            made.data, task_type=task_type, labels=labels, rows_by_label=dict.fromkeys(labels, 70)
        ),
        tokens=replace(made.tokens, labels=labels),
        weights=replace(made.weights, labels=labels, curve=curve()),
        scores=scores,
        fairness=fairness,
        version=replace(made.version, line=f"{task_type}-line"),
        staged=None,
        judgement=Judgement(judged, combine(gate.verdict for gate in judged)),
    )  # fmt: skip


def curve() -> tuple[TrainingPoint, ...]:
    """A warm-up, a decay and a falling loss."""
    return tuple(
        TrainingPoint(
            step, 1.2 / (1 + step / 40), 2e-4 * min(step / 30, (330 - step) / 300), 1 + 9 / step
        )
        for step in range(3, 301, 3)
    )


def rivals_of(champion: Measured, baseline: Measured | str) -> list[Comparator]:
    if isinstance(baseline, str):
        return [Comparator("baseline", reason=baseline), Comparator("champion", (), champion)]
    return [
        Comparator("baseline", (), baseline, same_vocabulary=False),
        Comparator("champion", (), champion),
    ]


@cache
def classified() -> Evidence:
    """A classifier that calls texts hateful that name women, with rankings and swaps."""
    size, said = 300, texts(300)
    truth = random().integers(0, len(LABELS), size)
    rows = pa.table({"label": [LABELS[label] for label in truth]})

    def answers(noise: float, seed: int) -> pa.Table:
        logits = np.random.default_rng(seed).normal(0, noise, (size, len(LABELS)))
        logits[np.arange(size), truth] += 2
        logits[:, 1] += [1.5 * ("woman" in text or "mother" in text) for text in said]
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return pa.table(
            {"predicted": shares.argmax(axis=1).astype(np.int32), "probabilities": list(shares)}
        )

    ours, champion, baseline = (
        measure_classes(rows, answers(noise, seed), LABELS)
        for noise, seed in ((0.8, 1), (0.9, 2), (3.0, 3))
    )
    mine = answers(0.8, 1)
    shares = np.array(mine["probabilities"].to_pylist())
    found = evidence_of(
        "classification",
        {"text": said, "label": rows["label"].to_pylist()},
        ours,
        rivals_of(champion, baseline),
        labels=LABELS,
        answers=ClassAnswers(truth, mine["predicted"].to_numpy().astype(np.int64), LABELS, shares),
    )
    return replace(found, fairness=with_swaps(found.fairness))


def with_swaps(fairness: Fairness) -> Fairness:
    """Counterfactuals as the stage leaves them."""
    family = CounterfactualFamily(
        "gender", "gendered words", 212, 424,
        estimate("counterfactual.gender.flip_rate", 0.1132, 0.041, 212, low=0),
        estimate("counterfactual.gender.score_shift", 0.0871, 0.02, 212, low=0),
        estimate("counterfactual.gender.largest_shift", 0.1413, 0.03, 212, low=0),
    )  # fmt: skip
    flip = Flip(
        "d" * 64, "gender", "calm", "hateful", "7: the man & <b>rain</b>",
        "7: the woman & <b>rain</b>", 0.5512,
    )  # fmt: skip
    estimates = (family.flip_rate, family.score_shift, family.largest_shift)
    return replace(
        fairness,
        estimates=(*fairness.estimates, *estimates),
        counterfactuals=(family,),
        flips=(flip,),
    )


def with_epochs(evidence: Evidence, **metrics: float) -> Evidence:
    """Two epochs with these validation metrics."""
    epochs = tuple(Epoch(number, 1 / number, 1.2 / number, metrics) for number in (1, 2))
    return replace(evidence, weights=replace(evidence.weights, epochs=epochs, best_epoch=2))


@cache
def tagged() -> Evidence:
    """Tags have labels, and neither confusion nor calibration."""
    draw, size = random(), 90
    tokens = [text.split() for text in texts(size)]
    truth = [list(draw.choice(TAGS, size=len(words), p=(0.3, 0.1, 0.2, 0.4))) for words in tokens]

    def spoilt(share: float) -> list[list[str]]:
        return [[tag if draw.random() > share else "O" for tag in tags] for tags in truth]

    ours, champion, baseline = (
        measure_tags(pa.array(truth), pa.array(spoilt(share)), TAGS) for share in (0.1, 0.1, 0.6)
    )
    found = evidence_of(
        "tagging", {"tokens": tokens, "tags": truth}, ours, rivals_of(champion, baseline),
        labels=TAGS,
    )  # fmt: skip
    return with_epochs(found, entity_f1=0.83, token_accuracy=0.91)


@cache
def written() -> Evidence:
    """Translations: no labels at all."""
    draw, size = random(), 80
    wanted = texts(size)

    def spoilt(share: float) -> Measured:
        given = [
            " ".join(word for word in text.split() if draw.random() > share) for text in wanted
        ]
        return measure_texts(WrittenTexts(wanted, given), ("chrf", "bleu"))

    source = [f"say {text}" for text in wanted]
    found = evidence_of(
        "translation", {"source": source, "target": wanted}, spoilt(0.2),
        rivals_of(spoilt(0.2), spoilt(0.7)),
    )  # fmt: skip
    return with_epochs(found, perplexity=8.127, token_accuracy=0.6231)


@cache
def modelled() -> Evidence:
    """A language model: lower is better, and its baseline counts no tokens."""
    draw, size = random(), 330
    said = texts(size)
    tokens = np.array([len(text.split()) for text in said], dtype=np.float64)

    def surprised(nats: float) -> Measured:
        nll = tokens * draw.normal(nats, 0.3, size)
        return measure_likelihood(pa.table(likelihood_table(nll, tokens, said)))

    found = evidence_of(
        "causal_lm", {"text": said}, surprised(2.0), rivals_of(surprised(2.4), surprised(4.0))
    )
    return with_epochs(found, perplexity=7.51)


@cache
def numbered() -> Evidence:
    """Numbers for texts, no baseline."""
    draw, size = random(), 80
    truth = draw.normal(3, 1, size)
    ours, champion = (measure_predictions(truth, truth + draw.normal(0, s, size)) for s in (1, 2))
    return evidence_of(
        "regression", {"text": texts(size), "target": list(truth)}, ours,
        rivals_of(champion, "the training targets are all the same"),
    )  # fmt: skip


def hostile_sections(evidence: Evidence) -> Evidence:
    """The same with markup in every text that rows and settings bring into these sections."""
    bad = "<script>alert('x')</script> & | `[a](http://evil.example)`" + "verylong" * 20
    scores, fairness = evidence.scores, evidence.fairness
    spoilt = tuple(
        replace(one, claims=tuple(replace(claim, reason=bad) for claim in one.claims), test=bad)
        for one in scores.comparisons
    )
    return replace(
        evidence,
        weights=replace(evidence.weights, choices={bad: bad}, measured={bad: 1.0}),
        scores=replace(
            scores, comparisons=spoilt,
            slices=tuple(replace(one, name=bad, description=bad) for one in scores.slices),
        ),
        fairness=replace(
            fairness,
            groups=tuple(replace(one, group=bad) for one in fairness.groups),
            aucs=tuple(replace(one, group=bad, label=bad) for one in fairness.aucs),
            counterfactuals=tuple(
                replace(one, name=bad, kind=bad) for one in fairness.counterfactuals
            ),
            flips=tuple(
                replace(one, family=bad, before=bad, after=bad, text_before=bad, text_after=bad)
                for one in fairness.flips
            ),
        ),
    )  # fmt: skip


MEASURED: dict[str, Callable[[], Evidence]] = {
    made.__name__: made for made in (classified, tagged, written, modelled, numbered)
}
