"""Spans that tags mark, read as strictly as seqeval's strict mode reads them.

Schemes: BIO, also called IOB2 (Tjong Kim Sang and Veenstra, Representing Text Chunks, EACL 1999);
BILOU and its twin IOBES (Ratinov and Roth, Design Challenges and Misconceptions in Named Entity
Recognition, CoNLL 2009). A sequence that breaks its scheme marks no span there: I-TYPE behind O is
none, and B-TYPE without its L-TYPE is none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# The tag of tokens that belong to nothing.
OUTSIDE_TAG: Final = "O"
_OUTSIDE, _OPENS, _GOES_ON, _CLOSES, _ALONE = range(5)
_ROLES: Final = 8  # more than there are
_ROLE_OF: Final[Mapping[str, int]] = {
    "B": _OPENS, "I": _GOES_ON, "L": _CLOSES, "E": _CLOSES, "U": _ALONE, "S": _ALONE,
}  # fmt: skip
_SCHEMES: Final = (frozenset("BI"), frozenset("BILU"), frozenset("BIES"))
_PREFIXED: Final = re.compile(r"([BIOLUES])-(.+)", re.DOTALL)


@dataclass(frozen=True)
class TagSet:
    """What each tag of a list of L tags says of spans.

    Attributes:
        roles: (L,) whether it opens, goes on with, closes or is a span, or lies outside.
        types: (L,) number of the span's type; 0 where it lies outside.
        names: of the types.

    """

    roles: Ints
    types: Ints
    names: tuple[str, ...]

    @property
    def meanings(self) -> Ints:
        """Role and type (L,) of each tag in one number."""
        return self.types * _ROLES + self.roles

    @classmethod
    def of_meanings(cls, meanings: Ints) -> "TagSet":
        """The tags of these numbers; the types have no names."""
        types = meanings // _ROLES
        return cls(meanings % _ROLES, types, ("",) * (int(types.max(initial=0)) + 1))

    def ends(self, tags: Ints, first: NDArray[np.bool_]) -> Ints:
        """Where spans end.

        Args:
            tags: (M,) tags of all tokens of all rows, by their place in the list.
            first: (M,) which tokens begin a row.

        Returns:
            (M,) for a token that opens a span, the place behind its last token; 0 for others.

        """
        roles, types = self.roles[tags], self.types[tags]
        joined = np.zeros(len(tags), dtype=np.bool_)
        joined[1:] = (
            ((roles[1:] == _GOES_ON) | (roles[1:] == _CLOSES))
            & ((roles[:-1] == _OPENS) | (roles[:-1] == _GOES_ON))
            & (types[1:] == types[:-1])
            & ~first[1:]
        )
        breaks = np.append(np.flatnonzero(~joined), len(tags))
        places = np.arange(len(tags))
        behind = breaks[np.searchsorted(breaks, places, side="right")]
        whole = roles == _OPENS
        if self._closes:
            whole &= roles[behind - 1] == _CLOSES
        return np.where(whole | (roles == _ALONE), behind, 0)

    def lenient_ends(self, tags: Ints, first: NDArray[np.bool_]) -> Ints:
        """Where spans end as seqeval's default mode reads them; the arguments are those of `ends`.

        A tag that breaks the scheme opens or ends a span there: I-TYPE behind O opens one, and
        B-TYPE without its E-TYPE is one (seqeval 1.2.2, ``get_entities``; the rules are those of
        conlleval, Tjong Kim Sang and Buchholz 2000, doi:10.3115/1117601.1117631).
        """
        roles = np.append(self.roles[tags], _OUTSIDE)
        types = np.append(np.where(roles[:-1] == _OUTSIDE, -1, self.types[tags]), -1)
        starts_row = np.append(first, True)
        before = np.concatenate([[_OUTSIDE], roles[:-1]])
        changes = np.concatenate([[True], types[1:] != types[:-1]]) | starts_row
        behind = np.where(starts_row, _OUTSIDE, roles)
        over = (
            np.isin(before, (_CLOSES, _ALONE))
            | (np.isin(before, (_OPENS, _GOES_ON)) & np.isin(behind, (_OPENS, _ALONE, _OUTSIDE)))
            | ((before != _OUTSIDE) & changes)
        )
        opens = (
            np.isin(roles, (_OPENS, _ALONE))
            | (
                (np.isin(before, (_CLOSES, _ALONE, _OUTSIDE)) | starts_row)
                & np.isin(roles, (_CLOSES, _GOES_ON))
            )
            | ((roles != _OUTSIDE) & changes)
        )[:-1]
        breaks, places = np.flatnonzero(over), np.flatnonzero(opens)
        ends = np.zeros(len(tags), dtype=np.int64)
        ends[places] = breaks[np.searchsorted(breaks, places, side="right")]
        return ends

    @property
    def _closes(self) -> bool:
        """Whether a span of several tokens needs a tag that closes it."""
        return bool(np.isin(self.roles, (_CLOSES, _ALONE)).any())


def read_tags(tags: Sequence[str], of_labels: Sequence[str] | None = None) -> TagSet:
    """Read tags by the scheme that a label set keeps.

    A label set that keeps none of the schemes, as parts of speech do, has spans of one token each:
    every tag but O is the type of one.

    Args:
        tags: L tags.
        of_labels: the label set; the tags themselves if left out.

    """
    labels = tags if of_labels is None else of_labels
    marked = [_PREFIXED.fullmatch(label) for label in labels if label != OUTSIDE_TAG]
    prefixes = {match[1] for match in marked if match}
    has_scheme = all(marked) and any(prefixes <= scheme for scheme in _SCHEMES)
    # With I alone nothing would ever open a span.
    read = _with_prefix if has_scheme and prefixes != {"I"} else _alone
    parsed = [read(tag) for tag in tags]
    names = tuple(sorted({name for role, name in parsed if role != _OUTSIDE}))
    places = {name: place for place, name in enumerate(names)}
    return TagSet(
        roles=np.array([role for role, _ in parsed], dtype=np.int64),
        types=np.array([places.get(name, 0) for _, name in parsed], dtype=np.int64),
        names=names,
    )


def _with_prefix(tag: str) -> tuple[int, str]:
    match = _PREFIXED.fullmatch(tag)
    return (_ROLE_OF.get(match[1], _OUTSIDE), match[2]) if match else (_OUTSIDE, "")


def _alone(tag: str) -> tuple[int, str]:
    return (_OUTSIDE, "") if tag == OUTSIDE_TAG else (_ALONE, tag)


@dataclass(frozen=True)
class SpanCounts:
    """Spans of each row and type.

    Attributes:
        right: (N, K) predicted spans with the bounds and the type of a true one.
        predicted: (N, K).
        true: (N, K).

    """

    right: Ints
    predicted: Ints
    true: Ints


def count_spans(
    truth: Ints, predicted: Ints, rows: Ints, size: int, tags: TagSet, *, lenient: bool = False
) -> SpanCounts:
    """Count spans over the tags of all rows, one row behind the other.

    Args:
        truth: (M,) true tags, by their place in `tags`.
        predicted: (M,) likewise.
        rows: (M,) row of each token, ascending.
        size: N rows.
        tags: K types.
        lenient: whether a sequence that breaks its scheme marks spans all the same.

    """
    read = tags.lenient_ends if lenient else tags.ends
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    is_true, is_predicted = read(truth, first), read(predicted, first)
    right = (
        (is_true > 0)
        & (is_true == is_predicted)
        & (tags.types[truth] == tags.types[predicted])
    )  # fmt: skip
    return SpanCounts(
        right=_counted(right, truth, rows, size, tags),
        predicted=_counted(is_predicted > 0, predicted, rows, size, tags),
        true=_counted(is_true > 0, truth, rows, size, tags),
    )


def _counted(opens: NDArray[np.bool_], tagged: Ints, rows: Ints, size: int, tags: TagSet) -> Ints:
    kinds = len(tags.names)
    cells = rows[opens] * kinds + tags.types[tagged[opens]]
    return np.bincount(cells, minlength=size * kinds).reshape(size, kinds)
