"""With what probability each gate passes, in words; for page, Prefect run and console."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.power import TARGET, WITHOUT_ERROR, GatePower, PowerForecast
from tasks.reporting.number_format import count, number, title_of, with_unit

POWER_HEADS: Final = (
    "gate", "n", "equal at", "passes", "slightly better at", "passes", f"n for {TARGET:.0%}",
)  # fmt: skip
WHAT_IT_SAYS: Final = (
    "With what probability a gate passes a candidate whose true number is as given, when as many "
    "rows are drawn anew. An equal candidate is as good as the champion where the gate compares "
    "with it, and else as good as was measured. A gate of little power refuses good candidates by "
    "chance; more held-out rows mend that, and a looser threshold only hides it."
)
_CERTAIN: Final = 0.995
_NEVER: Final = 0.005
_NO_ROWS: Final = "no number of rows"


@dataclass(frozen=True)
class PowerRow:
    """The power of one gate as it is shown; every field is text.

    Attributes:
        metric: the estimate's name, as in the policy.
        name: the same in words.
        rule: the threshold with its unit.
        rows: what the number rests on.
        equal_at: true number of an equal candidate; empty where it cannot be told.
        equal: probability that it passes.
        better_at: true number of a slightly better one.
        better: probability that it passes.
        wanted: rows with which an equal candidate passes in four of five test splits, or else a
            slightly better one.
        reason: why the power cannot be told; empty where it can.

    """

    metric: str
    name: str
    rule: str
    rows: str
    equal_at: str
    equal: str
    better_at: str
    better: str
    wanted: str
    reason: str

    @property
    def short_cells(self) -> tuple[str, ...]:
        """For a table with `POWER_HEADS` that is no wider than a screen: without the reason."""
        return (*self.cells[:-1], "") if self.reason else self.cells

    @property
    def cells(self) -> tuple[str, ...]:
        """For a table with `POWER_HEADS`."""
        if self.reason:
            return (self.metric, self.rows, "", "cannot be told", "", "", self.reason)
        return (
            self.metric, self.rows, self.equal_at, self.equal, self.better_at, self.better,
            self.wanted,
        )  # fmt: skip


def power_table(power: Sequence[GatePower]) -> list[PowerRow]:
    """The power of each gate, in the order of the policy."""
    return [power_row(one) for one in power]


def power_row(power: GatePower) -> PowerRow:
    """The power of one gate in words."""
    return PowerRow(
        metric=power.metric,
        name=title_of(power.metric),
        rule=with_unit(power.rule, power.metric),
        rows=count(power.n),
        equal_at=with_unit(number(power.equal_at), power.metric),
        equal=_probability(power.equal),
        better_at=with_unit(number(power.better_at), power.metric),
        better=_probability(power.better),
        wanted=_rows_wanted(power),
        reason=power.reason,
    )


def power_markdown(power: Sequence[GatePower]) -> str:
    """The power of each gate as a table of Markdown, and what it says."""
    from tasks.reporting.summaries import markdown_table

    table = markdown_table(POWER_HEADS, [row.cells for row in power_table(power)])
    return f"{WHAT_IT_SAYS}\n\n{table}"


def forecast_markdown(forecast: PowerForecast) -> str:
    """What the gates can decide before training: warnings first, then the table and its basis."""
    from tasks.reporting.summaries import plain

    warnings = [f"- ✗ {plain(warning)}" for warning in forecast.warnings]
    assumed = [f"- {plain(one)}" for one in (*forecast.assumptions, *forecast.notes)]
    parts = (warnings, [power_markdown(forecast.power)], assumed)
    return "\n\n".join("\n".join(part) for part in parts if part)


def _probability(value: float | None) -> str:
    """A probability in whole percents, which is as exactly as it is known."""
    if value is None:
        return ""
    if value > _CERTAIN:
        return "> 99%"
    return "< 1%" if value < _NEVER else f"{value:.0%}"


def _rows_wanted(power: GatePower) -> str:
    if power.basis == WITHOUT_ERROR:
        return "exact"
    if power.metric.startswith("recipe."):
        return "a matter of seeds too"
    if power.rows_for_equal is not None:
        return f"about {count(power.rows_for_equal)}"
    if power.rows_for_better is not None:
        return f"about {count(power.rows_for_better)}, if slightly better"
    return _NO_ROWS
