"""A teacher that is asked about examples, and what is kept of each beside its soft labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tasks.records.distillation import Asked
from tasks.task_types.examples import SEED, Batch, Example, Outputs
from tasks.task_types.hidden_states import STATES, kept_states
from tasks.task_types.learner import Learner
from tasks.task_types.soft_labels import soft_labels_of
from tasks.task_types.tokenizers import load_tokenizer
from tasks.training.asked_examples import AskedModel

if TYPE_CHECKING:
    import pyarrow as pa

# Column of a target's tokens.
TARGETS: Final = "target_ids"


class AskedTeacher(AskedModel):
    """A teacher, loaded when it is asked the first time."""

    def __init__(
        self,
        folder: Path,
        learner: Learner,
        order: Sequence[int] | slice,
        asked: Asked,
    ) -> None:
        """`order`: as `AskedModel` has it."""
        soft = soft_labels_of(learner, asked.temperature)
        super().__init__(folder, ("teacher", "distillation.teacher"), learner, soft, order)
        self._soft, self._asked = soft, asked
        if asked.layers:
            self.also_asked = {"output_hidden_states": True}

    def _kept_of(self, examples: Sequence[Example]) -> "dict[str, pa.Array]":
        """Targets that it writes, seeds of what was drawn, and what is kept of its outputs."""
        import pyarrow as pa

        kept: dict[str, pa.Array] = {}
        if self._asked.writes:
            tokenizer = load_tokenizer(self.folder)
            targets = self._soft.written(self._model, tokenizer, examples)
            kept[TARGETS] = pa.array(targets, pa.list_(pa.int32()))
            examples = [
                {**example, TARGETS: target}
                for example, target in zip(examples, targets, strict=True)
            ]
        if self._soft.drawn:
            kept[SEED] = pa.array([int(example[SEED]) for example in examples], pa.uint64())
        if self._asked.outputs or self._asked.layers:
            kept |= super()._kept_of(examples)
        return kept

    def _kept(self, outputs: Outputs, batch: Batch) -> Any:
        """Soft labels and hidden states, as far as they are asked for."""
        kept = dict(super()._kept(outputs, batch)) if self._asked.outputs else {}
        if self._asked.layers:
            kept[STATES] = kept_states(outputs, batch, self._asked.layers)
        return kept
