"""How well a linear model reads a task type's answers off a base model that is not trained.

A probe (Alain and Bengio 2016, arXiv:1610.01644) asks the frozen base model about each row once,
and fits a linear model to what it says. That takes minutes where a fine-tuning takes hours. It
tells what the features hold already, and not what training would make of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from infra.catalogue import Catalogue
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ProbedRows:
    """Rows, and what the frozen base model says of them.

    Attributes:
        rows: N rows, with row_id, the columns of the task type and maybe cluster.
        features: float32, (N, ...).

    """

    rows: "pa.Table"
    features: "NDArray[np.float32]"


class Probe(Protocol):
    """How base models are probed for a task type, with labels and limits as of one line."""

    def __init__(self, *, labels: tuple[str, ...], limits: TokenLimits, seed: int) -> None:
        """Bind what stays the same; `seed` deals the rows into folds."""

    def features(self, folder: Path, rows: "pa.Table") -> "NDArray[np.float32]":
        """What the base model in a folder says of N rows, (N, ...), untrained.

        Raises:
            BaseModelError: the folder holds no such model, or it says what is no number.

        """

    def answers(self, train: ProbedRows, held_out: ProbedRows) -> "pa.Table | str":
        """What the linear model, fitted to training rows, answers to held-out rows.

        Returns:
            As `Examiner.measure` reads them; or a string, the reason why there is none.

        """


PROBES: Final[Catalogue[type[Probe]]] = Catalogue(
    chosen_by="task_type",
    entries={
        "classification": "tasks.task_types.probing.classes:ClassProbe",
        "multi_label": "tasks.task_types.probing.label_sets:LabelSetProbe",
        "regression": "tasks.task_types.probing.targets:NumberProbe",
        "sentence_embedding": ("tasks.task_types.probing.nearest_targets:NearestTargetProbe"),
    },
)


def probe_of(task_type: str, labels: Sequence[str], limits: TokenLimits, seed: int) -> Probe:
    """The probe of a task type that has one; see `why_no_probe`."""
    return PROBES.load(task_type)(labels=tuple(labels), limits=limits, seed=seed)


def why_no_probe(task_type: str) -> str:
    """Why base models cannot be probed for a task type; empty where they can."""
    if task_type in PROBES.names:
        return ""
    return (
        f"there is a probe of {', '.join(PROBES.names)}, and the task_type is {task_type}: what "
        "its models answer is not read off one vector a text"
    )


if TYPE_CHECKING:
    # The catalogue names them as text; here mypy holds them to the protocol.
    from tasks.task_types.probing.classes import ClassProbe
    from tasks.task_types.probing.label_sets import LabelSetProbe
    from tasks.task_types.probing.nearest_targets import NearestTargetProbe
    from tasks.task_types.probing.targets import NumberProbe

    SHIPPED: tuple[type[Probe], ...] = (
        ClassProbe,
        LabelSetProbe,
        NumberProbe,
        NearestTargetProbe,
    )
