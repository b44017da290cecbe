"""Another trained model, such as the version in production, asked the candidate's test rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from infra.artifact_manifest import from_bytes
from infra.errors import AssaylineError, TrackingError
from infra.registered_artifacts import check_files, check_weights, read_manifest
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.comparison import Comparator
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.evaluation import Champion
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer, longest_text, vocabulary_digest


@dataclass(frozen=True)
class ScoringInputs:
    """What a comparator is asked, and how.

    Attributes:
        task_type: its name.
        rows: the test rows.
        labels: the candidate's label set.
        limits: how long the candidate reads and writes.
        candidate: folder of the candidate.
        settings: of the evaluation.

    """

    task_type: str
    rows: pa.Table
    labels: Sequence[str]
    limits: TokenLimits
    candidate: Path
    settings: EvaluationSettings


def fetch_champion(
    champion: Champion,
    folder: Path,
    store: ObjectStore,
    tracking: Tracking,
    comparator: str = "champion",
) -> Path | Comparator:
    """Download the champion, or the anchor, from the registry.

    A champion whose files are not those that were proven is no comparator: a weaker model in its
    place would let a candidate pass that is worse than production was.

    Returns:
        Its model as transformers saves it, below `folder`; or, where the registry has no such
        model, a comparator that says nothing, with the reason.

    Raises:
        IntegrityError: its files are not those of its manifest, or nothing shows what they were.
        TrackingError: MLflow does not answer. A result without the champion would be kept and
            reused when the server is back; a champion whose artifact is lost or foreign stays so.

    """
    try:
        artifact = tracking.download_artifact(champion.line, champion.version, folder)
        _check(champion, artifact, store)
        return tracking.model_of(artifact, champion.line, champion.version)
    except TrackingError as error:
        tracking.aliases(champion.line)  # raises if it is the server that fails
        return Comparator(comparator, reason=f"the {comparator} cannot be fetched: {error}")


def _check(champion: Champion, artifact: Path, store: ObjectStore) -> None:
    name = f"version {champion.version} of {champion.line}"
    if champion.manifest_sha256:
        check_files(name, artifact, from_bytes(read_manifest(champion.manifest_sha256, store)))
    else:  # an earlier release registered it, without a manifest
        weights = Artifact(champion.weights_uri, champion.weights_sha256, 0)
        check_weights(name, artifact, weights, store)


def run_champion(
    champion: Champion,
    asked: ScoringInputs,
    folder: Path | Comparator,
    comparator: str = "champion",
) -> Comparator:
    """What the champion, or the anchor, says of test rows; texts are cut as where it serves.

    A champion that cannot be compared is a comparator that says nothing, with the reason, so that
    every gate on it is undetermined. One with another tokenizer reads the texts with its own;
    metrics that count tokens are then not compared.

    Args:
        champion: the version.
        asked: the test rows, and what the candidate is.
        folder: the champion's model as transformers saves it, with the tokenizer; or what
            `fetch_champion` gave in its place.
        comparator: family of the estimates.

    """
    if isinstance(folder, Comparator):
        return folder
    name = champion.name
    try:
        known, ours = model_labels(folder), model_labels(asked.candidate)
        if set(known) != set(ours):
            reason = f"{name} knows the labels {sorted(known)}, the candidate {sorted(ours)}"
            return Comparator(comparator, reason=reason)
        examiner = examiner_of_version(asked, folder)
        answers = examiner.predict(folder, asked.rows)
        measured = examiner.measure(asked.rows, answers)
        same = vocabulary_digest(folder) == vocabulary_digest(asked.candidate)
    except (AssaylineError, OSError, ValueError, KeyError, RuntimeError) as error:
        return Comparator(comparator, reason=f"{name} cannot be asked: {error}")
    return Comparator(comparator, answers, measured, same_vocabulary=same)


def examiner_of_version(asked: ScoringInputs, folder: Path) -> AskedExaminer:
    """What asks a version, whose texts are cut as where it serves.

    Args:
        asked: of the candidate.
        folder: the version's model as transformers saves it.

    Raises:
        BaseModelError: its tokenizer or configuration cannot be read.

    """
    length = longest_text(folder, load_tokenizer(folder))
    limits = replace(asked.limits, max_length=length)
    return AskedExaminer(examiner_of(asked.task_type, asked.labels, limits), asked.settings)


def model_labels(folder: Path) -> tuple[str, ...]:
    """Label of each output, from the model's own configuration; none where it names none.

    Raises:
        OSError, ValueError: the configuration cannot be read.

    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return tuple(str(label) for label in config.get("id2label", {}).values())
