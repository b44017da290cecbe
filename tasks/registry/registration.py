"""From a proven candidate to a version in the registry."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from infra.digests import digest_of
from infra.errors import IntegrityError, SettingsError, TrackingError
from infra.model_format import write_pipeline_model
from infra.onnx_files import READERS
from infra.registered_artifacts import check_version, keep_manifest
from infra.script_format import MODEL_FOLDER, write_script_model
from infra.store import ObjectStore, sha256_of_file
from infra.tracking import Tracking
from tasks.records.augmentation import Augmentation
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores
from tasks.records.registry import Version
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.answers import evaluated_answers
from tasks.registry.proof import check_tags_as_registered
from tasks.registry.provenance import facts_of, keep_provenance
from tasks.registry.training_run import complete_run
from tasks.registry.version_tags import (
    ABSTENTION_TAG,
    AUGMENTED_TAG,
    AUGMENTED_URI_TAG,
    BASE_MODEL_TAG,
    CANDIDATE,
    COMPRESSION_TAG,
    DATA_URI_TAG,
    DELTA_TAG,
    EPSILON_TAG,
    EVIDENCE_TAGS,
    LABELS_TAG,
    LICENCE_TAG,
    LOOKED_UP,
    MANIFEST_TAG,
    METRIC_TAG,
    PREFIX,
    PROVENANCE_TAG,
    PRUNING_TAG,
    ROWS_AUGMENTED_TAG,
    SCRIPT_TAG,
    TASK_TYPE_TAG,
    WEIGHTS_TAG,
    WEIGHTS_URI_TAG,
)
from tasks.task_types.limits import TokenLimits
from tasks.task_types.requests import example_requests
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape
from tasks.task_types.server import COMPRESSED_SCRIPT, NETWORK_MODULE, Server, server_of

# Answers that a version's signature is read off.
SIGNATURE_ROWS: Final = 64
README: Final = "README.md"
# Tells versions with a manifest from those of before, which are not registered once more.
FORM: Final = "with a manifest"


def register_version(
    line: str,
    snapshot: Snapshot,
    data: DataReport,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
    fairness: Fairness,
    task_type: str,
    *,
    store: ObjectStore,
    tracking: Tracking,
    readme: str = "",
    golden: GoldenScores | None = None,
    augmentation: Augmentation | None = None,
) -> Version:
    """Register the weights with their evidence under the alias ``candidate``.

    ``readme`` is the model card that goes into the model's own folder, where it is one of the files
    that the manifest lists. The same weights with the same evidence are registered once: the
    version carries the digest of all that it was made of, and is looked for by it first; what the
    registry holds is then read back. The training's MLflow run is completed.

    Raises:
        IntegrityError: the registry holds other files than were uploaded, or says that the version
            was made of something else.
        BaseModelError: the weights would run code when they are loaded.
        TrackingError, StoreError: a server or an artifact is missing.

    """
    server = server_of(task_type)
    scripts = _scripts_of(server, task_type, weights)
    script = _digest_of_scripts(scripts)
    made_of = (
        line, snapshot, data, tokens, base, weights, scores, fairness, task_type, script, FORM,
    )  # fmt: skip
    # A line without golden sets, or without new rows, keeps the key of the versions that it has.
    key = digest_of([*made_of, *(one for one in (golden, augmentation) if one)])
    facts = script | _facts(snapshot, data, tokens, base, weights, scores, fairness, task_type)
    facts |= {EVIDENCE_TAGS["golden"]: digest_of(golden)} if golden else {}
    facts |= _augmented(augmentation) if augmentation else {}
    facts |= _planted(scores)
    facts |= _mitigated(tokens, weights)
    number = tracking.find_version(line, key)
    if number is None:
        provenance = keep_provenance(facts, store)
        tags = {PROVENANCE_TAG: provenance}
        tags |= {name: facts[name] for name in LOOKED_UP if name in facts}
        with tempfile.TemporaryDirectory(prefix="assayline-register-") as name:
            folder = _write(
                line, scripts, server, shape_of(task_type), weights, scores, Path(name), store
            )
            if readme:
                (model_folder(folder) / README).write_text(readme, encoding="utf-8")
            keep = partial(keep_manifest, store=store)
            number = tracking.register_model(line, key, weights.run_id, folder, tags, keep)
        manifest = tracking.version_tags(line, number)[MANIFEST_TAG]
    else:
        held = tracking.version_tags(line, number)
        manifest, provenance = held.get(MANIFEST_TAG, ""), held.get(PROVENANCE_TAG, "")
        check_version(line, number, manifest, store, tracking)
        _check_made_of(f"version {number} of {line}", facts, held, store)
    tracking.set_alias(line, CANDIDATE, number)
    complete_run(line, number, data, weights, scores, tracking, golden)
    return Version(
        line=line,
        version=number,
        weights_sha256=weights.artifact.sha256,
        manifest_sha256=manifest,
        run_id=weights.run_id,
        url=tracking.version_url(line, number),
        provenance_sha256=provenance,
    )


def _scripts_of(server: Server, task_type: str, weights: Weights) -> tuple[Path, ...]:
    """The files of code of a version: the one that MLflow runs, and those that it loads.

    Raises:
        SettingsError: nothing answers for a compressed model of this task type.

    """
    if not weights.compression:
        # A pipeline of transformers answers every row.
        script = server.for_compressed if weights.abstention else server.script
        return (script,) if script else ()
    if server.for_compressed is None:
        raise SettingsError(
            f"compression: a compressed model of task type {task_type} cannot be served, since "
            "its server names no script; leave compression out"
        )
    return (COMPRESSED_SCRIPT, server.for_compressed, NETWORK_MODULE)


def _digest_of_scripts(scripts: Sequence[Path]) -> dict[str, str]:
    """The tag of the script, or of all of them; none where there is none."""
    digests = [sha256_of_file(path) for path in scripts]
    if not digests:
        return {}
    return {SCRIPT_TAG: digests[0] if len(digests) == 1 else digest_of(digests)}


def _write(
    line: str,
    scripts: Sequence[Path],
    server: Server,
    shape: RowShape,
    weights: Weights,
    scores: Scores,
    work: Path,
    store: ObjectStore,
) -> Path:
    checkpoint = store.get_folder(weights.artifact, work / "checkpoint")
    examples = example_requests(shape)
    if scripts:
        write_script_model(
            checkpoint,
            work / "mlflow",
            script=scripts[0],
            beside=dict(zip(("script", "network"), scripts[1:], strict=False)),
            libraries=READERS if weights.compression else (),
            settings=asdict(TokenLimits.of(weights)),
            inputs={column.name: column.kind for column in shape.inputs},
            examples=examples,
            answers=list(evaluated_answers(scores, SIGNATURE_ROWS, store).values()),
        )
    else:
        (column,) = shape.inputs
        write_pipeline_model(
            checkpoint,
            work / "mlflow",
            line=line,
            pipeline=server.pipeline or "",
            max_length=weights.max_length,
            examples=[str(example[column.name]) for example in examples],
        )
    return work / "mlflow"


def model_folder(folder: Path) -> Path:
    """The folder of a written MLflow model that transformers loads, with the tokenizer in it."""
    pipeline = folder / "model"
    return pipeline if pipeline.is_dir() else folder / MODEL_FOLDER


def check_registered(version: Version, tracking: Tracking) -> None:
    """Make sure that the registry still holds a version that an earlier run may have registered.

    Raises:
        IntegrityError: the version's tags name another manifest, or other provenance, than it was
            registered with.
        TrackingError: it does not, or holds another model under this number.

    """
    held = version.version in tracking.versions(version.line)
    tags = tracking.version_tags(version.line, version.version) if held else {}
    if tags.get(WEIGHTS_TAG) != version.weights_sha256:
        raise TrackingError(
            f"version {version.version} of {version.line} was registered by an earlier run, and "
            f"the registry at {tracking.url} no longer holds it; restore the registry, or delete "
            "Prefect's results together with it, so that the stages run anew"
        )
    check_tags_as_registered(version, tags)


def _facts(
    snapshot: Snapshot,
    data: DataReport,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
    fairness: Fairness,
    task_type: str,
) -> dict[str, str]:
    digests = {
        "snapshot": snapshot.artifact.sha256,
        "data": data.clean.sha256,
        "tokens": tokens.artifact.sha256,
        "base_model": base.sha256,
        "weights": weights.artifact.sha256,
        "scores": scores.artifact.sha256,
        "fairness": digest_of(fairness),
    }
    return {EVIDENCE_TAGS[name]: digest for name, digest in digests.items()} | {
        BASE_MODEL_TAG: base.reference,
        TASK_TYPE_TAG: task_type,
        **({LICENCE_TAG: base.licence} if base.licence else {}),
        **_leading_metric(scores, task_type),
        **({LABELS_TAG: json.dumps(weights.labels)} if weights.labels else {}),
        **{
            f"{PREFIX}{name}": str(tokens)
            for name, tokens in asdict(TokenLimits.of(weights)).items()
        },
        **_teacher(scores),
        **_privacy(weights),
        **({COMPRESSION_TAG: weights.compression.method} if weights.compression else {}),
        **({PRUNING_TAG: weights.pruning.in_words} if weights.pruning else {}),
        **_abstention(weights),
        WEIGHTS_URI_TAG: weights.artifact.uri,
        DATA_URI_TAG: data.clean.uri,
        "assayline.quarantine_uri": data.quarantine.uri,
        "assayline.rows_read": str(snapshot.rows_read),
        "assayline.rows_clean": str(sum(data.rows_by_split.values())),
        "assayline.rows_quarantined": str(data.rows_quarantined),
        "assayline.quarantined_by_reason": ", ".join(
            f"{reason} {rows}" for reason, rows in data.quarantined_by_reason.items()
        )
        or "none",
    }


def _augmented(augmentation: Augmentation) -> dict[str, str]:
    """The new rows that were learned from, and of how many they were made."""
    return {
        AUGMENTED_TAG: augmentation.artifact.sha256,
        AUGMENTED_URI_TAG: augmentation.artifact.uri,
        ROWS_AUGMENTED_TAG: str(augmentation.rows),
        "assayline.rows_augmented_from": str(augmentation.parents),
        "assayline.augmentation": ", ".join(
            f"{one.method} {one.made}" for one in augmentation.methods
        ),
        **({"assayline.translators": augmentation.translators} if augmentation.translators else {}),
    }


def _mitigated(tokens: Tokens, weights: Weights) -> dict[str, str]:
    """For which groups what was done; nothing of most lines."""
    if removed := weights.removal:
        return {
            "assayline.inlp": removed.attribute,
            "assayline.directions_removed": str(removed.directions),
        }
    if grouped := tokens.group_dro:
        return {
            "assayline.group_dro": grouped.attribute,
            "assayline.rows_weighed": str(grouped.rows_of_groups),
        }
    if tokens.reweighing is None:
        return {}
    return {
        "assayline.reweighing": tokens.reweighing.attribute,
        "assayline.rows_weighed": str(tokens.reweighing.rows_of_groups),
    }


def _planted(scores: Scores) -> dict[str, str]:
    """Canaries that the weights have learned; nothing of most lines."""
    canaries = scores.memory.canaries if scores.memory else None
    if canaries is None:
        return {}
    planted = canaries.planted
    return {
        "assayline.planted_canaries": f"{planted.count} canaries, {planted.repeats} times each",
        "assayline.planted_canaries_sha256": planted.artifact.sha256,
        "assayline.planted_canaries_uri": planted.artifact.uri,
    }


def _teacher(scores: Scores) -> dict[str, str]:
    """Whom the model learned from beside the labels, in words; nothing where from them alone."""
    names = [one.name for one in scores.versions if one.comparator == "teacher" and one.name]
    return {"assayline.teacher": names[0]} if names else {}


def _privacy(weights: Weights) -> dict[str, str]:
    """What the weights may tell of a training row; nothing where nothing bounds that."""
    if weights.privacy is None:
        return {}
    spent = weights.privacy
    return {
        EPSILON_TAG: f"{spent.epsilon:.4g}",
        DELTA_TAG: f"{spent.delta:.4g}",
    }


def _abstention(weights: Weights) -> dict[str, str]:
    """The score below which the model gives no label; nothing where it answers every row."""
    if weights.abstention is None:
        return {}
    return {ABSTENTION_TAG: f"{weights.abstention.threshold:.6g}"}


def _check_made_of(
    version: str, facts: Mapping[str, str], tags: Mapping[str, str], store: ObjectStore
) -> None:
    """Hold tags and record of a version that was found against what it was made of by its key.

    The record that its tag names becomes part of a signed result: the tag's word is not enough.

    Raises:
        IntegrityError: a digest is another one, or none.

    """
    held = facts_of(version, tags, store)
    for name, tag in EVIDENCE_TAGS.items():
        if tag in facts and held.get(tag) != facts[tag]:
            raise IntegrityError(
                f"{version} was made of the {name} {facts[tag]}, and its tags with its record "
                f"({PROVENANCE_TAG}) name {held.get(tag, 'none')}: somebody changed one of them; "
                "set it back once it is clear who did"
            )


def _leading_metric(scores: Scores, task_type: str) -> dict[str, str]:
    """The metric that models of a task type are compared in first; none where none was measured."""
    wanted = f"quality.{shape_of(task_type).leading}"
    for found in scores.estimates:
        if found.name == wanted and found.value is not None:
            metric = f"{wanted.partition('.')[2]} {found.value:.4g}"
            if found.low is None or found.high is None:
                return {METRIC_TAG: metric}
            return {METRIC_TAG: f"{metric} [{found.low:.4g}, {found.high:.4g}]"}
    return {}
