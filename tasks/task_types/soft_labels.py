"""What a student learns from its teacher's outputs: what is kept of them, and the loss on it.

The teacher is asked once about each training example, as the student reads it, and what is kept
stands beside the example from then on. So the loss of a step stays a sum over its examples, however
they share passes and workers.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from infra.catalogue import Catalogue
from infra.errors import SettingsError
from tasks.task_types.examples import Batch, Example
from tasks.task_types.learner import Learner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs

# Columns of examples, and labels of batches, that come from a teacher.
SOFT: Final = "soft_"
# Column of a teacher's logits, one example's behind each other.
LOGITS: Final = "soft_logits"


class SoftLabels(Protocol):
    """How models of a task type learn from a teacher, with a learner as of one training."""

    auto_class: ClassVar[str]
    """Name in transformers of the models that have such outputs."""
    problem_type: ClassVar[str | None]
    """What a teacher's config.json says of its head, where that tells task types apart."""
    reads_temperature: ClassVar[bool]
    """Whether what is kept depends on the temperature."""
    needed_in_config: ClassVar[tuple[str, ...]]
    """Entries of a teacher's config.json without which its outputs mean nothing."""
    of_tokens: ClassVar[bool]
    """Whether the outputs are scores of all tokens of the vocabulary."""
    drawn: ClassVar[bool]
    """Whether a collation draws something anew in each epoch, such as the words it masks."""
    writes: ClassVar[bool]
    """Whether such models write a text, which a student may learn in place of the row's."""

    same_width: ClassVar[bool]
    """Whether what is kept is compared with the student's, number by number."""
    has_states: ClassVar[bool]
    """Whether such a model is one stack of layers whose hidden states a student may learn, too."""

    def __init__(self, learner: Learner, temperature: float) -> None:
        """Bind what stays the same in a training; the learner is fitted to its rows."""

    def kept(
        self, outputs: "Outputs", batch: Batch, config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """What is kept of a teacher's outputs, by column: of each of B examples (K,) numbers.

        Args:
            outputs: the teacher's for the batch; logits of labels in the learner's order.
            batch: B examples as the learner collates them.
            config: of the teacher.

        """

    def collate(self, examples: Sequence[Example], batch: Batch) -> "Mapping[str, Tensor]":
        """What was kept of B examples as labels of their batch; the first dimension of each is B.

        Args:
            examples: with the columns of `kept`.
            batch: the same examples, as the learner collates them.

        """

    def written(
        self,
        teacher: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        examples: Sequence[Example],
    ) -> list[list[int]]:
        """Tokens of the target that a teacher writes for each example; asked where it `writes`."""

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """A batch's share of the mean soft loss of an optimizer step, in float32.

        Args:
            outputs: the student's for the batch.
            batch: B examples, with what `collate` gave among its labels.
            units: of all batches of the step, as `Learner.units` counts them.

        """


SOFT_LABELS: Final[Catalogue[type[SoftLabels]]] = Catalogue(
    chosen_by="task_type",
    entries={
        "classification": "tasks.task_types.labels.classification.soft_labels:SoftClasses",
        "multi_label": "tasks.task_types.labels.multi_label.soft_labels:SoftLabelSets",
        "regression": "tasks.task_types.labels.regression.soft_labels:SoftTargets",
        "tagging": "tasks.task_types.tags.tagging.soft_labels:SoftTags",
        "question_answering": (
            "tasks.task_types.questions.question_answering.soft_labels:SoftSpans"
        ),
        "causal_lm": "tasks.task_types.language_models.soft_labels:SoftTokens",
        "chat": "tasks.task_types.language_models.soft_labels:SoftTokens",
        "sentence_embedding": (
            "tasks.task_types.embeddings.sentence_embedding.soft_labels:SoftVectors"
        ),
        "masked_lm": "tasks.task_types.language_models.masked_lm.soft_labels:SoftMaskedTokens",
        "translation": "tasks.task_types.generation.soft_labels:SoftTargetTokens",
        "summarisation": "tasks.task_types.generation.soft_labels:SoftTargetTokens",
    },
)


def soft_labels_of(learner: Learner, temperature: float) -> SoftLabels:
    """How a task type's students learn from a teacher.

    Raises:
        SettingsError: its models learn from labels alone.

    """
    if learner.name not in SOFT_LABELS.names:
        raise SettingsError(why_no_distillation(learner.name))
    return SOFT_LABELS.load(learner.name)(learner, temperature)


def why_no_distillation(task_type: str) -> str:
    """Why models of a task type learn from labels alone; empty where they can be distilled."""
    if task_type in SOFT_LABELS.names:
        return ""
    return (
        f"distillation is of {', '.join(SOFT_LABELS.names)}, and the task_type is {task_type}; "
        "leave distillation out"
    )


def rows_of_logits(logits: "Tensor") -> "list[NDArray[np.float32]]":
    """Logits (B, ...) as one flat array an example."""
    return list(logits.float().flatten(1).cpu().numpy())


def real_logits(logits: "Tensor", batch: Batch) -> "list[NDArray[np.float32]]":
    """Logits (B, T, L) of the tokens that are no padding, one flat array (T' L,) an example."""
    lengths = batch.inputs["attention_mask"].sum(dim=1).tolist()
    whole = logits.float().cpu().numpy()
    return [own[:length].reshape(-1) for own, length in zip(whole, lengths, strict=True)]


def padded_logits(examples: Sequence[Example], batch: Batch) -> "Tensor":
    """What `real_logits` kept, filled up with 0 to the batch's length, (B, T, L)."""
    import numpy as np
    import torch

    lengths = batch.inputs["attention_mask"].sum(dim=1).tolist()
    per_token = len(examples[0][LOGITS]) // lengths[0]
    filled = np.zeros((*batch.inputs["attention_mask"].shape, per_token), dtype=np.float32)
    for own, example, length in zip(filled, examples, lengths, strict=True):
        own[:length] = example[LOGITS].reshape(length, per_token)
    return torch.from_numpy(filled)


if TYPE_CHECKING:
    # The catalogue names them as text; here mypy holds them to the protocol.
    from tasks.task_types.embeddings.sentence_embedding.soft_labels import SoftVectors
    from tasks.task_types.generation.soft_labels import SoftTargetTokens
    from tasks.task_types.labels.classification.soft_labels import SoftClasses
    from tasks.task_types.labels.multi_label.soft_labels import SoftLabelSets
    from tasks.task_types.labels.regression.soft_labels import SoftTargets
    from tasks.task_types.language_models.masked_lm.soft_labels import SoftMaskedTokens
    from tasks.task_types.language_models.soft_labels import SoftTokens
    from tasks.task_types.questions.question_answering.soft_labels import SoftSpans
    from tasks.task_types.tags.tagging.soft_labels import SoftTags

    SHIPPED: tuple[type[SoftLabels], ...] = (
        SoftClasses,
        SoftLabelSets,
        SoftTargets,
        SoftTags,
        SoftSpans,
        SoftTokens,
        SoftMaskedTokens,
        SoftTargetTokens,
        SoftVectors,
    )
