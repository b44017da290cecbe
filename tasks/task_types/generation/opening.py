"""A trained model's folder as a writer; the search itself is reached by training too."""

from pathlib import Path

from infra.transformers_logs import quiet_transformers
from tasks.task_types.generation.beam_search import BeamWriter
from tasks.task_types.scoring import load_model
from tasks.task_types.tokenizers import load_tokenizer


def open_writer(folder: Path, max_length: int, max_target_length: int) -> BeamWriter:
    """The model of a folder, ready to write.

    Raises:
        BaseModelError: the folder holds no such model.

    """
    with quiet_transformers():
        tokenizer, model = load_tokenizer(folder), load_model(folder, "AutoModelForSeq2SeqLM")
    return BeamWriter(model, tokenizer, max_length, max_target_length)
