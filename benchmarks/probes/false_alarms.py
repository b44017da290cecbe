"""Probes with their documented gates on clean lines, and on lines with one planted fault each.

Twenty lines of made-up rows, each of another seed, in which groups, sources and planted secrets
have no effect: half of them classifiers of reviews, the others language models. Each is tokenized,
trained and probed by the product's own functions on a small model from scratch, and judged by the
gates of docs/probes.md and docs/abstention.md and by the default gates on groups. What is measured:

- `clean_false_alarms`: gates on clean lines that are not passed, none is the goal; one that fails
  and one that is undetermined both count, since both keep a candidate from production.
  `clean_false_alarms_robustness` and so on are of each family, `clean_failed` those that fail,
  `clean_lines_refused` the lines with one at least, of `clean_lines`; `clean_gates` were judged.
- `planted_found`: share of lines with one planted fault whose gate fails: a word that alone tells
  the label and that a spelling mistake hides (`planted_found_brittle_word`), a group whose good
  reviews the training labels call bad (`..._group_threshold`), a source that has words of its own
  (`..._domain`), and secrets that are learned by heart (`..._canaries`).

Not here: explanations, harmful output and stereotypes, which ask for files or judgement of the
user's own, and out-of-distribution texts, of which it depends on the file and not on the line
whether they are told.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from benchmarks.probes.made_up_lines import (
    AUTHORS,
    BRITTLE,
    BY_DOMAIN,
    BY_GROUP,
    BY_HEART,
    CLEAN,
    LABELS,
    SHOPS,
    reviews,
    sentences,
)
from infra.errors import TrainingError
from infra.store import Artifact
from infra.transformers_logs import quiet_transformers
from tasks.abstention.fitting import fit_abstention
from tasks.abstention.measuring import add_abstention
from tasks.abstention.settings import AbstentionSettings
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.probes.leave_one_domain_out.domains import cut_domain, find_domains
from tasks.probes.leave_one_domain_out.measuring import add_left_out_domains
from tasks.probes.leave_one_domain_out.settings import LeaveOneDomainOutSettings
from tasks.probes.memory.planting import plant_canaries
from tasks.probes.memory.probing import add_memory
from tasks.probes.memory.settings import MemorySettings, PlantedCanarySettings
from tasks.probes.robustness.probing import add_robustness
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.records.data import DataReport, Leakage, Snapshot, SourceRows
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.fairness_gates import default_fairness_gates
from tasks.tokenization.from_scratch.building import build
from tasks.tokenization.settings import ScratchSettings, TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tasks.verdicts import Gate, GateResult, Verdict, judge, undetermined

LINES: Final = 20
# Every second line is a language model.
EVERY: Final = 2
SEEDS_OF_A_FAULT: Final = 2
CLASSIFICATION, CAUSAL = "classification", "causal_lm"
REVIEWS: Final = {"train": 600, "validation": 450, "test": 900}
SENTENCES: Final = {"train": 400, "validation": 400, "test": 400}
ROBUSTNESS, FAIRNESS = RobustnessSettings(), FairnessSettings(identity_attributes=())
EVALUATION: Final = EvaluationSettings().of_one_model
MEMORY: Final = MemorySettings()
ABSTENTION: Final = AbstentionSettings(risk=0.02)
DOMAINS: Final = LeaveOneDomainOutSettings()
# As the pages have them: docs/probes.md and docs/abstention.md.
OF_REVIEWS: Final = (
    Gate(metric="robustness.typos.flip_rate", at_most=0.25),
    Gate(metric="robustness.upper_case.flip_rate", at_most=0.05),
    Gate(metric="robustness.punctuation.macro_f1_drop", at_most=0.05),
    *default_fairness_gates(("author",), (), has_one_class=True),
    Gate(metric="memory.membership_auc", at_most=0.6),
    Gate(metric="memory.control_auc", at_most=0.6),
    Gate(metric="abstention.selective_risk", at_most=0.04),
    Gate(metric="abstention.coverage", at_least=0.8),
    *(Gate(metric=f"abstention.author.coverage_gap.{one}", at_least=-0.15) for one in AUTHORS),
    *(
        Gate(metric=f"leave_one_domain_out.source.{one}.macro_f1_drop", at_most=0.1)
        for one in SHOPS
    ),
)
OF_SENTENCES: Final = (
    Gate(metric="memory.membership_auc", at_most=0.6),
    Gate(metric="memory.control_auc", at_most=0.6),
    Gate(metric="memory.canary_exposure", at_most=3),
    Gate(metric="memory.canaries_extracted", at_most=0.2),
)
# What should find a fault.
FOUND_BY: Final = {
    BRITTLE: "robustness.typos.flip_rate",
    BY_GROUP: "fairness.author.equal_opportunity_difference",
    BY_DOMAIN: "leave_one_domain_out.source.east.macro_f1_drop",
    BY_HEART: "memory.canary_exposure",
}
# A canary is nearly a token a sign.
LENGTH: Final = 64
PROCESSES: Final = 2
# Probe, folder, seed and fault of a line.
_Probed = tuple[Callable[[Path, int, str], Sequence[GateResult]], Path, int, str]
NONE: Final = Artifact("s3://none/none", "0" * 64, 0)


def measure(lines: int = LINES, seeds: int = SEEDS_OF_A_FAULT) -> dict[str, float]:
    """The counts and shares.

    Args:
        lines: clean ones.
        seeds: of each planted fault.

    """
    with tempfile.TemporaryDirectory(prefix="bench-alarms-") as name:
        return {**_of_clean(Path(name), lines), **_of_faults(Path(name), seeds)}


def _of_clean(home: Path, lines: int) -> dict[str, float]:
    refused, failed, judged = Counter[str](), 0, 0
    with_alarms = 0
    asked = [
        (_probed_sentences if seed % EVERY == EVERY - 1 else _probed_reviews,
         home / f"clean-{seed}", seed, CLEAN)
        for seed in range(lines)
    ]  # fmt: skip
    for seed, results in enumerate(_side_by_side(asked)):
        alarms = [one for one in results if one.verdict is not Verdict.PASS]
        for one in alarms:
            _say(f"clean line {seed}: {one.metric} {one.verdict}, {one.reason}")
        refused.update(one.metric.partition(".")[0] for one in alarms)
        failed += sum(one.verdict is Verdict.FAIL for one in alarms)
        with_alarms += bool(alarms)
        judged += len(results)
        _say(f"clean line {seed}: {len(results)} gates, {len(alarms)} not passed")
    families = dict.fromkeys(one.family for one in (*OF_REVIEWS, *OF_SENTENCES))
    return {
        "clean_false_alarms": float(refused.total()),
        **{f"clean_false_alarms_{family}": float(refused[family]) for family in families},
        "clean_failed": float(failed),
        "clean_lines_refused": float(with_alarms),
        "clean_lines": float(lines),
        "clean_gates": float(judged),
    }


def _of_faults(home: Path, seeds: int) -> dict[str, float]:
    found: dict[str, list[bool]] = {fault: [] for fault in FOUND_BY}
    asked = [
        (_probed_sentences if fault == BY_HEART else _probed_reviews,
         home / f"{fault}-{seed}", 1_000 + seed, fault)
        for fault in FOUND_BY for seed in range(seeds)
    ]  # fmt: skip
    for (_, _, seed, fault), results in zip(asked, _side_by_side(asked), strict=True):
        told = {one.metric: one for one in results}
        failed = [one.metric for one in results if one.verdict is Verdict.FAIL]
        seen = told[FOUND_BY[fault]]
        found[fault].append(seen.verdict is Verdict.FAIL)
        _say(f"{fault} {seed}: {seen.metric} {seen.verdict}, {seen.reason}; failed in all: "
             f"{', '.join(failed) or 'none'}")  # fmt: skip
    shares = {f"planted_found_{fault}": sum(one) / len(one) for fault, one in found.items()}
    whole = [one for each in found.values() for one in each]
    return {"planted_found": sum(whole) / len(whole), **shares}


def _side_by_side(asked: Sequence[_Probed]) -> Iterator[Sequence[GateResult]]:
    """What lines come to, in order, by processes of one thread each: small models use no more."""
    with (
        mock.patch.dict(os.environ, {"OMP_NUM_THREADS": "1"}),
        ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool,
    ):
        yield from pool.map(_run, asked)


def _run(asked: _Probed) -> Sequence[GateResult]:
    probe, home, seed, fault = asked
    os.environ["ASSAYLINE_HOME"] = str(home.parent)
    with quiet_transformers():
        return probe(home, seed, fault)


def _probed_reviews(home: Path, seed: int, fault: str) -> Sequence[GateResult]:
    """A classifier with all probes that are for it, judged."""
    line = _Line(home, CLASSIFICATION, reviews(seed, REVIEWS, fault), seed)
    data, snapshot, store = line.data, line.snapshot, line.store
    tokens = line.tokens()
    weights = line.train(tokens, epochs=5)
    more = []
    try:
        weights = fit_abstention(weights, data, CLASSIFICATION, ABSTENTION, store=store)
    except TrainingError as error:  # which ends a run
        more = [undetermined(one.metric, 0, str(error))
                for one in OF_REVIEWS if one.family == "abstention"]  # fmt: skip
    scores = evaluate_weights(
        weights, data, None, CLASSIFICATION, EVALUATION, store=store, tracking=NoTracking()
    )
    scores = add_robustness(
        scores, weights, data, CLASSIFICATION, ROBUSTNESS, EVALUATION, store=store
    )
    if not more:
        scores = add_abstention(
            scores, weights, data, ABSTENTION, FAIRNESS, EVALUATION, store=store
        )
    scores = add_memory(
        scores, weights, data, snapshot, CLASSIFICATION, MEMORY, EVALUATION, None, None, (),
        store=store,
    )  # fmt: skip
    domains = find_domains(data, snapshot, CLASSIFICATION, DOMAINS, store=store)
    unseen = [
        line.train(
            cut_domain(tokens, data, snapshot, CLASSIFICATION, DOMAINS, one.name, store=store),
            epochs=5,
        )
        for one in domains.trained
    ]
    scores = add_left_out_domains(
        scores, weights, data, snapshot, domains, unseen, CLASSIFICATION, DOMAINS, EVALUATION,
        store=store,
    )  # fmt: skip
    fairness = assess_scores(scores, data, FAIRNESS, store=store)
    return judge(OF_REVIEWS, (*scores.measured, *fairness.estimates, *more))


def _probed_sentences(home: Path, seed: int, fault: str) -> Sequence[GateResult]:
    """A language model with planted secrets, which it learns by heart or hardly sees."""
    by_heart = fault == BY_HEART
    canaries = PlantedCanarySettings(
        count=30, repeats=16 if by_heart else 1, alternatives=100, beams=1
    )
    settings = MEMORY.model_copy(update={"canaries": canaries})
    line = _Line(home, CAUSAL, sentences(seed, SENTENCES), seed)
    planted = plant_canaries(CAUSAL, canaries, seed, store=line.store)
    tokens = line.tokens(planted)
    weights = line.train(tokens, epochs=10 if by_heart else 2, batch_size=16)
    scores = evaluate_weights(
        weights, line.data, None, CAUSAL, EVALUATION, store=line.store, tracking=NoTracking()
    )
    scores = add_memory(
        scores, weights, line.data, line.snapshot, CAUSAL, settings, EVALUATION, None, planted, (),
        store=line.store,
    )  # fmt: skip
    return judge(OF_SENTENCES, scores.measured)


class _Line:
    """Rows, a base model that is built for them, and trainings from it."""

    def __init__(self, home: Path, task_type: str, rows: list[dict[str, Any]], seed: int) -> None:
        home.mkdir()
        self.store, self._task_type, self._seed = FolderStore(home / "store"), task_type, seed
        self.data = self._report(home, rows)
        self.snapshot = self._snapshot(home, rows)
        architecture = "bert" if task_type == CLASSIFICATION else "gpt2"
        settings = ScratchSettings.model_validate(
            {"architecture": architecture, "hidden_size": 32, "layers": 2, "heads": 2,
             "vocab_size": 600, "max_positions": LENGTH, "lowercase": architecture == "bert",
             "seed": seed}
        )  # fmt: skip
        self._base: BaseModel = build(self.store, self.data, settings)

    def tokens(self, canaries: Any = None) -> Tokens:
        """Of all rows, and of canaries."""
        settings = TokenizationSettings(max_length=LENGTH)
        if self._task_type == CAUSAL:
            settings = TokenizationSettings(max_length=LENGTH, stride=8)
        return tokenize_splits(
            self.store, self.data, self._base, self._task_type, settings, None, canaries
        )

    def train(self, tokens: Tokens, *, epochs: int, batch_size: int = 32) -> Weights:
        """A model of these rows."""
        settings = TrainingSettings(
            epochs=epochs, learning_rate=3e-3, batch_size=batch_size, batching="padded",
            precision="float32", compile="off", seed=self._seed,
        )  # fmt: skip
        return train_model(
            self.store, NoTracking(), "made-up", tokens, self._base, self._task_type, settings
        )

    def _report(self, home: Path, rows: list[dict[str, Any]]) -> DataReport:
        clean = self._kept(home, "clean", pa.Table.from_pylist(rows).drop_columns(self._shop(rows)))
        of_labels = self._task_type == CLASSIFICATION
        return DataReport(
            clean=clean, quarantine=clean, docs_uri="", task_type=self._task_type,
            labels=LABELS if of_labels else (), group_columns=("author",) if of_labels else (),
            rows_by_split=dict(Counter(one["split"] for one in rows)), rows_by_label={},
            rows_quarantined=0, quarantined_by_reason={}, lengths={}, personal_data=(),
            leakage=Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ()), checks=(), verdict=Verdict.PASS,
        )  # fmt: skip

    def _snapshot(self, home: Path, rows: list[dict[str, Any]]) -> Snapshot:
        """Which knows the shop of each row as its source."""
        shops = [one.get("shop", "") for one in rows]
        named = sorted(set(shops) - {""})
        ids = pa.table({"row_id": [one["row_id"] for one in rows]})
        return Snapshot(
            self._kept(home, "rows", ids), NONE, self._task_type, len(rows), {}, 0, 0, 0, 0, {}, (),
            self._kept(home, "origins", pa.table({"source_name": shops})),
            by_source=tuple(SourceRows(one, None, 0, 0, 0, 0, {}) for one in named),
        )  # fmt: skip

    @staticmethod
    def _shop(rows: list[dict[str, Any]]) -> list[str]:
        return ["shop"] if "shop" in rows[0] else []

    def _kept(self, home: Path, name: str, table: pa.Table) -> Artifact:
        path = home / f"{name}.parquet"
        pq.write_table(table, path)
        return self.store.put_file(self.store.uri("bench", path.name), path)


def _say(text: str) -> None:
    print(f"false alarms: {text}", file=sys.stderr, flush=True)
