"""The registered artifact, served in a process of its own, against what was evaluated."""

import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Final

from infra.errors import PromotionError, SettingsError
from infra.registered_artifacts import read_manifest
from infra.serving import Answer, ServedModel, served
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.registry import Staged, Version
from tasks.records.training import Weights
from tasks.registry.answers import (
    Expected,
    KeptAnswers,
    held_out_rows,
    is_same,
    keep_answers,
    kept_answers,
)
from tasks.registry.latency import latency_p95
from tasks.registry.proof import Proof
from tasks.registry.settings import SAME_PREDICTIONS, StagingSettings
from tasks.registry.version_tags import ANSWERS_TAG, STAGING, task_type_of
from tasks.task_types.requests import Request, probe_requests
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape
from tasks.verdicts import Estimate, exact

BYTES_OF_MB: Final = 1_000_000
LATENCY: Final = "staging.latency_p95_ms"
PROBE_START_TIMEOUT_S: Final = 180.0
PROBE_TIMEOUT_S: Final = 60.0
SHOWN_CHARS: Final = 80


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

    Its files are those of its manifest, or it is not loaded. What it answers is kept: a rollback
    onto it asks for the same again. The alias ``staging`` is set if every row's prediction is the
    evaluated one.

    Raises:
        PromotionError: the version is not that of its manifest, does not load, does not serve, or
            dies. That is raised rather than recorded, since a record is kept for good, and a
            machine that was short of memory for a minute must not refuse a candidate for good.

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
        read_manifest(version.manifest_sha256, store),
        start_timeout_s=settings.start_timeout_s,
        request_timeout_s=settings.request_timeout_s,
    ) as model:
        answers = served_answers(model, expected)
        same = same_predictions(answers, expected, settings.score_tolerance)
        staged = Staged(
            version.version,
            (same, *_measure(model, expected, settings)),
            model.requirements,
            keep_answers(expected, answers, settings.score_tolerance, store),
        )
    tracking.set_tags(version.line, version.version, {ANSWERS_TAG: staged.answers_sha256})
    if same.value == 1.0:
        tracking.set_alias(version.line, STAGING, version.version)
    return staged


def served_answers(model: ServedModel, rows: Sequence[Expected]) -> list[Answer | None]:
    """What a model answers to each row by itself; None where that is no proper answer."""
    answers = (model.predict([row.request]) for row in rows)
    return [None if answer is None else answer[0] for answer in answers]


def same_predictions(
    answers: Sequence[Answer | None], expected: Sequence[Expected], tolerance: float
) -> Estimate:
    """Share of rows whose served answer is the evaluated one, numbers to the tolerance.

    A row that the model gives no proper answer for is not the same.
    """
    same = sum(
        answer is not None and is_same(answer, row.answer, tolerance)
        for answer, row in zip(answers, expected, strict=True)
    )
    return exact(SAME_PREDICTIONS, same / len(expected), len(expected))


def _measure(
    model: ServedModel, expected: Sequence[Expected], settings: StagingSettings
) -> tuple[Estimate, ...]:
    requests = cycle(row.request for row in expected)
    for request in islice(requests, settings.warm_up_requests):
        model.predict([request])
    times_ms = []
    for request in islice(requests, settings.latency_requests):
        began = time.perf_counter()
        model.predict([request])
        times_ms.append((time.perf_counter() - began) * 1000)
    return (
        latency_p95(LATENCY, times_ms),
        exact("staging.size_mb", model.size_bytes / BYTES_OF_MB, 1),
        exact("staging.load_s", model.load_s, 1),
        exact("staging.memory_mb", model.memory_bytes / BYTES_OF_MB, 1),
    )


def load_test(
    line: str, version: int, proof: Proof, *, store: ObjectStore, tracking: Tracking
) -> None:
    """Serve a version in a process of its own, and have it answer as it did when it was staged.

    One that never was staged is asked a few requests of its task type.

    Raises:
        IntegrityError: what it is held against was changed.
        PromotionError: it is not that of its manifest, does not load, does not serve, an answer is
            not of the form that its signature says, or it answers otherwise than it did.

    """
    name = tracking.model_uri(line, version)
    shape = _shape_of(name, tracking.version_tags(line, version))
    kept = kept_answers(proof.answers_sha256, store) if proof.answers_sha256 else None
    with served(
        tracking.url,
        name,
        read_manifest(proof.manifest_sha256, store),
        start_timeout_s=PROBE_START_TIMEOUT_S,
        request_timeout_s=PROBE_TIMEOUT_S,
    ) as model:
        check_answers(model, probe_requests(shape))
        if kept:
            check_kept_answers(model, kept)


def check_kept_answers(model: ServedModel, kept: KeptAnswers) -> None:
    """Have a model answer what it answered when it was staged.

    Raises:
        PromotionError: it answers otherwise; the first such answer is named.

    """
    answers = served_answers(model, kept.rows)
    pairs = zip(answers, kept.rows, strict=True)
    others = [pair for pair in pairs if not is_same(pair[0], pair[1].answer, kept.tolerance)]
    if others:
        now, row = others[0]
        raise PromotionError(
            f"{model.name} answers {len(others)} of {len(kept.rows)} rows otherwise than when it "
            f"was staged: {_shown(now)}, and it was {_shown(row.answer)}. Its files are the same, "
            "so it is the libraries or the machine that differ. Nothing was moved; serve it with "
            "its requirements.txt, or choose another version"
        )


def check_answers(model: ServedModel, requests: Sequence[Request]) -> None:
    """Have a model answer requests one by one.

    Raises:
        PromotionError: an answer does not hold what the model's signature names.

    """
    keys = model.answer_keys
    for request in requests:
        answer = model.predict([request])
        if answer is None or not keys or answer[0].keys() != keys:
            raise PromotionError(
                f"{model.name} answers {_shown(answer)} to the request {_shown(request)}; right "
                f"would be one answer with {sorted(keys) or 'what its signature names'}. "
                "Nothing was moved; choose another version"
            )


def _shape_of(name: str, tags: Mapping[str, str]) -> RowShape:
    try:
        return shape_of(task_type_of(tags))
    except SettingsError as error:
        raise PromotionError(f"{name} cannot be tried: {error}; nothing was moved") from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]} ..."
