"""Settings of the monitor of a line in production."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel
from tasks.drift.settings import DriftSettings
from tasks.monitoring.alarm_rule import permutations_needed, window_level
from tasks.records.recorded_requests import Role
from tasks.verdicts import Gate

# drift.text_length, vocabulary, unknown_tokens, domain_classifier and embeddings;
# predictions.label_shares, or predictions.answer_length where answers are written, and
# predictions.confidence.
CHECKS_WITHOUT_LABELS = 7
# What a run does beside judging: no check of a window says something else for it.
DECIDE_NOTHING: Final = frozenset(
    {"cool_down_hours", "settle_minutes", "catch_up_windows", "chart_windows"}
)
# Families of gates that labels can be held against.
FAMILIES: Final = ("quality", "fairness")


def watched_gates(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates of a policy that labels can be held against: no champion answers beside."""
    return tuple(gate for gate in gates if gate.family in FAMILIES and not gate.is_relative)


class MonitorSettings(SettingsModel):
    """How the recorded rows of a line in production are watched.

    Inputs are held against the training rows of the version in production, its answers against
    those that it gave to the held-out rows, and the labels that came against the policy's gates.
    A check of a window fails only if its interval lies wholly beyond its limit and its p-value
    below a level; the level is set so that a year in which nothing changes has an alarm with at
    most the probability ``false_alarms_a_year``.
    """

    window_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = Field(
        default=1, description="Hours of a window; windows begin at 00:00 UTC and go on from there."
    )
    k: int = Field(
        default=3,
        ge=1,
        le=24,
        description="Windows in which one and the same check must fail for an alarm.",
    )
    n: int = Field(default=5, ge=1, le=48, description="Last windows that these are counted among.")
    false_alarms_a_year: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Most probability of any alarm in a year in which nothing changes: over all "
        "windows and all checks.",
    )
    cool_down_hours: int = Field(
        default=24,
        ge=1,
        le=8_760,
        description="Hours after an alarm in which no other one is raised, so that a retraining "
        "that does not help is not begun anew each hour.",
    )
    min_rows: int = Field(
        default=100,
        ge=50,
        description="Rows of a window below which its checks are undetermined.",
    )
    roles: tuple[Role, ...] = Field(
        default=("production",),
        min_length=1,
        description="Which recorded requests are read, by what the version that answered was.",
    )
    scored_batches: bool = Field(
        default=True, description="Whether rows of scored batches count as well."
    )
    settle_minutes: int = Field(
        default=10,
        ge=0,
        le=120,
        description="Minutes after its end that a window is left to, so that all its records are "
        "written when it is judged.",
    )
    catch_up_windows: int = Field(
        default=48,
        ge=1,
        le=1_000,
        description="Windows that one run judges at most, where the monitor did not run for a "
        "while; older ones stay a gap.",
    )
    label_waits_hours: tuple[Annotated[int, Field(ge=1, le=8_760)], ...] = Field(
        default=(24, 168),
        max_length=5,
        description="Hours after its end at which the labels of a window are counted again.",
    )
    feedback_by: tuple[str, ...] = Field(
        default=(),
        description="Whose feedback counts as a label, as `by` names the senders; none: "
        "everybody's. It holds for the labels of a canary as well. As `by` of a feedback source.",
    )
    max_length_distance: float = Field(
        default=0.1, gt=0, le=1, description="As drift.max_length_distance, of recorded inputs."
    )
    max_vocabulary_distance: float = Field(
        default=0.15, gt=0, le=1, description="As drift.max_vocabulary_distance."
    )
    max_unknown_share_change: float = Field(
        default=0.02, gt=0, le=1, description="As drift.max_unknown_share_change."
    )
    max_domain_auc: float = Field(
        default=0.65, gt=0.5, le=1, description="As drift.max_domain_auc."
    )
    max_embedding_distance: float = Field(
        default=0.005, gt=0, description="As drift.max_embedding_distance."
    )
    max_prediction_distance: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Jensen-Shannon distance (base 2) of the shares of predicted labels, beyond "
        "that of the same rows dealt at random.",
    )
    max_answer_length_distance: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Kolmogorov-Smirnov distance of the length of answers, in characters, where "
        "the model writes them; an empty one is the shortest.",
    )
    max_confidence_distance: float = Field(
        default=0.1, gt=0, le=1, description="Kolmogorov-Smirnov distance of confidence."
    )
    max_rows: int = Field(
        default=2_000,
        ge=100,
        le=100_000,
        description="Rows of a window, and of the training rows, whose texts are compared, by the "
        "hash of request and row; what a window costs grows with them. Answers are counted of all "
        "rows.",
    )
    max_labelled_rows: int = Field(
        default=20_000,
        ge=100,
        le=1_000_000,
        description="Rows of a window with a label that quality is measured on, by the same hash.",
    )
    embedding_rows: int = Field(
        default=500, ge=50, description="Rows of either side that the base model embeds."
    )
    permutations: int = Field(
        default=499,
        ge=299,
        le=100_000,
        description="Permutations behind a p-value; so many that it can fall below the level.",
    )
    chart_windows: int = Field(
        default=168, ge=1, le=2_000, description="Last windows that the page shows."
    )
    seed: int = Field(default=0, ge=0, description="Seed of samples and permutations.")

    @property
    def drift(self) -> DriftSettings:
        """The same limits as the checks of drift read them."""
        return DriftSettings(
            max_length_distance=self.max_length_distance,
            max_vocabulary_distance=self.max_vocabulary_distance,
            max_unknown_share_change=self.max_unknown_share_change,
            max_domain_auc=self.max_domain_auc,
            max_embedding_distance=self.max_embedding_distance,
            max_rows=self.max_rows,
            embedding_rows=self.embedding_rows,
            permutations=self.permutations,
            newest_rows=0,
            seed=self.seed,
        )

    def level(self, gates: int = 0) -> float:
        """The level at which one check of one window is called.

        Args:
            gates: of the policy that labels are held against.

        """
        checks = CHECKS_WITHOUT_LABELS + gates
        return window_level(self.false_alarms_a_year, checks, self.window_hours, self.k, self.n)

    def level_of_labels(self, gates: int) -> float:
        """The level of a gate at one count of a window's labels.

        They are counted when the window is judged and after each of ``label_waits_hours``, and any
        of these counts may be the one that fails; by the union bound each has its share.

        Args:
            gates: of the policy that labels are held against.

        """
        return self.level(gates) / (1 + len(self.label_waits_hours))

    def why_never(self, gates: int = 0) -> str:
        """Why no check could ever fail with so many gates; empty where one can."""
        needed = permutations_needed(self.level(gates))
        if self.permutations >= needed:
            return ""
        return (
            f"with monitor.permutations {self.permutations} no p-value can fall below the level "
            f"{self.level(gates):.2g} that monitor.k {self.k} of n {self.n} windows of "
            f"{self.window_hours} h, {CHECKS_WITHOUT_LABELS + gates} checks and "
            f"false_alarms_a_year {self.false_alarms_a_year:g} ask for, and nothing would ever be "
            f"called; set permutations to at least {needed}, or k higher"
        )

    @model_validator(mode="after")
    def _alarms_can_be_raised(self) -> Self:
        if self.k > self.n:
            raise ValueError(
                f"monitor.k {self.k} windows cannot fail among the last n {self.n}; set n to at "
                f"least {self.k}"
            )
        if why := self.why_never():
            raise ValueError(why)
        if sorted(set(self.label_waits_hours)) != list(self.label_waits_hours):
            raise ValueError(
                f"monitor.label_waits_hours {list(self.label_waits_hours)} must rise, such as "
                "[24, 168]"
            )
        return self
