"""All task types by name; a new one is added here."""

from collections.abc import Mapping
from typing import Final

from tasks.task_types import TaskType
from tasks.task_types.embeddings.sentence_embedding import SentenceEmbedding
from tasks.task_types.generation.sequence_to_sequence import SUMMARISATION, TRANSLATION
from tasks.task_types.labels.classification import Classification
from tasks.task_types.labels.multi_label import MultiLabel
from tasks.task_types.labels.regression import Regression
from tasks.task_types.language_models.causal_lm import CausalLm
from tasks.task_types.language_models.chat import Chat
from tasks.task_types.language_models.masked_lm import MaskedLm
from tasks.task_types.language_models.next_sentence import NextSentence
from tasks.task_types.questions.question_answering import QuestionAnswering
from tasks.task_types.tags.tagging import Tagging

TASK_TYPES: Final[Mapping[str, TaskType]] = {
    kind.name: kind
    for kind in (
        CausalLm(),
        Chat(),
        Classification(),
        MaskedLm(),
        MultiLabel(),
        NextSentence(),
        QuestionAnswering(),
        Regression(),
        SentenceEmbedding(),
        TRANSLATION,
        SUMMARISATION,
        Tagging(),
    )
}
