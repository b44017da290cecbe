"""What examines a trained model: its answers, what is measured of them, and what it must beat."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from infra.catalogue import Catalogue
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.measures import Measured


class Examiner(Protocol):
    """How models of a task type are examined, with labels and limits as of one evaluation."""

    def __init__(
        self, *, name: str, labels: tuple[str, ...], limits: TokenLimits, seed: int
    ) -> None:
        """Bind what stays the same; `seed` draws what a baseline must draw."""

    @property
    def name(self) -> str:
        """As in the setting ``task_type``."""

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """What a trained model answers to rows.

        Args:
            folder: a model and its tokenizer, as transformers saves them.
            rows: N rows, with row_id and the columns of the task type.

        Returns:
            Table of N rows, in the order of the rows: ``answer`` (string, the JSON that the served
            model gives for the row; null where it was not asked, which a task type with costly
            answers may do for all but the first rows), and what `measure` reads. Of one class a
            row: ``label`` and ``predicted`` (class ids) and ``probabilities`` (lists of L), which
            fairness is assessed by.

        Raises:
            BaseModelError: the folder holds no such model.
            TrainingError: the model gives a score that is no number.

        """

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """What the served model answers to rows of which nothing but the inputs is known.

        Args:
            folder: a model and its tokenizer, as transformers saves them.
            rows: N rows, with the input columns of the task type.

        Returns:
            Strings (N,): of each row the JSON that `predict` calls ``answer``.

        Raises:
            BaseModelError, TrainingError: as `predict`.

        """

    def answer_columns(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """What `answer` says, as columns: what a scored batch keeps of each row.

        Args:
            folder: a model and its tokenizer, as transformers saves them.
            rows: N rows, with the input columns of the task type.

        Returns:
            Table of N rows: a column for each field of the answer, and where labels have
            probabilities ``probabilities``, a map from each label to its own.

        Raises:
            BaseModelError, TrainingError: as `predict`.

        """

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """What is measured of the answers that `predict` or `baseline` gave to these rows."""

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """What a trivial model, trained on the training rows, answers to the test rows.

        Returns:
            As `predict`, ``answer`` left out; or a string, the reason why there is none.

        """


EXAMINERS: Final[Catalogue[type[Examiner]]] = Catalogue(
    chosen_by="task_type",
    group="assayline.task_types",
    part="examiner",
    entries={
        "classification": "tasks.task_types.labels.classification.examiner:ClassificationExaminer",
        "multi_label": "tasks.task_types.labels.multi_label.examiner:MultiLabelExaminer",
        "regression": "tasks.task_types.labels.regression.examiner:RegressionExaminer",
        "tagging": "tasks.task_types.tags.tagging.examiner:TaggingExaminer",
        "question_answering": (
            "tasks.task_types.questions.question_answering.examiner:QuestionAnsweringExaminer"
        ),
        "relation_extraction": "tasks.task_types.relations.examiner:RelationExaminer",
        "translation": "tasks.task_types.generation.translation.examiner:TranslationExaminer",
        "summarisation": "tasks.task_types.generation.summarisation.examiner:SummarisationExaminer",
        "sentence_embedding": (
            "tasks.task_types.embeddings.sentence_embedding.examiner:SentenceEmbeddingExaminer"
        ),
        "chat": "tasks.task_types.language_models.chat.examiner:ChatExaminer",
        "preference": ("tasks.task_types.language_models.preference.examiner:PreferenceExaminer"),
        "causal_lm": "tasks.task_types.language_models.causal_lm.examiner:CausalLmExaminer",
        "masked_lm": "tasks.task_types.language_models.masked_lm.examiner:MaskedLmExaminer",
        "next_sentence": (
            "tasks.task_types.language_models.next_sentence.examiner:NextSentenceExaminer"
        ),
    },
)


def examiner_of(
    task_type: str, labels: Sequence[str], limits: TokenLimits, seed: int = 0
) -> Examiner:
    """The examiner of a task type.

    Raises:
        SettingsError: there is no such task type.

    """
    kind = EXAMINERS.load(task_type)
    return kind(name=task_type, labels=tuple(labels), limits=limits, seed=seed)


if TYPE_CHECKING:
    # The catalogue names them as text; here mypy holds them to the protocol.
    from tasks.task_types.embeddings.sentence_embedding.examiner import SentenceEmbeddingExaminer
    from tasks.task_types.generation.summarisation.examiner import SummarisationExaminer
    from tasks.task_types.generation.translation.examiner import TranslationExaminer
    from tasks.task_types.labels.classification.examiner import ClassificationExaminer
    from tasks.task_types.labels.multi_label.examiner import MultiLabelExaminer
    from tasks.task_types.labels.regression.examiner import RegressionExaminer
    from tasks.task_types.language_models.causal_lm.examiner import CausalLmExaminer
    from tasks.task_types.language_models.chat.examiner import ChatExaminer
    from tasks.task_types.language_models.masked_lm.examiner import MaskedLmExaminer
    from tasks.task_types.language_models.next_sentence.examiner import NextSentenceExaminer
    from tasks.task_types.language_models.preference.examiner import PreferenceExaminer
    from tasks.task_types.questions.question_answering.examiner import QuestionAnsweringExaminer
    from tasks.task_types.relations.examiner import RelationExaminer
    from tasks.task_types.tags.tagging.examiner import TaggingExaminer

    SHIPPED: tuple[type[Examiner], ...] = (
        ClassificationExaminer,
        MultiLabelExaminer,
        RegressionExaminer,
        TaggingExaminer,
        QuestionAnsweringExaminer,
        RelationExaminer,
        TranslationExaminer,
        SummarisationExaminer,
        SentenceEmbeddingExaminer,
        ChatExaminer,
        PreferenceExaminer,
        CausalLmExaminer,
        MaskedLmExaminer,
        NextSentenceExaminer,
    )
