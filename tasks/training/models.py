"""What a training begins with: its rows, and the base model as the settings let it learn."""

from typing import Any

from infra.errors import TrainingError
from tasks.task_types.examples import Vocabulary
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.training.batching import TokenizedRows
from tasks.training.jobs import Job, WorkingFolder
from tasks.training.methods import prepare


def read_rows(job: Job, place: WorkingFolder) -> tuple[TokenizedRows, TokenizedRows]:
    """The training and the validation split."""
    train, validation = (
        TokenizedRows(
            place.tokens / f"{split}.arrow",
            job.settings.seed,
            sorted(place.lesson.glob(f"{split}-*.arrow")) if job.lesson else [],
            job.rounds if split == "train" else 1,
        )
        for split in ("train", "validation")
    )
    for split, rows in (("train", train), ("validation", validation)):
        if not len(rows):
            raise TrainingError(
                f"the {split} split has no rows; raise splits.{split}, or bring more data"
            )
        longest = int(rows.lengths.max())
        if longest > job.settings.tokens_per_pass:
            raise TrainingError(
                f"training.tokens_per_pass is {job.settings.tokens_per_pass}, and the longest row "
                f"of the {split} split has {longest} tokens; set it to at least that, or lower "
                "tokenization.max_length"
            )
    return train, validation


def new_model(job: Job) -> Any:
    """The base model with its head, learning as the settings say."""
    model = job.learner.load_model(job.base_folder)
    model.config.pad_token_id = vocabulary_of_base(job, model).pad_id
    return prepare(model, job.settings)


def vocabulary_of_base(job: Job, model: Any) -> Vocabulary:
    """What a collation needs to know of the base model's tokenizer."""
    return vocabulary_of(load_tokenizer(job.base_folder), model.config)
