"""The registered artifact, served in a process of its own, against what was evaluated."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from infra.errors import PromotionError
from infra.serving import Prediction, ServedModel, served
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records import DataReport, Scores, Staged, Version, Weights
from tasks.registry.latency import latency_p95
from tasks.registry.settings import SAME_PREDICTIONS, StagingSettings
from tasks.verdicts import Estimate, exact

STAGING: Final = "staging"
BYTES_OF_MB: Final = 1_000_000
LATENCY: Final = "staging.latency_p95_ms"
# Texts that any text classifier must answer: short, empty, long, a number, another script.
PROBES: Final = ("a few words", "", "a long text " * 500, "2024", "一个句子")
PROBE_START_TIMEOUT_S: Final = 180.0
PROBE_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Expected:
    """A held-out row and what the evaluation found for it."""

    text: str
    label: str
    score: float


def stage_version(
    version: Version,
    weights: Weights,
    data: DataReport,
    scores: Scores,
    settings: StagingSettings,
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> Staged:
    """Serve the version from the registry, and compare it with the evaluation row by row.

    The alias ``staging`` is set if every row's prediction is the evaluated one.

    Raises:
        PromotionError: the version does not load, does not serve, or dies. That is raised rather
            than recorded, since a record is kept for good, and a machine that was short of memory
            for a minute must not refuse a candidate for good.

    """
    if version.weights_sha256 != weights.artifact.sha256:
        raise PromotionError(
            f"version {version.version} of {version.line} was made of the weights "
            f"{version.weights_sha256}, not of {weights.artifact.sha256}; register these first"
        )
    expected = held_out_rows(data, scores, settings.rows, store)
    with served(
        tracking.url,
        tracking.model_uri(version.line, version.version),
        start_timeout_s=settings.start_timeout_s,
        request_timeout_s=settings.request_timeout_s,
    ) as model:
        same = same_predictions(model, expected, settings.score_tolerance)
        staged = Staged(
            version.version, (same, *_measure(model, expected, settings)), model.requirements
        )
    if same.value == 1.0:
        tracking.set_alias(version.line, STAGING, version.version)
    return staged


def held_out_rows(
    data: DataReport, scores: Scores, rows: int, store: ObjectStore
) -> list[Expected]:
    """The first rows in the order of their ids, which are digests, so that the choice is fixed.

    Raises:
        PromotionError: a scored row is not among the clean rows, or there is none.

    """
    with tempfile.TemporaryDirectory(prefix="assayline-staging-") as name:
        clean = store.get_file(data.clean, Path(name) / "clean.parquet")
        scored = store.get_file(scores.artifact, Path(name) / "scores.parquet")
        texts = pq.read_table(clean, columns=["row_id", "text"]).to_pydict()
        found = pq.read_table(scored, columns=["row_id", "predicted", "probabilities"]).to_pydict()
    text_of = dict(zip(texts["row_id"], texts["text"], strict=True))
    said = zip(found["predicted"], found["probabilities"], strict=True)
    by_id = dict(zip(found["row_id"], said, strict=True))
    chosen = sorted(by_id)[:rows]
    if not chosen or not set(chosen) <= set(text_of):
        raise PromotionError(
            f"{scores.artifact.uri} has {len(by_id)} scored rows, and not all are among the clean "
            f"rows {data.clean.uri}; evaluate again on this data"
        )
    return [
        Expected(text_of[row], scores.labels[predicted], float(probabilities[predicted]))
        for row, (predicted, probabilities) in ((row, by_id[row]) for row in chosen)
    ]


def same_predictions(
    model: ServedModel, expected: Sequence[Expected], tolerance: float
) -> Estimate:
    """Share of rows whose served label is the evaluated one and whose score is that near to it.

    A row that the model gives no proper answer for is not the same.
    """
    answers = (model.predict([row.text]) for row in expected)
    same = sum(
        answer is not None and _is_same(answer[0], row, tolerance)
        for answer, row in zip(answers, expected, strict=True)
    )
    return exact(SAME_PREDICTIONS, same / len(expected), len(expected))


def _is_same(served_row: Prediction, row: Expected, tolerance: float) -> bool:
    return served_row.label == row.label and abs(served_row.score - row.score) <= tolerance


def _measure(
    model: ServedModel, expected: Sequence[Expected], settings: StagingSettings
) -> tuple[Estimate, ...]:
    texts = cycle(row.text for row in expected)
    for text in islice(texts, settings.warm_up_requests):
        model.predict([text])
    times_ms = []
    for text in islice(texts, settings.latency_requests):
        began = time.perf_counter()
        model.predict([text])
        times_ms.append((time.perf_counter() - began) * 1000)
    return (
        latency_p95(LATENCY, times_ms),
        exact("staging.size_mb", model.size_bytes / BYTES_OF_MB, 1),
        exact("staging.load_s", model.load_s, 1),
        exact("staging.memory_mb", model.memory_bytes / BYTES_OF_MB, 1),
    )


def load_test(line: str, version: int, tracking: Tracking) -> None:
    """Serve a version in a process of its own and have it answer a few texts.

    Raises:
        PromotionError: it does not load, does not serve, or an answer is no prediction.

    """
    name = tracking.model_uri(line, version)
    with served(
        tracking.url,
        name,
        start_timeout_s=PROBE_START_TIMEOUT_S,
        request_timeout_s=PROBE_TIMEOUT_S,
    ) as model:
        for text in PROBES:
            answer = model.predict([text])
            if answer is None or not answer[0].label or not 0 <= answer[0].score <= 1:
                raise PromotionError(
                    f"{name} answers {answer} to the text {text[:20]!r}; right would be one label "
                    "and its probability. Nothing was moved; choose another version"
                )
