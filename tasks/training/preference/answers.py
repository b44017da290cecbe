"""A reference model's answers to all examples: asked once, and kept (`asked_examples`)."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.base_models import Fingerprint, locate_pinned
from infra.code_digest import code_of
from infra.device import deterministic_algorithms
from infra.digests import as_json, digest_of
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.records.lesson import Reference
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.reference_answers import REFERENCE_ANSWERS
from tasks.training.asked_examples import AskedModel, keep_answers

logger = logging.getLogger(__name__)
# What training reads; of test rows, evaluation asks for whole distributions, which are not kept.
SPLITS: Final = ("train", "validation")


def write_reference(
    store: ObjectStore, tokens: Tokens, reference: BaseModel, task_type: str
) -> Reference:
    """Ask a reference model about every training and validation example, without dropout.

    Args:
        store: of the tokens and of what is kept.
        tokens: the examples, as the model that is trained reads them.
        reference: whom to ask.
        task_type: of both.

    Raises:
        BaseModelError: the reference's files changed, or cannot be loaded.
        TrainingError: it says what is no number.
        StoreError: the store cannot be reached.

    """
    learner = learner_of(task_type, tokens.labels, TokenLimits.of(tokens))
    pinned = Fingerprint(reference.sha256, reference.tokenizer_sha256)
    folder = locate_pinned(reference.reference, reference.revision, pinned)
    keeper = REFERENCE_ANSWERS.load(task_type)()
    asked = AskedModel(folder, ("reference", "training.preference.reference"), learner, keeper)
    place = store.uri("reference-answers", _key(tokens, reference, task_type))
    with (
        TemporaryDirectory(prefix="assayline-reference-") as scratch,
        quiet_transformers(),
        deterministic_algorithms(),
    ):
        local = store.get_folder(tokens.artifact, Path(scratch) / "tokens")
        train, validation = (keep_answers(store, place, local, one, asked) for one in SPLITS)
    rows = sum(tokens.rows_by_split[split] for split in SPLITS)
    logger.info("%s: the reference was asked about %s examples", task_type, f"{rows:,}")
    return Reference(reference, train, validation, rows)


def _key(tokens: Tokens, reference: BaseModel, task_type: str) -> str:
    inputs = {
        "tokens": tokens.artifact.sha256,
        "reference": [reference.sha256, reference.tokenizer_sha256],
        "task_type": task_type,
    }
    code = code_of(__name__, write_reference.__name__, as_json(inputs))
    return digest_of({**inputs, "code": code.digest})
