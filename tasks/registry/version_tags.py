"""Tags and aliases of a registered version; versions that are registered have them for good."""

from collections.abc import Mapping
from typing import Final

from infra import model_registry

PREFIX: Final = "assayline."
CANDIDATE: Final = "candidate"
STAGING: Final = "staging"
MANIFEST_TAG: Final = model_registry.MANIFEST_TAG
ANSWERS_TAG: Final = "assayline.answers_sha256"
PRODUCTION: Final = "production"
PREVIOUS: Final = "previous"
# The address of the ledger entry that moved a version last.
ENTRY_TAG: Final = "assayline.ledger"
WEIGHTS_TAG: Final = "assayline.weights_sha256"
WEIGHTS_URI_TAG: Final = "assayline.weights_uri"
DATA_TAG: Final = "assayline.data_sha256"
DATA_URI_TAG: Final = "assayline.data_uri"
# Of the training rows that were made of others; versions without such rows have neither.
AUGMENTED_TAG: Final = "assayline.augmented_sha256"
AUGMENTED_URI_TAG: Final = "assayline.augmented_uri"
ROWS_AUGMENTED_TAG: Final = "assayline.rows_augmented"
TASK_TYPE_TAG: Final = "assayline.task_type"
BASE_MODEL_TAG: Final = "assayline.base_model"
# Of the base model, as its files state it or as it was accepted; not set where neither says one.
LICENCE_TAG: Final = "assayline.base_model_licence"
LABELS_TAG: Final = "assayline.labels"  # a JSON list; earlier releases wrote them one after another
# The metric that models of the line are compared in first, with its interval.
METRIC_TAG: Final = "assayline.leading_metric"
# Of the record of what the version was made of; see tasks.registry.provenance.
PROVENANCE_TAG: Final = "assayline.provenance_sha256"
SCRIPT_TAG: Final = "assayline.script_sha256"
# How the model was made smaller before it was judged; not set of one that is as it was trained.
COMPRESSION_TAG: Final = "assayline.compression"
# What is left of the model that it was cut out of; not set of one that is whole.
PRUNING_TAG: Final = "assayline.pruning"
# The score below which it answers `abstain`; not set of one that answers every row.
ABSTENTION_TAG: Final = "assayline.abstention_threshold"
# What the weights may tell of a training row; not set where nothing bounds that.
EPSILON_TAG: Final = "assayline.privacy_epsilon"
DELTA_TAG: Final = "assayline.privacy_delta"
# Of all that a version was made of, what people and scripts look up in MLflow.
LOOKED_UP: Final[tuple[str, ...]] = (
    BASE_MODEL_TAG,
    LICENCE_TAG,
    TASK_TYPE_TAG,
    METRIC_TAG,
    COMPRESSION_TAG,
    PRUNING_TAG,
    ABSTENTION_TAG,
    DATA_TAG,
    WEIGHTS_TAG,
    ROWS_AUGMENTED_TAG,
    EPSILON_TAG,
    DELTA_TAG,
)
# Digests of a version's tags that a ledger entry names as its evidence.
EVIDENCE_TAGS: Final = {
    "snapshot": "assayline.snapshot_sha256",
    "data": DATA_TAG,
    "augmented": AUGMENTED_TAG,
    "tokens": "assayline.tokens_sha256",
    "base_model": "assayline.base_model_sha256",
    "weights": WEIGHTS_TAG,
    "scores": "assayline.scores_sha256",
    "fairness": "assayline.fairness_sha256",
    "golden": "assayline.golden_sha256",
    "manifest": MANIFEST_TAG,
    "provenance": PROVENANCE_TAG,
    "answers": ANSWERS_TAG,
}
# Whether a person approved the version; not set while nobody was asked.
APPROVED_TAG: Final = "approved"
# The same as a deployment job of Databricks looks for it: a tag that is named as the job's approval
# task, Approval_Check in its template, with the value approved in any case.
APPROVAL_CHECK_TAG: Final = "Approval_Check"


def task_type_of(tags: Mapping[str, str]) -> str:
    """The task type of a version; those of before there were several do not say it."""
    return tags.get(TASK_TYPE_TAG, "classification")
