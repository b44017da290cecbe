"""What the model says of rows whose identity words were swapped, as the page shows it."""

import re
from dataclasses import dataclass
from typing import Final

from tasks.records.fairness import Fairness, Flip
from tasks.reporting.charts import Tick, plain_bar, scale_of
from tasks.reporting.estimates import EstimateRow, estimate_row
from tasks.reporting.number_format import count, is_drawable, number

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN_DIGITS: Final = 12


@dataclass(frozen=True)
class FamilyRow:
    """One kind of swap: flip rate, score shift and largest shift, on one axis."""

    name: str
    kind: str
    rows: str
    pairs: str
    estimates: tuple[EstimateRow, ...]


@dataclass(frozen=True)
class FlipRow:
    """A row whose answer changes, before and after."""

    row_id: str
    family: str
    before: str
    after: str
    text_before: str
    text_after: str
    shift: str


@dataclass(frozen=True)
class Counterfactuals:
    """All swaps; no row where none was made."""

    families: tuple[FamilyRow, ...]
    ticks: tuple[Tick, ...]
    flips: tuple[FlipRow, ...]


def counterfactuals_of(fairness: Fairness) -> Counterfactuals:
    """Every family with its numbers, and the rows that move most."""
    triples = [
        (one, (one.flip_rate, one.score_shift, one.largest_shift))
        for one in fairness.counterfactuals
    ]
    scale = scale_of(
        [estimate for _, three in triples for estimate in three if is_drawable(estimate)],
        include=(0.0,),
    )
    families = tuple(
        FamilyRow(
            name=one.name,
            kind=one.kind,
            rows=count(one.rows),
            pairs=count(one.pairs),
            estimates=tuple(estimate_row(each, plain_bar(each, scale)) for each in three),
        )
        for one, three in triples
    )
    return Counterfactuals(families, scale.ticks, tuple(map(_flip_row, fairness.flips)))


def _flip_row(flip: Flip) -> FlipRow:
    return FlipRow(
        row_id=_short(flip.row_id),
        family=flip.family,
        before=flip.before,
        after=flip.after,
        text_before=flip.text_before,
        text_after=flip.text_after,
        shift=number(flip.shift),
    )


def _short(row_id: str) -> str:
    """The first digits of a digest; the name of a template as it is."""
    return row_id[:_SHOWN_DIGITS] if _DIGEST.fullmatch(row_id) else row_id
