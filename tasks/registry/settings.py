"""Settings of the staging check and of the policy."""

from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from infra.settings_models import SettingsModel, WrongSetting, items_of, refuse
from tasks.registry.canary_settings import CanarySettings
from tasks.verdicts import CORRECTED_FAMILIES, MAX_FAMILY, Gate

SAME_PREDICTIONS: Final = "staging.same_predictions"
STAGING_FAMILY: Final = "staging"
# A share of equal predictions below this is another model, whatever the line.
LEAST_SAME_PREDICTIONS: Final = 0.99
PROVING_FAMILIES: Final = ("quality", "baseline")
# Families of which one must be asked, or a reason be given why none is.
FAIRNESS_FAMILIES: Final = ("fairness", "counterfactual")
# Characters of a reason; a shorter one is none.
LEAST_REASON: Final = 10
# Fewest requests whose largest bounds the 95th percentile from above at 95%: 0.95^72 < 0.025.
LEAST_LATENCY_REQUESTS: Final = 72


# What is done with aliases that were moved in MLflow, past the ledger.
OnOutsideMove = Literal["refuse", "restore", "accept"]
# Who lets a candidate that passes every gate into production.
Approval = Literal["automatic", "by a person"]
AUTOMATIC: Final = "automatic"
BY_A_PERSON: Final = "by a person"


class RegistrySettings(SettingsModel):
    """How the line stands to what is done in MLflow's registry past it."""

    on_outside_move: OnOutsideMove = Field(
        default="refuse",
        description="What becomes of production or previous that somebody moved in MLflow: refuse "
        "(no run and no decision goes on until a person decides, by `assayline reconcile`), "
        "restore (they are set as the ledger says) or accept (what MLflow says stands, unproven). "
        "Each is recorded. Read by the runs of the line, and by rollback and promote.",
    )


class StagingSettings(SettingsModel):
    """How the registered artifact is tried in a process of its own."""

    rows: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Held-out rows whose served predictions must be those of the evaluation.",
    )
    latency_requests: int = Field(
        default=150,
        ge=LEAST_LATENCY_REQUESTS,
        le=10_000,
        description="Requests of one row each that latency is measured on, after the warm-up. "
        f"Below {LEAST_LATENCY_REQUESTS} the 95th percentile has no upper bound.",
    )
    warm_up_requests: int = Field(
        default=10, ge=0, le=1_000, description="Requests before latency is measured."
    )
    score_tolerance: float = Field(
        default=1e-4,
        gt=0,
        le=0.01,
        description="How far a served number may lie from the evaluated one; of a number above 1, "
        "as a share of it. Texts must be the same.",
    )
    start_timeout_s: float = Field(
        default=180, gt=0, le=3_600, description="Seconds for start, download and loading."
    )
    request_timeout_s: float = Field(
        default=60, gt=0, le=600, description="Seconds for one answer."
    )


class LookSettings(SettingsModel):
    """What the looks at a held-out split cost."""

    spending: Literal["alpha_investing", "none"] = Field(
        default="alpha_investing",
        description="How the level of a gate follows from the looks that its held-out rows have "
        "had. alpha_investing: the j-th look since a candidate last passed is judged at 1 - "
        "0.05 / (j (j + 1)): 97.5%, then 99.17%, 99.58% and so on. none: each look at 95%, as if "
        "it were the first; the report and the ledger say so.",
    )


class BudgetSettings(SettingsModel):
    """What the registered artifact may take while it is served."""

    latency_p95_ms: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="Milliseconds within which 95 of 100 requests of one row must be answered: the "
        "gate staging.latency_p95_ms.",
    )
    size_mb: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="Size of its files in 10^6 bytes: the gate staging.size_mb.",
    )
    memory_mb: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="Memory of the process that serves it after the requests, in 10^6 bytes, "
        "libraries included: the gate staging.memory_mb.",
    )


