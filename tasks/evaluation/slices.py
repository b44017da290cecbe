"""Parts of the test rows: by a feature's values or ranges, and by expression."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.evaluation.settings import OF_ENTITIES, OF_RARITY, SliceSettings
from tasks.row_expressions import rows_that_match

Bools = NDArray[np.bool_]
# Features that a line's rows may well lack, so that their absence is no mistake of the settings.
MAY_BE_ABSENT = frozenset({"label", "language", "source", *OF_ENTITIES, *OF_RARITY})
UNITS = {"length": " tokens", "characters": " characters", "entity_distance": " tokens"}


@dataclass(frozen=True, eq=False)
class Slice:
    """A part of the rows.

    Attributes:
        name: ``<feature>.<value>``, or that of the expression.
        description: what its rows have in common, in words.
        origin: ``feature``, ``expression`` or ``search``.
        members: (N,) bool.
        reason: why it cannot be made; empty where it can.

    """

    name: str
    description: str
    origin: str
    members: Bools
    reason: str = ""


def slices_of(rows: pa.Table, settings: SliceSettings) -> list[Slice]:
    """The slices that the settings name, in their order.

    Args:
        rows: the test rows with their features.
        settings: features and expressions.

    """
    found = [one for feature in settings.by for one in _by_feature(rows, feature, settings)]
    return [*found, *(_by_expression(rows, *named) for named in settings.where.items())]


def _by_expression(rows: pa.Table, name: str, text: str) -> Slice:
    try:
        return Slice(name, text, "expression", rows_that_match(rows, text))
    except ValueError as error:
        return Slice(name, text, "expression", np.zeros(rows.num_rows, np.bool_), str(error))


def _by_feature(rows: pa.Table, feature: str, settings: SliceSettings) -> Iterator[Slice]:
    nobody = np.zeros(rows.num_rows, dtype=np.bool_)
    if feature not in rows.column_names:
        if feature not in MAY_BE_ABSENT:
            reason = f"there is no column {feature!r}; there are {rows.column_names}"
            yield Slice(feature, feature, "feature", nobody, reason)
        return
    column, kind = rows[feature], rows.schema.field(feature).type
    if pa.types.is_nested(kind):
        reason = f"{feature!r} holds lists; a feature is a number, a word, or true or false"
        yield Slice(feature, feature, "feature", nobody, reason)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        yield from ranges(feature, column, settings.bins)
    else:
        yield from _values(feature, column.cast(pa.string()), settings)


def ranges(feature: str, column: pa.ChunkedArray, bins: int) -> Iterator[Slice]:
    """Ranges of a number with as many rows each as ties allow, named q1 (lowest) to qN."""
    values = np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return
    inner = np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf")
    edges = np.unique(np.concatenate([inner, [known.max()]]))
    lows = np.concatenate([[-np.inf], edges[:-1]])
    for number, (low, high) in enumerate(zip(lows, edges, strict=True), start=1):
        members = (values > low) & (values <= high)
        least = values[members].min()
        span = f"{least:.4g}" if least == high else f"{least:.4g} to {high:.4g}"
        name, words = f"{feature}.q{number}", feature.replace("_", " ")
        yield Slice(name, f"{words} {span}{UNITS.get(feature, '')}", "feature", members)


def _values(feature: str, column: pa.ChunkedArray, settings: SliceSettings) -> Iterator[Slice]:
    """The commonest values that have rows enough, the commonest first."""
    counts = pc.value_counts(column.drop_null()).to_pylist()
    counts = [entry for entry in counts if entry["counts"] >= settings.min_rows]
    counts.sort(key=lambda entry: (-entry["counts"], entry["values"]))
    for entry in counts[: settings.max_values]:
        value = entry["values"]
        members = np.asarray(pc.equal(column, value).fill_null(False).to_numpy(), dtype=np.bool_)  # noqa: FBT003
        yield Slice(f"{feature}.{value}", f"{feature} {value}", "feature", members)
