"""Scoring against transformers' pipeline, counterfactual passes, generation, the CPU's answers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from benchmarks.corpus import TOPICS
from benchmarks.evaluation.swaps import records_of, table_of
from benchmarks.gpu.driver import PROJECT
from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.shapes import MAX_LENGTH
from infra.device import pick_device
from infra.transformers_logs import quiet_transformers
from tasks.fairness.counterfactual_scoring import add_counterfactuals
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.task_types.examiner import examiner_of
from tasks.task_types.labels.text_logits import text_probabilities
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.scoring import load_model
from tasks.task_types.tokenizers import load_tokenizer

BATCH_SIZE: Final = 32
# Both in float32, in other batches, whose shapes choose other kernels on a GPU.
PIPELINE_TOLERANCE: Final = {"cpu": 1e-5, "cuda": 1e-4}
# A CPU and a GPU add in another order.
CPU_TOLERANCE: Final = 1e-4
CPU_TEXTS, WRITTEN_TEXTS, SWAPPED_TEXTS = 128, 4, 1024
LIMITS: Final = TokenLimits(MAX_LENGTH)


def run(report: Report, inputs: Inputs) -> None:
    """Each part for itself."""
    folder = _save_model(inputs)
    texts = inputs.texts("test")
    with report.part("pipeline"):
        _against_pipeline(report, folder, texts)
    with report.part("counterfactuals"):
        _counterfactuals(report, inputs, folder, texts[:SWAPPED_TEXTS])
    with report.part("generation"):
        _generation(report, inputs, texts)
    with report.part("the CPU's answers"):
        _against_cpu(report, folder, inputs.folder, texts[:CPU_TEXTS])


def _save_model(inputs: Inputs) -> Path:
    """A classifier of random weights whose answers differ from text to text."""
    base, folder = Path(inputs.bases["minilm"].reference), inputs.folder / "classifier"
    torch.manual_seed(0)
    with quiet_transformers():
        model: Any = learner_of("classification", TOPICS, LIMITS).load_model(base)
        model.classifier.weight.data.mul_(10)
        model.save_pretrained(folder)
        load_tokenizer(base).save_pretrained(folder)
    return folder


def _against_pipeline(report: Report, folder: Path, texts: list[str]) -> None:
    text_probabilities(folder, texts[:BATCH_SIZE], max_length=MAX_LENGTH)  # the first time is slow
    ours, ours_s = _ours(folder, texts)
    theirs, theirs_s = _by_pipeline(folder, texts)
    tolerance = PIPELINE_TOLERANCE[pick_device().name]
    report.at_most("same answers as the pipeline", _apart(ours, theirs), tolerance)
    report.figure("rows_per_s", len(texts) / ours_s, "rows/s")
    report.figure("rows_per_s_pipeline", len(texts) / theirs_s, "rows/s")
    begin_s = time.perf_counter()
    load_model(folder, "AutoModelForSequenceClassification")
    loading_s = time.perf_counter() - begin_s
    report.figure("loading", loading_s, "s")
    report.figure("score_vs_pipeline_with_loading", theirs_s / ours_s, "times")
    ratio = theirs_s / max(ours_s - loading_s, 1e-9)
    report.figure("score_vs_pipeline", ratio, "times", "at least 4")


def _ours(folder: Path, texts: list[str]) -> tuple[NDArray[np.float64], float]:
    """Probabilities, and seconds with the loading of the model."""
    begin_s = time.perf_counter()
    found = text_probabilities(folder, texts, max_length=MAX_LENGTH)
    return found.astype(np.float64), time.perf_counter() - begin_s


def _by_pipeline(folder: Path, texts: list[str]) -> tuple[NDArray[np.float64], float]:
    """The same by transformers, in float32, and seconds without the loading of the model."""
    from transformers import pipeline

    with quiet_transformers():
        ask = pipeline(
            "text-classification", model=str(folder), top_k=None, dtype=torch.float32,
            device=pick_device().name,
        )  # fmt: skip
        options: dict[str, Any] = {
            "batch_size": BATCH_SIZE, "truncation": True, "max_length": MAX_LENGTH,
            "function_to_apply": "softmax",
        }  # fmt: skip
        ask(texts[:BATCH_SIZE], **options)
        begin_s = time.perf_counter()
        answers: list[Any] = ask(texts, **options)
        seconds = time.perf_counter() - begin_s
    by_label = [{one["label"]: one["score"] for one in answer} for answer in answers]
    return np.array([[scores[topic] for topic in TOPICS] for scores in by_label]), seconds


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(one - other).max())


def _counterfactuals(report: Report, inputs: Inputs, folder: Path, texts: list[str]) -> None:
    table = table_of([(TOPICS[0], text) for text in texts])
    begin_s = time.perf_counter()
    answers = examiner_of("classification", TOPICS, LIMITS).predict(folder, table)
    plain_s = time.perf_counter() - begin_s
    records = records_of(inputs.store, inputs.folder, folder, table, answers)
    begin_s = time.perf_counter()
    asked = add_counterfactuals(
        *records, "classification", CounterfactualSettings(), store=inputs.store
    )
    seconds = time.perf_counter() - begin_s
    pairs = sum(family.pairs for family in asked.counterfactuals)
    report.check("counterfactuals", right=pairs > 0, said=f"{pairs} changed texts were scored")
    report.figure("counterfactuals_vs_scoring", seconds / plain_s, "times")


def _generation(report: Report, inputs: Inputs, texts: list[str]) -> None:
    base = Path(inputs.bases["smollm2"].reference)
    rows = pa.table(
        {"row_id": [str(n) for n in range(WRITTEN_TEXTS)], "text": texts[:WRITTEN_TEXTS]}
    )
    begin_s = time.perf_counter()
    found = examiner_of("causal_lm", (), LIMITS).predict(base, rows)
    seconds = time.perf_counter() - begin_s
    answers = [json.loads(one) for one in found["answer"].to_pylist()]
    likely = np.array([one["mean_log_likelihood"] for one in answers])
    said = f"{len(answers)} texts, mean log-likelihood {likely.mean():.2f}"
    right = all(isinstance(one["continuation"], str) for one in answers)
    report.check("generation", right=right and bool(np.isfinite(likely).all()), said=said)
    report.figure("generation", seconds / len(answers), "s a text")


def _against_cpu(report: Report, folder: Path, place: Path, texts: list[str]) -> None:
    """The same texts asked in a process that sees no GPU."""
    ours, _ = _ours(folder, texts)
    asked, answered = place / "asked.json", place / "answered.npy"
    asked.write_text(json.dumps(texts), encoding="utf-8")
    command = [sys.executable, "-m", __spec__.name, str(folder), str(asked), str(answered)]
    subprocess.run(command, check=True, cwd=PROJECT, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    theirs = np.load(answered)
    report.at_most("probabilities", _apart(ours, theirs), CPU_TOLERANCE)
    same = float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean())
    report.check("same classes", right=same == 1, said=f"{same:.1%} of {len(texts)} texts")


def main() -> None:
    """Ask about the texts of a file, and write the probabilities to another."""
    folder, asked, answered = map(Path, sys.argv[1:])
    found, _ = _ours(folder, json.loads(asked.read_text(encoding="utf-8")))
    np.save(answered, found)


if __name__ == "__main__":
    main()
