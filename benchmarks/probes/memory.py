"""The probes for memory on models whose memory is known: what they find, and what lowers it.

Small models that are built from scratch on sentences of BBC News, trained by the product's own
engine, a real object store. Found (higher is better):

- `lira_auc_planted`: AUC of the likelihood-ratio attack with four shadow models on a classifier
  that learned its 150 sentences by heart; `loss_auc_planted` is of the loss alone.
- `canary_exposure_planted`: mean exposure in bits of ten secrets that stand sixteen times each
  among 150 sentences that a GPT-2 learned; at most 7.7 can be seen. `canaries_extracted_planted`
  is the share of them that it wrote out.

Nothing to be found: `canary_exposure_clean`, secrets of the same form that were never learned, 1.4
bits in expectation. What lowers it: `canary_exposure_deduplicated`, the same secrets once each;
`canary_exposure_private` and `loss_auc_private`, the same rows with differential privacy at the
epsilon of `memory_epsilon`.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.corpus import TOPICS, sentences
from benchmarks.gpu.folder_store import NoTracking
from benchmarks.local_store import environment_of, served_store
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.attacks import Scored, judge_attack
from tasks.probes.memory.exposure import find_canaries, read_canaries
from tasks.probes.memory.losses import losses_of_rows
from tasks.probes.memory.planting import plant_canaries
from tasks.probes.memory.settings import PlantedCanarySettings
from tasks.probes.memory.shadows import cut_for_shadow, likelihood_ratios
from tasks.records.data import DataReport, Leakage
from tasks.records.memory import LIRA, LOSS, Canaries, CanaryFindings, MembershipAttack
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.resampling import Floats
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.tokenization.from_scratch.building import build
from tasks.tokenization.settings import ScratchSettings, TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.privacy_settings import DifferentialPrivacySettings
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tasks.verdicts import Verdict

ROWS: Final = 150
SHADOWS: Final = 4
LENGTH: Final = 48
CLASSIFICATION, CAUSAL = "classification", "causal_lm"
CANARIES: Final = PlantedCanarySettings(count=10, repeats=16)
PRIVATE: Final = DifferentialPrivacySettings(target_epsilon=8.0, delta=1e-4)
EVALUATION: Final = EvaluationSettings()


def measure(rows: int = ROWS, epochs: int = 12) -> dict[str, float]:
    """The figures.

    Args:
        rows: of a side.
        epochs: of each training.

    """
    with (
        served_store() as settings,
        tempfile.TemporaryDirectory(prefix="bench-memory-") as home,
        quiet_transformers(),
    ):
        os.environ.update({**environment_of(settings), "ASSAYLINE_HOME": home})
        store = ObjectStore(settings)
        return {
            **_of_classifier(store, Path(home), rows, epochs),
            **_of_language_model(store, Path(home), rows, epochs),
        }


def _of_classifier(store: ObjectStore, home: Path, rows: int, epochs: int) -> dict[str, float]:
    line = _Line(store, home, CLASSIFICATION, "bert", rows, epochs)
    tokens = line.tokens()
    whole = line.losses(line.train(tokens))
    shadows = [
        line.losses(line.train(cut_for_shadow(tokens, number, 0, store=store)))
        for number in range(SHADOWS)
    ]
    ratios = likelihood_ratios(whole, np.stack(shadows), line.asked_ids, 0)
    private = line.train(tokens, private=True)
    assert private.privacy
    found = {
        "lira_auc_planted": line.judged(LIRA, ratios),
        "loss_auc_planted": line.judged(LOSS, -whole),
        "loss_auc_private": line.judged(LOSS, -line.losses(private)),
    }
    for name, one in found.items():
        _say(f"{name} {one.auc.value:.3f} [{one.auc.low:.3f}, {one.auc.high:.3f}]; at 1% false "
             f"positives {one.tpr.value:.3f} [{one.tpr.low:.3f}, {one.tpr.high:.3f}]")  # fmt: skip
    return {
        **{name: float(one.auc.value or 0) for name, one in found.items()},
        "memory_epsilon": private.privacy.epsilon,
    }


def _of_language_model(store: ObjectStore, home: Path, rows: int, epochs: int) -> dict[str, float]:
    line = _Line(store, home, CAUSAL, "gpt2", rows, epochs)
    planted = plant_canaries(CAUSAL, CANARIES, 0, store=store)
    once = plant_canaries(CAUSAL, CANARIES.model_copy(update={"repeats": 1}), 0, store=store)
    never = plant_canaries(CAUSAL, CANARIES, 1, store=store)
    learned = line.train(line.tokens(planted))
    found = {
        "planted": line.canaries(learned, planted),
        "clean": line.canaries(learned, never),
        "deduplicated": line.canaries(line.train(line.tokens(once)), once),
        "private": line.canaries(line.train(line.tokens(planted), private=True), planted),
    }
    for name, one in found.items():
        bits, out = one.exposure, one.extracted
        assert out
        _say(f"canaries, {name}: {bits.value:.2f} bits [{bits.low:.2f}, {bits.high:.2f}], written "
             f"out {out.value:.2f}")  # fmt: skip
    out = found["planted"].extracted
    assert out
    return {
        **{
            f"canary_exposure_{name}": float(one.exposure.value or 0) for name, one in found.items()
        },
        "canaries_extracted_planted": float(out.value or 0),
    }


class _Line:
    """Rows of a task type, a base model from scratch, and trainings from it."""

    def __init__(
        self, store: ObjectStore, home: Path, task_type: str, architecture: str, rows: int,
        epochs: int,
    ) -> None:  # fmt: skip
        self._store, self._home, self._task_type, self._epochs = store, home, task_type, epochs
        self._rows = _table(rows)
        self._data = _report(store, home, task_type, self._rows)
        settings = ScratchSettings.model_validate(
            {"architecture": architecture, "hidden_size": 64, "layers": 2, "heads": 2,
             "vocab_size": 2_000, "max_positions": 64}
        )  # fmt: skip
        self._base: BaseModel = build(store, self._data, settings)
        self._asked = pa.concat_tables(
            [self._rows.filter(pc.equal(self._rows["split"], split))
             for split in ("train", "test")]
        )  # fmt: skip
        self.asked_ids: Sequence[str] = self._asked["row_id"].to_pylist()
        self._trained = 0

    def tokens(self, canaries: Canaries | None = None) -> Tokens:
        """Of all rows, and of canaries."""
        settings = TokenizationSettings(max_length=LENGTH)
        if self._task_type == CAUSAL:
            settings = TokenizationSettings(max_length=LENGTH, stride=8)
        return tokenize_splits(
            self._store, self._data, self._base, self._task_type, settings, None, canaries
        )

    def train(self, tokens: Tokens, *, private: bool = False) -> Weights:
        """A model of these rows; with differential privacy where asked."""
        settings = TrainingSettings(
            epochs=self._epochs, learning_rate=4e-3, batch_size=16,
            batching="padded", precision="float32", compile="off",
            differential_privacy=PRIVATE if private else None,
        )  # fmt: skip
        self._trained += 1
        _say(f"{self._task_type}: training {self._trained}")
        return train_model(
            self._store, NoTracking(), "memory", tokens, self._base, self._task_type, settings
        )

    def losses(self, weights: Weights) -> Floats:
        """Of training rows, and of as many held-out ones behind them."""
        folder = self._folder(weights)
        learner = learner_of(self._task_type, self._data.labels, TokenLimits(LENGTH, 8))
        return losses_of_rows(learner, folder, self._asked, 0).mean

    def judged(self, name: str, scores: Floats) -> MembershipAttack:
        """What an attack comes to."""
        half = len(scores) // 2
        scored = Scored(scores[:half], scores[half:], self.asked_ids)
        return judge_attack(name, scored, 20, EVALUATION)

    def canaries(self, weights: Weights, planted: Canaries) -> CanaryFindings:
        """What became of them."""
        texts = read_canaries(planted, self._store, self._home)
        return find_canaries(
            self._folder(weights), TokenLimits(LENGTH, 8), self._task_type, planted, texts,
            CANARIES, EVALUATION,
        )  # fmt: skip

    def _folder(self, weights: Weights) -> Path:
        target = self._home / f"asked-{weights.artifact.sha256[:16]}"
        return target if target.is_dir() else self._store.get_folder(weights.artifact, target)


def _table(rows: int) -> pa.Table:
    """Sentences: as many for training and for test.

    Validation rows are training rows, so that the epoch is kept that knows most of them by heart.
    """
    drawn = sorted(sentences(), key=lambda one: _hash_of(one[1]))[: 2 * rows]
    splits = {"train": drawn[:rows], "test": drawn[rows:], "validation": drawn[:rows]}
    return pa.Table.from_pylist(
        [
            {"row_id": _hash_of(f"{split} {text}"), "text": text, "label": topic, "split": split}
            for split, of_split in splits.items()
            for topic, text in of_split
        ]
    )


def _hash_of(text: str) -> str:
    """By which sentences are drawn."""
    return hashlib.sha256(text.encode()).hexdigest()


def _report(store: ObjectStore, home: Path, task_type: str, rows: pa.Table) -> DataReport:
    path = home / f"{task_type}.parquet"
    pq.write_table(rows, path)
    clean = store.put_file(store.uri("bench", path.name), path)
    counts = rows["split"].value_counts().to_pylist()
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", task_type=task_type,
        labels=TOPICS if task_type == CLASSIFICATION else (), group_columns=(),
        rows_by_split={one["values"]: one["counts"] for one in counts}, rows_by_label={},
        rows_quarantined=0, quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ()), checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


def _say(text: str) -> None:
    print(f"memory: {text}", file=sys.stderr, flush=True)
