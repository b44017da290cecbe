"""What a model is held against while it learns: the answers of a reference model.

As a teacher's (`soft_labels`), they are asked once about each example, as the model reads it, and
stand beside it from then on.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from infra.catalogue import Catalogue
from tasks.task_types.examples import Batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Outputs

# Column of examples, and label of batches, that comes from a reference model.
REFERENCE: Final = "reference"


class ReferenceAnswers(Protocol):
    """What a task type keeps of a reference model's outputs."""

    auto_class: ClassVar[str]
    """Name in transformers of the models that have such outputs."""
    width: ClassVar[int]
    """How many numbers are kept of an example."""

    def kept(
        self, outputs: "Outputs", batch: Batch, config: "PretrainedConfig", /
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """What is kept under `REFERENCE`: of each of B examples (width,) numbers in float32.

        Args:
            outputs: the reference's for the batch.
            batch: B examples as the learner collates them.
            config: of the reference.

        """


REFERENCE_ANSWERS: Final[Catalogue[type[ReferenceAnswers]]] = Catalogue(
    chosen_by="task_type",
    entries={
        "preference": (
            "tasks.task_types.language_models.preference.reference_answers:AnswerLikelihoods"
        ),
    },
)


def reads_reference(task_type: str) -> bool:
    """Whether models of a task type learn against a reference model."""
    return task_type in REFERENCE_ANSWERS.names


if TYPE_CHECKING:
    # The catalogue names them as text; here mypy holds them to the protocol.
    from tasks.task_types.language_models.preference.reference_answers import AnswerLikelihoods

    SHIPPED: tuple[type[ReferenceAnswers], ...] = (AnswerLikelihoods,)
