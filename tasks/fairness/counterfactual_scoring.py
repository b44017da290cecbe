"""Ask the trained model about the same texts with other people in them: a stage's function."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.fairness.assessment import read_scores
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.counterfactuals import families_of, probe_families
from tasks.fairness.gate_rows import gate_rows_of_swaps
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.training import Weights
from tasks.resampling import Floats
from tasks.task_types.encoding import encode_texts
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, RowShape
from tasks.task_types.tokenizers import load_tokenizer

CLASSES = frozenset({"label", "predicted", "probabilities"})


def add_counterfactuals(
    fairness: Fairness,
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: CounterfactualSettings,
    *,
    store: ObjectStore,
) -> Fairness:
    """Swap words in the test rows, and add what the model says then.

    A task type whose model reads other than one text, or whose answers are no classes, is left as
    it is: nothing is measured, so that a gate on it is undetermined.

    Raises:
        SettingsError: a swap list or a template file cannot be read.
        BaseModelError, TrainingError: the model cannot be asked.
        StoreError: an artifact is missing or was changed.

    """
    shape = shape_of(task_type)
    with tempfile.TemporaryDirectory(prefix="counterfactuals-") as name, quiet_transformers():
        work = Path(name)
        scored = read_scores(store.get_file(scores.artifact, work / "scores.parquet"))
        if not _reads_a_text(shape) or not set(scored.column_names) >= CLASSES:
            return fairness
        (column,) = shape.inputs
        clean = store.get_file(data.clean, work / "clean.parquet")
        wanted = {"row_id", column.name, *([CLUSTER] if settings.by_cluster else [])}
        columns = [name for name in pq.read_schema(clean).names if name in wanted]
        rows = pq.read_table(clean, columns=columns, filters=[("split", "=", "test")])
        texts, row_ids = rows[column.name].to_pylist(), rows["row_id"].to_pylist()
        said = dict(zip(scored["row_id"].to_pylist(), _matrix(scored), strict=True))
        known = {text: said[row] for row, text in zip(row_ids, texts, strict=True) if row in said}
        folder = store.get_folder(weights.artifact, work / "model")
        model = _Model(folder, shape, weights)
        found, flips = probe_families(
            list(families_of(texts, row_ids, settings)), known, model.score, model.read,
            scores.labels, settings,
            rows[CLUSTER].to_pylist() if CLUSTER in rows.column_names else None,
        )  # fmt: skip
    estimates = [e for f in found for e in (f.flip_rate, f.score_shift, f.largest_shift)]
    return replace(
        fairness,
        estimates=(*fairness.estimates, *estimates),
        counterfactuals=found,
        flips=flips,
        gate_rows=(
            *fairness.gate_rows,
            *(gate_rows_of_swaps(f.name, f.rows, f.units, settings.min_rows) for f in found),
        ),
    )


def _reads_a_text(shape: RowShape) -> bool:
    return [column.kind for column in shape.inputs] == ["text"]


class _Model:
    """The trained model, asked by the scorer of the evaluation."""

    def __init__(self, folder: Path, shape: RowShape, weights: Weights) -> None:
        self._folder, self._shape, self._labels = folder, shape, weights.labels
        self._limits = TokenLimits.of(weights)
        self._examiner = examiner_of(shape.task_type, weights.labels, self._limits)
        self._tokenizer = load_tokenizer(folder)

    def score(self, texts: list[str]) -> Floats:
        """Probabilities (M, L)."""
        # What was right does not count here, but a row of the task type has a label.
        columns = {"row_id": [str(n) for n in range(len(texts))]}
        columns |= {column.name: texts for column in self._shape.inputs}
        if self._shape.label_column:
            columns[self._shape.label_column] = [self._labels[0]] * len(texts)
        return _matrix(self._examiner.predict(self._folder, pa.table(columns)))

    def read(self, texts: list[str]) -> list[bytes]:
        """Token ids of each text, cut as the model cuts them."""
        if not texts:
            return []
        encoded = encode_texts(pa.array(texts), self._tokenizer, self._limits.max_length)
        return [np.array(ids, np.int32).tobytes() for ids in encoded.input_ids.to_pylist()]


def _matrix(answers: pa.Table) -> Floats:
    """Probabilities (N, L)."""
    return np.array(answers["probabilities"].to_pylist(), dtype=np.float64)
