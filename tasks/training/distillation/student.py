"""A student that begins with some layers of its teacher, as DistilBERT does (Sanh et al. 2019)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.base_models import Fingerprint, kept_or_made, locate_pinned
from infra.code_digest import code_of
from infra.digests import as_json, digest_of
from infra.store import Artifact, ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.records.distillation import Teacher
from tasks.records.training import BaseModel
from tasks.task_types.scoring import load_model
from tasks.task_types.soft_labels import SOFT_LABELS
from tasks.task_types.tokenizers import load_tokenizer, save_tokenizer
from tasks.training.layer_stacks import keep_layers

logger = logging.getLogger(__name__)

# What asks for layers, and what would be right where there is no one stack of them.
ASKED: Final = ("distillation.student_layers", "name the student's base_model instead")


def take_layers(
    store: ObjectStore, teacher: Teacher, layers: Sequence[int], task_type: str
) -> BaseModel:
    """A base model of these layers of the teacher, with its embeddings, tokenizer and head.

    Its address is a digest of what it is made from; what stands there already is taken.

    Args:
        store: of the base model.
        teacher: whose layers they are.
        layers: counted from 0, rising.
        task_type: which tells the teacher's head.

    Raises:
        BaseModelError: the teacher's files changed, or it is no single stack of layers.
        StoreError: the store cannot be reached.

    """
    uri = store.uri("base-models", _key(teacher, layers, task_type))
    artifact, found = kept_or_made(
        store, uri, lambda: _write(store, uri, teacher, layers, task_type)
    )
    return BaseModel(artifact.uri, artifact.sha256, found.sha256, found.tokenizer_sha256)


def _key(teacher: Teacher, layers: Sequence[int], task_type: str) -> str:
    inputs = {
        "teacher": [teacher.model.sha256, teacher.model.tokenizer_sha256],
        "layers": list(layers),
        "task_type": task_type,
    }
    code = code_of(__name__, take_layers.__name__, as_json(inputs))
    return digest_of({**inputs, "code": code.digest})


def _write(
    store: ObjectStore, uri: str, teacher: Teacher, layers: Sequence[int], task_type: str
) -> Artifact:
    pinned = Fingerprint(teacher.model.sha256, teacher.model.tokenizer_sha256)
    folder = locate_pinned(teacher.model.reference, teacher.model.revision, pinned)
    with quiet_transformers(), TemporaryDirectory(prefix="assayline-student-") as scratch:
        model = load_model(folder, SOFT_LABELS.load(task_type).auto_class)
        keep_layers(model, layers, *ASKED)
        logger.info(
            "the student begins with layers %s of %s of %s", list(layers), teacher.layers,
            teacher.name,
        )  # fmt: skip
        made = Path(scratch) / "model"
        model.save_pretrained(made)
        save_tokenizer(load_tokenizer(folder), made, control_tokens=False)
        return store.put_folder(uri, made)
