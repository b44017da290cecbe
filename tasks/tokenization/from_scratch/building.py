"""Builds a line's own base model, and puts it into the store."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.base_models import Fingerprint, kept_or_made, locate_pinned
from infra.code_digest import code_of
from infra.digests import as_json, digest_of
from infra.errors import BaseModelError, DataError
from infra.store import Artifact, ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import Kind, RowShape
from tasks.task_types.tokenizers import load_tokenizer, save_tokenizer
from tasks.tokenization.from_scratch.architectures.architecture import architecture_of
from tasks.tokenization.from_scratch.new_model import new_model
from tasks.tokenization.from_scratch.new_tokenizer import train_tokenizer
from tasks.tokenization.settings import ScratchSettings

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 8192
READ_KINDS: frozenset[Kind] = frozenset({"text", "texts", "turns"})


def build(store: ObjectStore, data: DataReport, settings: ScratchSettings) -> BaseModel:
    """A base model with random weights, and a tokenizer that has seen the training split alone.

    Its address is a digest of what it is made from. What stands there already is taken, so that
    the same rows and settings are the same base model even with a tokenizer of the kind unigram,
    whose training in the tokenizers library gives slightly other numbers each time.

    Raises:
        DataError: there are no training texts, or the clean rows cannot be read.
        SettingsError: the vocabulary is too small for the texts.
        StoreError: the store cannot be reached.

    """
    uri = store.uri("base-models", _key(data, settings))
    return _base_model(store, uri, lambda: _write(store, uri, data, settings))


def build_student(store: ObjectStore, teacher: BaseModel, settings: ScratchSettings) -> BaseModel:
    """A base model with random weights that reads by the tokenizer of its teacher.

    Raises:
        BaseModelError: the teacher's files changed, or its tokenizer lacks what the architecture
            needs.
        StoreError: the store cannot be reached.

    """
    inputs = {"tokenizer": teacher.tokenizer_sha256, "settings": settings}
    code = code_of(__name__, build_student.__name__, as_json(inputs))
    uri = store.uri("base-models", digest_of({**inputs, "code": code.digest}))
    return _base_model(store, uri, lambda: _write_student(store, uri, teacher, settings))


def _write_student(
    store: ObjectStore, uri: str, teacher: BaseModel, settings: ScratchSettings
) -> Artifact:
    pinned = Fingerprint(teacher.sha256, teacher.tokenizer_sha256)
    with quiet_transformers(), TemporaryDirectory(prefix="assayline-student-") as scratch:
        tokenizer = load_tokenizer(locate_pinned(teacher.reference, teacher.revision, pinned))
        needed = dict.fromkeys(architecture_of(settings).decoder_start.values())
        if lacking := [one for one in needed if getattr(tokenizer, f"{one}_token_id") is None]:
            raise BaseModelError(
                f"base_model.scratch.architecture is {settings.architecture}, whose decoder needs "
                f"the token {' and '.join(lacking)}, and the teacher's tokenizer has none; choose "
                "the architecture of the teacher"
            )
        model = new_model(tokenizer, settings)
        logger.info(
            "the student is a %s of %s parameters with its teacher's %s tokens",
            settings.architecture, f"{model.num_parameters():,}", f"{len(tokenizer):,}",
        )  # fmt: skip
        folder = Path(scratch) / "model"
        model.save_pretrained(folder)
        tokenizer.model_max_length = min(tokenizer.model_max_length, settings.max_positions)
        save_tokenizer(tokenizer, folder, control_tokens=False)
        return store.put_folder(uri, folder)


def _base_model(store: ObjectStore, uri: str, make: Callable[[], Artifact]) -> BaseModel:
    artifact, found = kept_or_made(store, uri, make)
    return BaseModel(artifact.uri, artifact.sha256, found.sha256, found.tokenizer_sha256)


def _key(data: DataReport, settings: ScratchSettings) -> str:
    inputs = {"clean": data.clean.sha256, "task_type": data.task_type, "settings": settings}
    code = code_of(__name__, build.__name__, as_json(inputs))
    return digest_of({**inputs, "code": code.digest})


def _write(store: ObjectStore, uri: str, data: DataReport, settings: ScratchSettings) -> Artifact:
    with quiet_transformers(), TemporaryDirectory(prefix="assayline-base-model-") as scratch:
        clean = store.get_file(data.clean, Path(scratch) / "clean.parquet")
        shape = shape_of(data.task_type)
        if next(training_texts(clean, shape), None) is None:
            raise DataError(
                "the train split has no texts that a tokenizer could be trained on; raise "
                "splits.train, or bring more data"
            )
        tokenizer = train_tokenizer(lambda: training_texts(clean, shape), settings)
        model = new_model(tokenizer, settings)
        logger.info(
            "base model of the architecture %s with %s parameters and %s tokens",
            settings.architecture, f"{model.num_parameters():,}", f"{len(tokenizer):,}",
        )  # fmt: skip
        folder = Path(scratch) / "model"
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return store.put_folder(uri, folder)


def training_texts(clean: Path, shape: RowShape) -> Iterator[str]:
    """Every text of the training rows, what the model reads and what it shall write.

    Args:
        clean: Parquet file with the columns of the shape, and split.
        shape: of the task type.

    Raises:
        DataError: the file cannot be read.

    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = [column for column in shape.columns if column.kind in READ_KINDS]
    try:
        with pq.ParquetFile(clean, pre_buffer=False) as file:
            names = [column.name for column in columns]
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=["split", *names]):
                rows = pa.Table.from_batches([batch])
                rows = rows.filter(pc.equal(rows["split"], "train"))
                for column in columns:
                    for value in rows[column.name].to_pylist():
                        yield from _texts_in(value, column.kind)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the clean rows cannot be read: {error}") from error


def _texts_in(value: object, kind: Kind) -> Iterator[str]:
    """The texts of one value: a text, the words of a sentence, or the turns of a conversation."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and kind == "texts":
        yield " ".join(value)
    elif isinstance(value, list):
        yield from (turn["content"] for turn in value if turn["content"])
