"""The row shape of each task type, by its name."""

from typing import Final

from infra.catalogue import Catalogue
from tasks.task_types.rows import RowShape

ROW_SHAPES: Final[Catalogue[RowShape]] = Catalogue(
    chosen_by="task_type",
    group="assayline.task_types",
    part="row_shape",
    entries={
        "classification": "tasks.task_types.labels.classification.rows:SHAPE",
        "multi_label": "tasks.task_types.labels.multi_label.rows:SHAPE",
        "regression": "tasks.task_types.labels.regression.rows:SHAPE",
        "tagging": "tasks.task_types.tags.tagging.rows:SHAPE",
        "question_answering": "tasks.task_types.questions.question_answering.rows:SHAPE",
        "relation_extraction": "tasks.task_types.relations.rows:SHAPE",
        "translation": "tasks.task_types.generation.translation.rows:SHAPE",
        "summarisation": "tasks.task_types.generation.summarisation.rows:SHAPE",
        "sentence_embedding": "tasks.task_types.embeddings.sentence_embedding.rows:SHAPE",
        "chat": "tasks.task_types.language_models.chat.rows:SHAPE",
        "preference": "tasks.task_types.language_models.preference.rows:SHAPE",
        "causal_lm": "tasks.task_types.language_models.causal_lm.rows:SHAPE",
        "masked_lm": "tasks.task_types.language_models.masked_lm.rows:SHAPE",
        "next_sentence": "tasks.task_types.language_models.next_sentence.rows:SHAPE",
    },
)


def shape_of(task_type: str) -> RowShape:
    """The row shape of a task type.

    Raises:
        SettingsError: there is no such task type.

    """
    return ROW_SHAPES.load(task_type)
