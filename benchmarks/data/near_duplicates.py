"""How fast near-duplicates are found among a million short texts, and how many of them."""

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.corpus import short_texts
from benchmarks.local_store import peak_memory_mb
from infra.machine import available_cores
from infra.store import open_store
from tasks.ingestion.row_ids import digests_of
from tasks.ingestion.splits import SplitSettings, splits_of
from tasks.records.data import SPLITS
from tasks.task_types.row_shapes import shape_of
from tasks.text_normalisation import normalise
from tasks.validation.leakage.finding import find_leaks
from tasks.validation.leakage.settings import LeakageSettings

ROWS = 1_000_000
PLANTED = 10_000
MAX_EDITS = 4
SETTINGS = LeakageSettings(within_split="quarantine")
_BLOCK_ROWS = 250
_BANDS = ((0.8, 0.85), (0.85, 0.9), (0.9, 0.95), (0.95, 1.0))


def measure(rows: int = ROWS, planted: int = PLANTED) -> dict[str, float]:
    """Minutes, memory and recall of the search among that many rows.

    One row in a hundred is another one with some of its words replaced, so that pairs of every
    likeness stand around the threshold. Recall is over all pairs at or above it, planted or not,
    among the planted rows and those that they were made of; an inverted index over their shingles
    (scikit-learn and scipy, none of the code that is measured) gives the pairs. A pair is found
    if the row of it that should be put aside is.
    """
    with tempfile.TemporaryDirectory(prefix="assayline-bench-") as name:
        path = Path(name) / "rows.parquet"
        _say(f"writing {rows:,} short texts, {planted:,} of them edited copies of others")
        sample = _write(path, rows, planted)
        _say(f"searching; load {os.getloadavg()[0]:.1f} on {available_cores()} cores")
        # In a process of its own, so that its peak memory is its own too.
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.data.near_duplicates", str(path)],
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(run.stdout)
        _say(
            f"{told['wall_s']:.0f} s, of which the processor worked {told['cpu_s']:.0f} s; "
            f"{told['peak_mb']:.0f} MB; load {os.getloadavg()[0]:.1f}; {told['counts']}"
        )
        recall = _recall(path, sample, np.array(told["rows"], np.int64))
    return {
        "near_duplicate_minutes_1m": told["wall_s"] / 60,
        "near_duplicate_recall": recall,
        "near_duplicate_memory_mb": told["peak_mb"],
    }


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _write(path: Path, rows: int, planted: int) -> NDArray[np.int64]:
    """Write the snapshot; the positions of the planted rows and of those they were made of."""
    draw = random.Random(1)  # noqa: S311 - a benchmark's draw, no secret
    made = {hashlib.sha256(text.encode()).hexdigest(): text for _, text in short_texts(rows)}
    sources = draw.sample(list(made.values()), planted)
    words = " ".join(draw.sample(sources, min(1000, planted))).split()
    edited = [_edit(text, words, draw) for text in sources]
    sampled = {hashlib.sha256(text.encode()).hexdigest(): text for text in (*sources, *edited)}
    made |= sampled
    row_ids = sorted(made)
    texts = [made[row_id] for row_id in row_ids]
    columns = {
        "row_id": row_ids,
        "text": texts,
        "label": ["news"] * len(texts),
        "split": splits_of(digests_of(pa.array(texts)), SplitSettings()),
        "cluster": pa.nulls(len(texts), pa.string()),
    }
    pq.write_table(pa.table(columns), path, row_group_size=65_536)
    return np.flatnonzero([row_id in sampled for row_id in row_ids])


def _edit(text: str, words: list[str], draw: random.Random) -> str:
    own = text.split()
    for _ in range(draw.randint(1, MAX_EDITS)):
        own[draw.randrange(len(own))] = draw.choice(words)
    return " ".join(own)


def _recall(path: Path, sample: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """The share of the sample's pairs of which the right row was found."""
    table = pq.read_table(path, columns=["text", "split"]).take(sample)
    forms = [normalise(text) for text in table["text"].to_pylist()]
    splits = np.array([SPLITS.index(split) for split in table["split"].to_pylist()])
    _say(f"holding {len(forms):,} rows against each other")
    later, earlier, alike = _pairs(forms)
    aside = np.where(splits[earlier] < splits[later], earlier, later)
    hit = np.isin(sample[aside], found)
    for low, high in _BANDS:
        inside = (alike >= low) & (alike < high)
        _say(f"  {low:g} to {high:g}: {hit[inside].sum():,} of {inside.sum():,} pairs found")
    return float(hit.mean())


def _pairs(
    forms: list[str],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """All pairs of rows, the later first, as alike as the threshold or more, and how much so."""
    from sklearn.feature_extraction.text import CountVectorizer

    size = SETTINGS.shingle_characters
    shingles = CountVectorizer(
        analyzer="char", ngram_range=(size, size), lowercase=False, binary=True, dtype=np.int32
    )
    sets = shingles.fit_transform(forms)
    sizes, inverted = np.diff(sets.indptr), sets.T.tocsr()
    parts = []
    for start in range(0, len(forms), _BLOCK_ROWS):
        common = (sets[start : start + _BLOCK_ROWS] @ inverted).tocoo()
        rows = common.row + start
        before = common.col < rows
        rows, others, both = rows[before], common.col[before], common.data[before]
        alike = both / (sizes[rows] + sizes[others] - both)
        near = alike >= SETTINGS.jaccard_threshold
        parts.append((rows[near], others[near], alike[near]))
    rows, others, alike = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rows, others, alike


def _search(path: Path) -> dict[str, object]:
    """The rows with a twin, and what it took to find them."""
    started, worked = time.perf_counter(), time.process_time()
    leaks = find_leaks(path, shape_of("classification"), SETTINGS, open_store())
    columns = leaks.columns(0, pq.read_metadata(path).num_rows)
    twins = zip(columns["equal_text"], columns["near_duplicate"], strict=True)
    rows = [row for row, marks in enumerate(twins) if any(marks)]
    return {
        "wall_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - worked,
        "peak_mb": peak_memory_mb(),
        "counts": f"{leaks.record.near_across:,} near-duplicates across splits, "
        f"{leaks.record.near_within:,} within",
        "rows": rows,
    }


if __name__ == "__main__":
    print(json.dumps(_search(Path(sys.argv[1]))))
