"""What a reference model holds of both answers to a prompt: two numbers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.language_models.preference.learner import pair_log_likelihoods
from tasks.task_types.reference_answers import REFERENCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Batch, Outputs


class AnswerLikelihoods:
    """Log-probabilities of the chosen and of the rejected answer."""

    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    width: ClassVar[int] = 2

    def kept(
        self, outputs: "Outputs", batch: "Batch", _config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """Of each of B examples both, in nats, (2,) float32; see `ReferenceAnswers.kept`."""
        return {REFERENCE: list(pair_log_likelihoods(outputs, batch).cpu().numpy())}
