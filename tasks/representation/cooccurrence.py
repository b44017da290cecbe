"""A second look through the clean rows: how often groups, terms and labels stand together."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from tasks.protected_groups.memberships import groups_by_row
from tasks.protected_groups.mentions import Term, TermFinder
from tasks.representation.profile import DataProfile, batches_of, label_column
from tasks.resampling import Ints
from tasks.resampling_units import MAX_UNITS
from tasks.task_types.rows import CLUSTER, texts_of


@dataclass(frozen=True)
class Facet:
    """Some of the rows, counted.

    Attributes:
        rows: by stratum, shape (S + 1,); the last are those without a stratum.
        with_label: shape (S + 1, L).

    """

    rows: Ints
    with_label: Ints

    def __add__(self, other: "Facet") -> "Facet":
        """Both, if they share no row."""
        return Facet(self.rows + other.rows, self.with_label + other.with_label)

    def __sub__(self, other: "Facet") -> "Facet":
        """Those rows that are not of another facet, which must lie within this one."""
        return Facet(self.rows - other.rows, self.with_label - other.with_label)


@dataclass(frozen=True)
class TermCount:
    """A term of an attribute's list: rows with it and, by label, rows with both.

    Attributes:
        by_unit: rows with both by unit of clusters and label, and rows with the term last, shape
            (U, L + 1); None where no row has a cluster.

    """

    attribute: str
    term: Term
    rows: int
    with_label: Ints
    by_unit: "sparse.csr_array | None" = None


@dataclass(frozen=True)
class Counts:
    """All that the measures are made of.

    Attributes:
        everyone: all rows.
        stated: by group column and group; a row may be of several groups.
        stating: by group column, the rows that state any group.
        mentioned: by identity attribute and group; a row may be of several groups.
        by_unit: rows by unit of clusters and label, and all rows last, shape (U, L + 1); None where
            no row has a cluster.

    """

    everyone: Facet
    stated: dict[str, dict[str, Facet]]
    stating: dict[str, Facet]
    mentioned: dict[str, dict[str, Facet]]
    terms: tuple[TermCount, ...]
    by_unit: Ints | None = None


@dataclass(frozen=True)
class _Pairs:
    """Rows of a batch with what they have: rows[i] has codes[i]. No pair comes twice."""

    rows: Ints
    codes: Ints

    @classmethod
    def distinct(cls, rows: Ints, codes: Ints, size: int) -> "_Pairs":
        both = np.unique(rows * size + codes) if len(rows) else np.zeros(0, dtype=np.int64)
        return cls(both // max(size, 1), both % max(size, 1))

    def matrix(self, rows: int, size: int) -> "sparse.csr_array":
        ones = np.ones(len(self.rows), dtype=np.int64)
        return sparse.csr_array((ones, (self.rows, self.codes)), shape=(rows, size))


def count_rows(clean: Path, survey: DataProfile) -> Counts:
    """Count batch by batch; what is held does not grow with the rows."""
    counter = _Counter(survey)
    for rows in batches_of(clean, survey.names):
        counter.add(rows)
    return counter.counts()


class _Counter:
    """Sums over the batches: what a row has, by stratum, against the labels that it has."""

    def __init__(self, survey: DataProfile) -> None:
        self._survey = survey
        self._strata = 1 + (len(survey.strata) or len(survey.edges) + 1)
        self._terms = [(name, term) for name, terms in survey.terms.items() for term in terms]
        self._finder = TermFinder([term for _, term in self._terms])
        named = dict.fromkeys((name, term.group) for name, term in self._terms)
        self._mentioned = sorted(named)
        place = {group: index for index, group in enumerate(self._mentioned)}
        self._group_of = np.array([place[name, term.group] for name, term in self._terms], np.int64)
        # A last column counts rows, whatever their labels.
        width = len(survey.labels) + 1
        self._everyone = np.zeros((self._strata, width), np.int64)
        self._by_term = np.zeros((len(self._terms), width), np.int64)
        self._by_mention = np.zeros((len(self._mentioned) * self._strata, width), np.int64)
        self._by_column = {
            column: np.zeros((len(groups) * self._strata, width), np.int64)
            for column, groups in survey.columns.items()
        }
        self._stating = {
            column: np.zeros((self._strata, width), np.int64) for column in survey.columns
        }
        self._seen, self._has_clusters = 0, False
        self._by_unit = np.zeros((MAX_UNITS, width), np.int64)
        self._terms_by_unit = _empty(len(self._terms) * MAX_UNITS, width)

    def add(self, rows: pa.Table) -> None:
        texts = texts_of(self._survey.shape, rows)
        strata = self._strata_of(rows, texts)
        labels = self._labels_of(rows)
        everyone = np.arange(rows.num_rows)
        self._everyone += _tally(everyone, strata, self._strata, labels)
        for column, groups in self._survey.columns.items():
            of_row, names = groups_by_row(rows[column])
            codes = _codes(names, groups)
            known = codes >= 0
            stated = _Pairs.distinct(of_row[known], codes[known], len(groups))
            self._by_column[column] += self._by_stratum(stated, len(groups), strata, labels)
            stating = np.unique(of_row[known])
            self._stating[column] += _tally(stating, strata[stating], self._strata, labels)
        terms = self._terms_of(texts)
        self._by_term += _tally(terms.rows, terms.codes, len(self._terms), labels)
        if self._survey.clustered:
            units = self._units_of(rows[CLUSTER].to_pylist())
            self._by_unit += _tally(everyone, units, MAX_UNITS, labels)
            codes = terms.codes * MAX_UNITS + units[terms.rows]
            having = _Pairs(terms.rows, codes).matrix(rows.num_rows, len(self._terms) * MAX_UNITS)
            self._terms_by_unit = self._terms_by_unit + (having.T @ labels).tocsr()
        size = len(self._mentioned)
        mentioned = _Pairs.distinct(terms.rows, self._group_of[terms.codes], size)
        self._by_mention += self._by_stratum(mentioned, size, strata, labels)

    def counts(self) -> Counts:
        mentioned: dict[str, dict[str, Facet]] = {name: {} for name in self._survey.terms}
        facets = self._facets(self._by_mention)
        for (attribute, group), facet in zip(self._mentioned, facets, strict=True):
            mentioned[attribute][group] = facet
        return Counts(
            everyone=_facet(self._everyone),
            stated={
                column: dict(zip(groups, self._facets(self._by_column[column]), strict=True))
                for column, groups in self._survey.columns.items()
            },
            stating={column: _facet(counts) for column, counts in self._stating.items()},
            mentioned=mentioned,
            terms=tuple(
                TermCount(attribute, term, int(counts[-1]), counts[:-1], self._unit_counts(place))
                for place, ((attribute, term), counts) in enumerate(
                    zip(self._terms, self._by_term, strict=True)
                )
            ),
            by_unit=self._by_unit if self._has_clusters else None,
        )

    def _unit_counts(self, place: int) -> "sparse.csr_array | None":
        if not self._has_clusters:
            return None
        return self._terms_by_unit[place * MAX_UNITS : (place + 1) * MAX_UNITS]

    def _units_of(self, clusters: list[str | None]) -> Ints:
        """A unit for each row, (N,): clusters by the hash of their name, other rows in turn.

        Clusters that share a unit are independent, and leave the variance between units what it is
        between clusters; so what is held does not grow with them.
        """
        first, self._seen = self._seen, self._seen + len(clusters)
        self._has_clusters |= any(cluster is not None for cluster in clusters)
        return np.array(
            [
                (first + row if cluster is None else zlib.crc32(cluster.encode())) % MAX_UNITS
                for row, cluster in enumerate(clusters)
            ],
            dtype=np.int64,
        )

    def _facets(self, counts: Ints) -> list[Facet]:
        return [_facet(block) for block in counts.reshape(-1, self._strata, counts.shape[1])]

    def _by_stratum(
        self, pairs: _Pairs, size: int, strata: Ints, labels: "sparse.csr_array"
    ) -> Ints:
        codes = pairs.codes * self._strata + strata[pairs.rows]
        return _tally(pairs.rows, codes, size * self._strata, labels)

    def _strata_of(self, rows: pa.Table, texts: pa.ChunkedArray) -> Ints:
        if not self._survey.strata:
            lengths = pc.utf8_length(texts).to_numpy()
            quartiles: Ints = np.searchsorted(self._survey.edges, lengths).astype(np.int64)
            return quartiles
        of_stratum = _codes(rows[self._survey.conditional_on], self._survey.strata)
        return np.where(of_stratum >= 0, of_stratum, self._strata - 1)

    def _labels_of(self, rows: pa.Table) -> "sparse.csr_array":
        """Which row has which label, shape (N, L + 1); all have the last one."""
        everyone = np.arange(rows.num_rows)
        size = len(self._survey.labels)
        pairs = self._label_pairs(rows)
        both = _Pairs(
            np.concatenate([pairs.rows, everyone]),
            np.concatenate([pairs.codes, np.full(rows.num_rows, size)]),
        )
        return both.matrix(rows.num_rows, size + 1)

    def _label_pairs(self, rows: pa.Table) -> _Pairs:
        column, labels = label_column(self._survey.shape), self._survey.labels
        if column is None:
            return _Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
        values = rows[column.name].combine_chunks()
        if column.kind == "number":
            above = values.to_numpy() > self._survey.median
            return _Pairs(np.arange(rows.num_rows), above.astype(np.int64))
        if column.kind == "label":
            codes = _codes(values, labels)
            return _Pairs(*_where(codes, codes >= 0))
        of_row = pc.list_parent_indices(values).to_numpy().astype(np.int64)
        flat = pc.list_flatten(values)
        if column.kind == "tags":  # B-person and I-person are of the type person
            flat = pc.replace_substring_regex(flat, "^[^-]*-?", "")
        codes = _codes(flat, labels)
        return _Pairs.distinct(of_row[codes >= 0], codes[codes >= 0], len(labels))

    def _terms_of(self, texts: pa.ChunkedArray) -> _Pairs:
        found = [
            (row, place)
            for row, text in enumerate(texts.to_pylist())
            for place in self._finder.find(text)
        ]
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        return _Pairs(pairs[:, 0], pairs[:, 1])


def _empty(rows: int, columns: int) -> "sparse.csr_array":
    return sparse.csr_array((rows, columns), dtype=np.int64)


def _tally(rows: Ints, codes: Ints, size: int, labels: "sparse.csr_array") -> Ints:
    """How many rows with each code have each label, shape (size, L + 1)."""
    having = _Pairs(rows, codes).matrix(labels.shape[0], size)
    counts: Ints = (having.T @ labels).toarray()
    return counts


def _codes(values: pa.Array | pa.ChunkedArray, known: tuple[str, ...]) -> Ints:
    """Place of each value among the known ones; -1 for null and what is not known."""
    places = pc.index_in(values, value_set=pa.array(known, pa.string()))
    codes: Ints = places.fill_null(-1).to_numpy().astype(np.int64)
    return codes


def _where(codes: Ints, chosen: "np.typing.NDArray[np.bool_]") -> tuple[Ints, Ints]:
    return np.flatnonzero(chosen), codes[chosen]


def _facet(counts: Ints) -> Facet:
    return Facet(counts[:, -1], counts[:, :-1])
