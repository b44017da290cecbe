"""What all base models of a choice have in common; its flow reads it as it starts."""

from dataclasses import dataclass

from tasks.evaluation.base_models.settings import ProbeSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of


@dataclass(frozen=True)
class ChoiceGround:
    """What all candidates of a choice have in common.

    Attributes:
        line: its name.
        data: its clean rows.
        limits: tokens that a run cuts a text to.
        probe: rows of the probe.
        evaluation: how numbers get intervals, and how far behind counts as as good.
        epochs: of a run.
        machine_hour_cost: money an hour; None where cost is told in time alone.

    """

    line: str
    data: DataReport
    task_type: str
    limits: TokenLimits
    probe: ProbeSettings
    evaluation: EvaluationSettings
    epochs: int
    machine_hour_cost: float | None

    @property
    def metric(self) -> str:
        """The task type's leading one."""
        return shape_of(self.task_type).leading

    @property
    def margin(self) -> float:
        """How far behind the best still counts as as good, in the metric's own units."""
        return self.evaluation.margins.get(self.metric, self.evaluation.margin)
