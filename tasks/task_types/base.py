"""What most task types have in common; each says for itself where it differs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.task_types.examples import Batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

# The scripts that answer for registered models.
SERVED = Path(__file__).parent / "served"


@dataclass(frozen=True, kw_only=True)
class CommonTaskType:
    """Fields and answers as `TaskType` has them: no classes, and a loss of each row's own."""

    pipeline: str | None = None
    served: Path | None = None
    greater_is_better: bool = True
    methods: frozenset[str] = frozenset()
    packs: bool = False
    couples_rows: bool = False

    def units(self, batch: Batch) -> "Tensor":
        """Rows."""
        import torch

        return torch.tensor([batch.rows])

    def class_counts(self, examples: Any, classes: int) -> "NDArray[np.int64] | None":  # noqa: ARG002
        """None: there are no classes to weigh."""
        return None

    def represent(self, outputs: Any, batch: Batch) -> "Tensor":
        """Not asked: each row's loss is its own."""
        raise NotImplementedError
