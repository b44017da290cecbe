"""Which training rows of several sources stay, so that each has its share of them.

No row is repeated. The largest set is kept in which all shares hold: T = min over the sources of
(training rows of the source) / (its share), of which a source keeps share * T, rounded down. Which
rows these are follows from the second half of their digests, as in a sample: the first half may
decide the split. So a row that is added moves few others, and no order of files moves any.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import DataError
from tasks.ingestion.spilling import prefixes_of
from tasks.sources.source_names import SOURCE_NAME

Keys = npt.NDArray[np.uint64]
_SECOND_HALF: Final = 16
_TRAIN: Final = "train"
# So that 0.3 * 10 is 3, whatever the binary fraction.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Mix:
    """How several sources are mixed.

    Attributes:
        weights: of each source; none where nothing is to be left out for its share.
        max_rows: of those sources that have a limit, how many distinct rows stay.

    """

    weights: Mapping[str, float]
    max_rows: Mapping[str, int]

    @property
    def leaves_out(self) -> bool:
        """Whether any row may be left out."""
        return bool(self.weights or self.max_rows)


@dataclass
class Chosen:
    """The keys below which rows stay.

    Attributes:
        in_sample: of all rows, by source; a source that is not named has no limit.
        in_share: of training rows, likewise.
        outweighed: training rows of each source that were left out for its share.
        sampled_out: rows of each source beyond its max_rows.

    """

    in_sample: Mapping[str, int]
    in_share: Mapping[str, int]
    outweighed: Counter[str] = field(default_factory=Counter)
    sampled_out: Counter[str] = field(default_factory=Counter)

    def take(self, rows: pa.Table) -> pa.Table:
        """The rows that stay; asked for all rows once."""
        keys, trains = _keys_of(rows), _are_training(rows)
        kept = np.ones(rows.num_rows, np.bool_)
        for name, members in _members(rows):
            beyond = members & ~_are_below(keys, self.in_sample.get(name))
            outweighed = members & ~beyond & trains & ~_are_below(keys, self.in_share.get(name))
            self.sampled_out[name] += int(beyond.sum())
            self.outweighed[name] += int(outweighed.sum())
            kept &= ~(beyond | outweighed)
        return rows.filter(pa.array(kept))


def choose(tables: Iterable[pa.Table], mix: Mix) -> Chosen:
    """Choose among the distinct rows of all sources. Holds 9 bytes for each of them.

    Args:
        tables: rows with digest, split and source_name.
        mix: weights and limits.

    Raises:
        DataError: a source with a weight has no training row.

    """
    keys: defaultdict[str, list[Keys]] = defaultdict(list)
    trains: defaultdict[str, list[npt.NDArray[np.bool_]]] = defaultdict(list)
    for table in tables:
        found, is_training = _keys_of(table), _are_training(table)
        for name, members in _members(table):
            keys[name].append(found[members])
            trains[name].append(is_training[members])
    in_sample: dict[str, int] = {}
    training: dict[str, Keys] = {}
    for name in {**mix.max_rows, **mix.weights}:
        own = np.concatenate([np.empty(0, np.uint64), *keys[name]])
        if (most := mix.max_rows.get(name)) is not None and len(own) > most:
            in_sample[name] = _bound(own, most)
        trained_on = np.concatenate([np.empty(0, np.bool_), *trains[name]])
        training[name] = own[trained_on & _are_below(own, in_sample.get(name))]
    for name in mix.weights:
        if not len(training[name]):
            raise DataError(
                f"sources.{name} has the weight {mix.weights[name]:g} and no training row, so that "
                "no row at all would be in proportion; correct it (path, keep_rows), or remove it"
            )
    wanted = rows_by_weight({name: len(training[name]) for name in mix.weights}, mix.weights)
    in_share = {
        name: _bound(training[name], most)
        for name, most in wanted.items()
        if len(training[name]) > most
    }
    return Chosen(in_sample, in_share)


def rows_by_weight(rows: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, int]:
    """How many of its rows each source keeps, at most all, so that their shares are the weights."""
    if not weights:
        return {}
    whole = sum(weights.values())
    shares = {name: weight / whole for name, weight in weights.items()}
    total = min(rows[name] / share for name, share in shares.items())
    return {name: min(rows[name], int(share * total + _ROUNDING)) for name, share in shares.items()}


def _bound(keys: Keys, most: int) -> int:
    """The key below which at most so many rows stay; rows of one key go or stay together."""
    return int(np.partition(keys, most)[most])


def _are_below(keys: Keys, bound: int | None) -> npt.NDArray[np.bool_]:
    below: npt.NDArray[np.bool_] = (
        np.ones(len(keys), np.bool_) if bound is None else keys < np.uint64(bound)
    )
    return below


def _members(rows: pa.Table) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    names = rows[SOURCE_NAME]
    return [
        (name, np.asarray(pc.equal(names, name), np.bool_)) for name in names.unique().to_pylist()
    ]


def _are_training(rows: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.equal(rows["split"], _TRAIN), np.bool_)


def _keys_of(rows: pa.Table) -> Keys:
    return prefixes_of(rows["digest"].combine_chunks(), _SECOND_HALF)
