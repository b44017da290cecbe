"""What a model of each task type is for, in the words of a model card."""

from dataclasses import dataclass
from typing import Final

from infra.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCardTexts:
    """A task type as a reader of a model card meets it.

    Attributes:
        hub_task: Hugging Face's name of the task (https://huggingface.co/tasks).
        title: the task in words.
        does: what the model does with what it is given, as a whole sentence.
        limit: what every such model cannot do, as a whole sentence.
        classes: what its labels are called; empty where it has none.
        is_pipeline: whether the registered model is a transformers pipeline, which is asked with a
            list of texts, and not with rows.

    """

    hub_task: str
    title: str
    does: str
    limit: str
    classes: str = ""
    is_pipeline: bool = False


MODEL_CARDS: Final[Catalogue[ModelCardTexts]] = Catalogue(
    chosen_by="task_type",
    group="assayline.task_types",
    part="model_card",
    entries={
        "classification": "tasks.task_types.labels.classification.model_card:TEXTS",
        "multi_label": "tasks.task_types.labels.multi_label.model_card:TEXTS",
        "regression": "tasks.task_types.labels.regression.model_card:TEXTS",
        "tagging": "tasks.task_types.tags.tagging.model_card:TEXTS",
        "question_answering": "tasks.task_types.questions.question_answering.model_card:TEXTS",
        "relation_extraction": "tasks.task_types.relations.model_card:TEXTS",
        "translation": "tasks.task_types.generation.translation.model_card:TEXTS",
        "summarisation": "tasks.task_types.generation.summarisation.model_card:TEXTS",
        "sentence_embedding": "tasks.task_types.embeddings.sentence_embedding.model_card:TEXTS",
        "chat": "tasks.task_types.language_models.chat.model_card:TEXTS",
        "preference": "tasks.task_types.language_models.preference.model_card:TEXTS",
        "causal_lm": "tasks.task_types.language_models.causal_lm.model_card:TEXTS",
        "masked_lm": "tasks.task_types.language_models.masked_lm.model_card:TEXTS",
        "next_sentence": "tasks.task_types.language_models.next_sentence.model_card:TEXTS",
    },
)


def card_texts_of(task_type: str) -> ModelCardTexts:
    """The texts of a task type.

    Raises:
        SettingsError: there is no such task type.

    """
    return MODEL_CARDS.load(task_type)