class PolicySettings(SettingsModel):
    """The gates that a candidate must all pass before it takes over production."""

    gates: tuple[Gate, ...] = Field(
        description="Every gate of the line; a list of your own replaces the one of the task type "
        "whole. It must hold an at_least gate on quality.* or baseline.*, and "
        f"{SAME_PREDICTIONS}.",
    )
    staging_gates: tuple[Gate, ...] = Field(
        default=(),
        description="Gates that a candidate must pass before it is served on staging, where these "
        "are others than for production; none on staging.*, which is measured there. Without them "
        "they are those of `gates` that need no serving. For production all of `gates` are asked.",
    )
    margin: FiniteFloat | None = Field(
        default=None,
        ge=0,
        description="How far behind the champion, and behind the anchor, a candidate may lie in "
        "the task type's leading metric: short for the gates champion.METRIC_gain and "
        "anchor.METRIC_gain with at_least: -margin.",
    )
    budgets: BudgetSettings = Field(
        default=BudgetSettings(),
        description="Short for the gates on staging.* of these names with at_most.",
    )
    approval: Approval = Field(
        default=AUTOMATIC,
        description="Who lets a candidate that passes every gate into production: automatic (it is "
        "promoted at once), or by a person (the run suspends and waits for approve or reject, in "
        "Prefect's page of the run or by `assayline approve`).",
    )
    approval_days: FiniteFloat = Field(
        default=7.0,
        gt=0,
        le=90,
        description="Days for which a run waits for a person's approval. After them the candidate "
        "is rejected, which the next run of the line records in the ledger.",
    )
    canary: CanarySettings | None = Field(
        default=None,
        description="How a candidate that passes every gate, and that a person has approved where "
        "one is asked, is tried on the requests of `assayline serve` before it is promoted; "
        "without it, it is promoted at once.",
    )
    looks: LookSettings = Field(
        default=LookSettings(), description="What the looks at a held-out split cost."
    )
    fairness_where_decidable: tuple[Gate, ...] = Field(
        default=(),
        description="Gates on fairness.* and counterfactual.* that are asked where the test rows "
        "could decide them; of the others it is said how many rows they would need. Which ones, is "
        "told from counts of rows, before an answer is looked at. A policy without a list of gates "
        "has those of decision 0037 here.",
    )
    fairness_not_gated: Annotated[str, StringConstraints(strip_whitespace=True)] | None = Field(
        default=None,
        min_length=LEAST_REASON,
        max_length=500,
        description="Why no gate asks how groups are treated, in your words. Without it a "
        "candidate of which no gate on fairness.* or counterfactual.* was asked is undetermined, "
        "and is not promoted. It stands in the report, in the ledger and on the model card.",
    )

    slightly_better: FiniteFloat = Field(
        default=0.01,
        gt=0,
        description="How much better a slightly better candidate is, where it is told with what "
        "probability each gate passes one: in the metric's own units, or as a share of a threshold "
        "above 1. It decides nothing.",
    )

    @model_validator(mode="after")
    def _fairness_is_gated_or_is_not(self) -> Self:
        named = [gate.metric for gate in self.gates if gate.family in FAIRNESS_FAMILIES]
        if named and self.fairness_not_gated:
            refuse(
                [
                    WrongSetting(
                        ("fairness_not_gated",),
                        f"the policy gates {named[0]}, and says why it gates no fairness; leave "
                        "one of the two out",
                        self.fairness_not_gated,
                    )
                ]
            )
        return self

    @model_validator(mode="after")
    def _nothing_is_served_before_staging(self) -> Self:
        refuse(
            WrongSetting(
                ("staging_gates", place, "metric"),
                f"{gate.metric} is measured on staging, so that it cannot decide who gets there; "
                "move it to policy.gates",
                gate.metric,
            )
            for place, gate in items_of(self, "staging_gates", "metric")
            if gate.family == STAGING_FAMILY
        )
        return self

    @model_validator(mode="after")
    def _only_fairness_waits_for_rows(self) -> Self:
        refuse(
            WrongSetting(
                ("fairness_where_decidable", place, "metric"),
                f"{gate.metric} is no gate on fairness.* or counterfactual.*; every other gate is "
                "asked always, and belongs to policy.gates",
                gate.metric,
            )
            for place, gate in items_of(self, "fairness_where_decidable", "metric")
            if gate.family not in FAIRNESS_FAMILIES
        )
        return self

    @model_validator(mode="after")
    def _proves_quality(self) -> Self:
        proven = any(g.family in PROVING_FAMILIES and g.at_least is not None for g in self.gates)
        if not proven:
            raise ValueError(
                "the policy proves no quality; add an at_least gate on quality.* or baseline.*, "
                "for example {metric: quality.macro_f1, at_least: 0.5}"
            )
        return self

    @model_validator(mode="after")
    def _asks_for_what_was_evaluated(self) -> Self:
        thresholds = [g.at_least for g in self.gates if g.metric == SAME_PREDICTIONS]
        if not any(t is not None and LEAST_SAME_PREDICTIONS <= t <= 1 for t in thresholds):
            raise ValueError(
                "the policy does not ask that the registered artifact predicts what was "
                f"evaluated; add {{metric: {SAME_PREDICTIONS}, at_least: 1.0}}, or a share "
                f"between {LEAST_SAME_PREDICTIONS} and 1"
            )
        return self

    @model_validator(mode="after")
    def _each_gate_once(self) -> Self:
        gates = [gate for _, gate in items_of(self, "gates", *Gate.model_fields)]
        gates += [
            gate for _, gate in items_of(self, "fairness_where_decidable", *Gate.model_fields)
        ]
        seen = Counter((g.judged_on, "at_most" if g.lowest is None else "at_least") for g in gates)
        refuse(
            WrongSetting(
                ("gates",), f"{metric} has {count} gates with {side}; keep the strictest", metric
            )
            for (metric, side), count in seen.items()
            if count > 1
        )
        return self

    @model_validator(mode="after")
    def _families_can_be_corrected(self) -> Self:
        counted = Counter(
            gate.family
            for name in ("gates", "fairness_where_decidable")
            for _, gate in items_of(self, name, "metric")
        )
        refuse(
            WrongSetting(
                ("gates",),
                f"the family {family} has {count} gates, and Holm's correction is made for at "
                f"most {MAX_FAMILY}; gate what has meaning and rows, and report the rest",
                count,
            )
            for family, count in counted.items()
            if family in CORRECTED_FAMILIES and count > MAX_FAMILY
        )
        return self


def default_policy(
    leading: str,
    margin: float = 0.02,
    fairness: tuple[Gate, ...] = (),
    more: tuple[Gate, ...] = (),
) -> PolicySettings:
    """The gates of a line that names none: it beats the baseline, and does not fall behind.

    Args:
        leading: the metric that models of the task type are compared in.
        margin: how far behind the champion, and behind the anchor, it may lie in that metric.
        fairness: gates that are asked where rows can decide them.
        more: gates that other settings of the line ask for.

    """
    return PolicySettings(
        gates=(
            Gate(metric=f"baseline.{leading}_gain", at_least=0.0),
            Gate(metric=f"champion.{leading}_gain", at_least=-margin),
            Gate(metric=f"anchor.{leading}_gain", at_least=-margin),
            Gate(metric=SAME_PREDICTIONS, at_least=1.0),
            Gate(metric="staging.latency_p95_ms", at_most=1000),
            Gate(metric="staging.size_mb", at_most=2000),
            *more,
        ),
        fairness_where_decidable=fairness,
    )
