"""Tags and aliases of a registered version; versions that are registered have them for good."""

from typing import Final

from infra import model_registry

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
TASK_TYPE_TAG: Final = "assayline.task_type"
SCRIPT_TAG: Final = "assayline.script_sha256"
# Digests of a version's tags that a ledger entry names as its evidence.
EVIDENCE_TAGS: Final = {
    "snapshot": "assayline.snapshot_sha256",
    "data": DATA_TAG,
    "tokens": "assayline.tokens_sha256",
    "base_model": "assayline.base_model_sha256",
    "weights": WEIGHTS_TAG,
    "scores": "assayline.scores_sha256",
    "fairness": "assayline.fairness_sha256",
    "manifest": MANIFEST_TAG,
    "answers": ANSWERS_TAG,
}
