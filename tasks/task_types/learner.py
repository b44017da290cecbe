"""What learns: from rows to training examples, a loss, and the metrics of validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Protocol, Self

from infra.catalogue import Catalogue
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs, TrainingRows

Method = Literal["class_weights", "label_smoothing", "answer_pairs", "row_weights"]


@dataclass(frozen=True)
class LossSettings:
    """What training adds to a plain loss, of a task type whose `Learner.methods` know it.

    Attributes:
        label_smoothing: probability that is spread over all classes.
        balanced: whether an example's loss counts by N / (L n), for n of N training rows with its
            label, of L labels.
        beta: of a loss on preferences, the factor of a reward.
        flipped: of such a loss, the share of pairs that are taken to be the wrong way round.

    """

    label_smoothing: float = 0.0
    balanced: bool = False
    beta: float = 0.1
    flipped: float = 0.0


PLAIN_LOSS: Final = LossSettings()


class Learner(Protocol):
    """How models of a task type learn, with labels, limits and loss as of one training."""

    selection_metric: ClassVar[str]
    """The validation metric that picks the best epoch."""
    greater_is_better: ClassVar[bool]
    """Whether the highest value of that metric is the best, and not the lowest."""
    written_metrics: ClassVar[tuple[str, ...]]
    """Metrics of what a model writes, by which an epoch may be picked; none of most task types."""
    methods: ClassVar[frozenset[Method]]
    """Which of `LossSettings` its loss knows, by the names of the settings of training; and
    ``row_weights`` where each row may have a factor of its own (`ROW_WEIGHT`)."""
    packs: ClassVar[bool]
    """Whether examples can stand in one row one behind the other: its loss is by token."""
    couples_rows: ClassVar[bool]
    """Whether its loss compares the rows of an optimizer step with each other."""
    why_not_private: ClassVar[str]
    """Why training with differential privacy would promise too much; empty where the loss of a
    row, and all that the learner knows of rows, is of that row alone."""
    asked_with_control_tokens: ClassVar[bool]
    """Whether who loads such a model with plain transformers spells control tokens on purpose: a
    chat template's, or the mask token."""

    def __init__(
        self,
        *,
        name: str,
        labels: tuple[str, ...],
        limits: TokenLimits,
        loss_settings: LossSettings = ...,
    ) -> None:
        """Bind what stays the same in a training; a label's index is its class id."""

    @property
    def name(self) -> str:
        """As in the setting ``task_type``."""

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Turn rows into training examples.

        Args:
            rows: with row_id and the columns of the task type.
            tokenizer: of the base model.

        Raises:
            DataError: a row cannot be an example, for instance by a label outside the label set.
            BaseModelError: the tokenizer lacks what the task type needs.

        """

    def fitted_to(self, examples: "TrainingRows", /) -> Self:
        """The same, with what it must know of all training rows, such as the spread of targets.

        The same rows give the same one.
        """

    def without_loss_settings(self) -> Self:
        """The same with the plain loss, by which validation is measured."""

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model in float32 with a head, drawn from torch's random state.

        Raises:
            BaseModelError: the weights cannot be read or do not fit.

        """

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """A batch as long as its longest row; the same examples give the same batch."""

    def units(self, batch: Batch) -> "Tensor":
        """What the loss is a mean over, (U,) counts in this batch: rows, or label tokens.

        Several where the loss is the sum of several means.
        """

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """A batch's share of the mean loss of an optimizer step, in float32.

        Args:
            outputs: the model's for the batch.
            batch: B rows.
            units: (U,) of all batches of the step.

        """

    def represent(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """What a loss that couples rows compares, (B, D); asked of such a task type alone."""

    def coupled_loss(self, representations: "Tensor", units: "Tensor") -> "Tensor":
        """The mean loss of a step, asked in place of `loss` where `couples_rows`.

        Args:
            representations: (N, D) of all rows of the step.
            units: (U,) likewise.

        """

    def written(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        examples: Sequence[Example],
        metric: str,
    ) -> float:
        """One of `written_metrics` of what a model writes for these examples."""

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """What `metrics` needs to know of each row, (B, K)."""

    def metrics(self, outcomes: "NDArray[np.float64]") -> Mapping[str, float]:
        """Validation metrics by name, from the outcomes (N, K) of all rows."""


LEARNERS: Final[Catalogue[type[Learner]]] = Catalogue(
    chosen_by="task_type",
    group="assayline.task_types",
    part="learner",
    entries={
        "classification": "tasks.task_types.labels.classification.learner:ClassificationLearner",
        "multi_label": "tasks.task_types.labels.multi_label.learner:MultiLabelLearner",
        "regression": "tasks.task_types.labels.regression.learner:RegressionLearner",
        "tagging": "tasks.task_types.tags.tagging.learner:TaggingLearner",
        "question_answering": (
            "tasks.task_types.questions.question_answering.learner:QuestionAnsweringLearner"
        ),
        "relation_extraction": "tasks.task_types.relations.learner:RelationLearner",
        "translation": "tasks.task_types.generation.learner:SequenceToSequenceLearner",
        "summarisation": "tasks.task_types.generation.learner:SequenceToSequenceLearner",
        "sentence_embedding": (
            "tasks.task_types.embeddings.sentence_embedding.learner:SentenceEmbeddingLearner"
        ),
        "chat": "tasks.task_types.language_models.chat.learner:ChatLearner",
        "preference": "tasks.task_types.language_models.preference.learner:PreferenceLearner",
        "causal_lm": "tasks.task_types.language_models.causal_lm.learner:CausalLmLearner",
        "masked_lm": "tasks.task_types.language_models.masked_lm.learner:MaskedLmLearner",
        "next_sentence": (
            "tasks.task_types.language_models.next_sentence.learner:NextSentenceLearner"
        ),
    },
)


def learner_of(
    task_type: str,
    labels: Sequence[str],
    limits: TokenLimits,
    loss_settings: LossSettings = PLAIN_LOSS,
) -> Learner:
    """The learner of a task type.

    Raises:
        SettingsError: there is no such task type.

    """
    kind = LEARNERS.load(task_type)
    return kind(name=task_type, labels=tuple(labels), limits=limits, loss_settings=loss_settings)


if TYPE_CHECKING:
    # The catalogue names them as text; here mypy holds them to the protocol.
    from tasks.task_types.embeddings.sentence_embedding.learner import SentenceEmbeddingLearner
    from tasks.task_types.generation.learner import SequenceToSequenceLearner
    from tasks.task_types.labels.classification.learner import ClassificationLearner
    from tasks.task_types.labels.multi_label.learner import MultiLabelLearner
    from tasks.task_types.labels.regression.learner import RegressionLearner
    from tasks.task_types.language_models.causal_lm.learner import CausalLmLearner
    from tasks.task_types.language_models.chat.learner import ChatLearner
    from tasks.task_types.language_models.masked_lm.learner import MaskedLmLearner
    from tasks.task_types.language_models.next_sentence.learner import NextSentenceLearner
    from tasks.task_types.language_models.preference.learner import PreferenceLearner
    from tasks.task_types.questions.question_answering.learner import QuestionAnsweringLearner
    from tasks.task_types.relations.learner import RelationLearner
    from tasks.task_types.tags.tagging.learner import TaggingLearner

    SHIPPED: tuple[type[Learner], ...] = (
        ClassificationLearner,
        MultiLabelLearner,
        RegressionLearner,
        TaggingLearner,
        QuestionAnsweringLearner,
        RelationLearner,
        SequenceToSequenceLearner,
        SentenceEmbeddingLearner,
        ChatLearner,
        PreferenceLearner,
        CausalLmLearner,
        MaskedLmLearner,
        NextSentenceLearner,
    )
