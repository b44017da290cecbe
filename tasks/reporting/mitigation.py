"""What mitigation did while a candidate learned, and its price beside what it bought."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.attribute_removal import AttributeRemoval, NamedRight
from tasks.records.group_dro import DroCell, GroupDro, GroupWeights
from tasks.records.reweighing import Reweighing, WeighedCell
from tasks.records.training import Tokens, Weights
from tasks.reporting.charts import Plane, tradeoff_plane
from tasks.reporting.number_format import NOTHING, count, number, words_of
from tasks.reporting.summaries import markdown_table, plain
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Estimate

CELL_HEADS: Final = ("group", "label", "training rows", "weight")
UNMITIGATED: Final = "unmitigated"
# What mitigation is for, of the attribute that was weighed; each a picture.
_BOUGHT: Final = (
    "worst_group_row_score_gain",
    "demographic_parity_difference_gain",
    "equal_opportunity_difference_gain",
)
NOT_COMPARED: Final = (
    "No model was trained without mitigation (mitigation.compare is off), so that nothing says "
    "what it has cost and bought."
)
COMPARED: Final = (
    "The model without mitigation was trained by the same recipe, and both answered the same test "
    "rows; nothing was chosen by them. Right of 0 the candidate is better over all rows, and above "
    "0 it is better for its worst group, or its groups lie nearer together. All numbers stand in "
    "the comparison with the model without mitigation."
)


@dataclass(frozen=True)
class LearnedWeights:
    """Group DRO, and what its weights came to."""

    groups: GroupDro
    weights: GroupWeights


Mitigation = Reweighing | LearnedWeights | AttributeRemoval


def mitigation_of(tokens: Tokens, weights: Weights) -> Mitigation | None:
    """What was done for groups in a training; None where nothing was."""
    if tokens.group_dro and weights.group_weights:
        return LearnedWeights(tokens.group_dro, weights.group_weights)
    return weights.removal or tokens.reweighing


@dataclass(frozen=True)
class Tradeoff:
    """Price and gain as one cross of two intervals."""

    key: str
    title: str
    described: str
    x_name: str
    y_name: str
    plane: Plane


@dataclass(frozen=True)
class MitigationSection:
    """All that is told of a line's mitigation.

    Attributes:
        sentence: what was done.
        cells: for a table with `CELL_HEADS`; none where no row was weighed.
        limits: what the weights could not do, in sentences.
        pictures: none where nothing was compared, or it is undetermined.
        note: what is to be known of these.
        source: the record that tells the weights, as the card cites it.

    """

    sentence: str
    cells: tuple[tuple[str, str, str, str], ...]
    limits: tuple[str, ...]
    pictures: tuple[Tradeoff, ...]
    note: str
    source: str = "tokens"


def mitigation_section(
    mitigation: Mitigation | None, task_type: str, estimates: Sequence[Estimate]
) -> MitigationSection | None:
    """The section; None of a line whose training rows all count alike.

    Args:
        mitigation: the weights.
        task_type: says which metric is the leading one.
        estimates: of the candidate, unmitigated.* among others.

    """
    if mitigation is None:
        return None
    compared = any(one.name.startswith(f"{UNMITIGATED}.") for one in estimates)
    return MitigationSection(
        sentence_of(mitigation),
        tuple(_rows_of_table(mitigation)),
        tuple(_limits(mitigation)),
        tuple(_pictures(_attribute_of(mitigation), shape_of(task_type).leading, estimates)),
        COMPARED if compared else NOT_COMPARED,
        "tokens" if isinstance(mitigation, Reweighing) else "weights",
    )


def sentence_of(mitigation: Mitigation) -> str:
    """What was done, to how many rows or dimensions."""
    if isinstance(mitigation, AttributeRemoval):
        return _sentence_of_removal(mitigation)
    if isinstance(mitigation, LearnedWeights):
        groups = mitigation.groups
        return (
            f"The loss of {count(groups.rows_of_groups)} training rows was weighed by "
            f"{groups.attribute} and label, the more the worse the model did by a group as it "
            f"learned (group DRO, Sagawa et al. 2020, step size {groups.step_size:g}); "
            f"{count(groups.other_rows)} rows that are in no group count once."
        )
    reweighing = mitigation
    return (
        f"The loss of {count(reweighing.rows_of_groups)} training rows was weighed so that "
        f"{reweighing.attribute} and label are independent (Kamiran and Calders 2012); "
        f"{count(reweighing.other_rows)} rows that belong to none of its groups count once."
    )


def _sentence_of_removal(removal: AttributeRemoval) -> str:
    told = removal.after
    return (
        f"{count(removal.directions)} of the {count(removal.size)} dimensions that the last layer "
        f"reads, by which {count(removal.rounds)} linear classifiers told {removal.attribute} in "
        f"{count(removal.rows)} training rows, were taken out of it (iterative nullspace "
        f"projection, Ravfogel et al. 2020), and it was fitted again on "
        f"{count(removal.head_rows)}. A linear probe of what it reads now names the group of "
        f"{_with_interval(told)} of {count(told.rows)} validation rows right; before it was "
        f"{_with_interval(removal.before)}, and the largest group has "
        f"{number(removal.largest_share)} of them."
    )


def _with_interval(told: NamedRight) -> str:
    if told.low is None or told.high is None:
        return "an unknown share"
    return f"{number(told.share)} [{number(told.low)}, {number(told.high)}]"


def mitigation_markdown(
    mitigation: Mitigation, task_type: str, estimates: Sequence[Estimate]
) -> str:
    """The section for the page of a run."""
    section = mitigation_section(mitigation, task_type, estimates)
    assert section is not None  # noqa: S101 - there are weights
    told = [*map(plain, (section.sentence, *section.limits, section.note))]
    table = [markdown_table(CELL_HEADS, section.cells)] if section.cells else []
    return "\n\n".join([*told, *table])


def _attribute_of(mitigation: Mitigation) -> str:
    if isinstance(mitigation, LearnedWeights):
        return mitigation.groups.attribute
    return mitigation.attribute


def _rows_of_table(mitigation: Mitigation) -> Iterator[tuple[str, str, str, str]]:
    if isinstance(mitigation, Reweighing):
        yield from map(_cells, mitigation.cells)
    if not isinstance(mitigation, LearnedWeights):
        return
    cells = mitigation.groups.cells
    filled = sum(cell.rows > 0 for cell in cells)
    told = zip(cells, mitigation.weights.mean, mitigation.weights.last, strict=True)
    for cell, mean, last in told:
        weights = (1 / filled, mean, last)
        yield cell.group, cell.label, count(cell.rows), _course(cell, mitigation.groups, weights)


def _course(cell: DroCell, groups: GroupDro, weights: tuple[float, float, float]) -> str:
    """By what the loss of a row of a cell counted: at first, on average, and at the end."""
    if not cell.rows:
        return NOTHING
    each = groups.rows_of_groups / cell.rows
    first, mean, last = (min(one * each, groups.max_weight) for one in weights)
    return f"{number(first)} at first, {number(mean)} on average, {number(last)} at the end"


def _cells(cell: WeighedCell) -> tuple[str, str, str, str]:
    if cell.weight is None:
        return cell.group, cell.label, count(cell.rows), NOTHING
    cut = f", cut from {number(cell.asked)}" if cell.is_cut else ""
    return cell.group, cell.label, count(cell.rows), f"{number(cell.weight)}{cut}"


def _limits(mitigation: Mitigation) -> Iterator[str]:
    """What the weights could not do."""
    if isinstance(mitigation, LearnedWeights):
        yield from _limits_of_learned(mitigation)
    if not isinstance(mitigation, Reweighing):
        return
    reweighing = mitigation
    cut = [cell for cell in reweighing.cells if cell.is_cut]
    if cut:
        yield (
            f"{_named(cut)}: the weight was cut to mitigation.reweighing.max_weight, and group and "
            "label are not independent yet."
        )
    empty = [cell for cell in reweighing.cells if cell.weight is None]
    if empty:
        yield (
            f"{_named(empty)}: there is no training row, which no weight makes up for; group and "
            "label are not independent yet."
        )


def _limits_of_learned(mitigation: LearnedWeights) -> Iterator[str]:
    if share := mitigation.weights.cut:
        yield (
            f"In {share:.1%} of the steps a group asked for more than "
            "mitigation.group_dro.max_weight, and was held down to it."
        )
    empty = [cell for cell in mitigation.groups.cells if not cell.rows]
    if empty:
        yield f"{_named(empty)}: there is no training row, which no weight makes up for."


def _named(cells: Sequence[WeighedCell] | Sequence[DroCell]) -> str:
    return ", ".join(f"{cell.group} with {cell.label}" for cell in cells)


def _pictures(attribute: str, leading: str, estimates: Sequence[Estimate]) -> Iterator[Tradeoff]:
    by_name = {one.name: one for one in estimates}
    price = by_name.get(f"{UNMITIGATED}.{leading}_gain")
    for metric in _BOUGHT:
        bought = by_name.get(f"{UNMITIGATED}.{attribute}.{metric}")
        plane = tradeoff_plane(price, bought) if price and bought else None
        if price and bought and plane:
            x_name, y_name = words_of(price.name), words_of(bought.name)
            described = plane.lines[0].dots[0].described
            title = f"{y_name}, over {x_name}"
            yield Tradeoff(f"tradeoff-{metric}", title, described, x_name, y_name, plane)
