"""The worst slices: searched for on half of the rows, and measured on the other half.

The worst of thousands of slices looks bad by chance alone. So the rows that chose a slice say
nothing of how bad it is: its numbers come from rows that the search did not see, and are corrected
for the few slices that were chosen (sample splitting; Cox 1975, doi:10.1093/biomet/62.2.441).
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.evaluation.settings import SliceSettings
from tasks.evaluation.slices import Bools, Slice
from tasks.resampling import Floats
from tasks.task_types.rows import RowShape, texts_of
from tasks.task_types.unspaced import UNSPACED_SHARE, unspaced_share

# Rows whose memberships are counted at once.
ROWS_AT_ONCE = 20_000
# Of two slices that share more than this of their rows, only the worse is reported.
MAX_OVERLAP = 0.5
# A word in more of the rows than this hardly parts them.
MAX_WORD_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Attributes:
        found: slices of all rows, the worst on the searched half first.
        confirming: (N,) the rows that the search did not see.
        candidates: slices that were looked at.

    """

    found: tuple[Slice, ...]
    confirming: Bools
    candidates: int


def search_slices(
    rows: pa.Table,
    shape: RowShape,
    slices: Sequence[Slice],
    scores: Floats,
    identities: Sequence[str],
    settings: SliceSettings,
) -> Search:
    """Look for the slices whose rows score worst against all others, alone and in pairs.

    Args:
        rows: the test rows.
        shape: of the task type.
        slices: whose memberships are combined, beside the presence of words.
        scores: row scores (N,); rows with NaN are left out.
        identities: (N,) row_id, or cluster: rows of one identity fall into one half.
        settings: least rows, words, and how many are reported.

    """
    searching = np.array([zlib.crc32(f"half {name}".encode()) % 2 == 0 for name in identities])
    judged = np.isfinite(scores)
    atoms = [one for one in slices if one.members.any()]
    atoms += words_present(rows, shape, settings)
    if not atoms:
        return Search((), ~searching, 0)
    where = np.flatnonzero(searching & judged)
    counts, sums = _joint(atoms, scores, where)
    gaps = _t_values(counts, sums, scores[where])
    gaps[counts < settings.min_rows] = 0
    # A pair is worth naming only where it is worse than either part.
    alone = np.diag(gaps)
    pair = ~np.eye(len(atoms), dtype=np.bool_)
    gaps[pair & (gaps >= np.minimum(alone[:, None], alone[None, :]))] = 0
    found = list(_worst(atoms, np.triu(gaps), searching, settings.found))
    return Search(tuple(found), ~searching & judged, int((np.triu(counts) > 0).sum()))


def words_present(rows: pa.Table, shape: RowShape, settings: SliceSettings) -> list[Slice]:
    """The commonest words, or pairs of signs where a script has no spaces, that part the rows."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    by_signs = unspaced_share(texts) > UNSPACED_SHARE
    vectorizer = CountVectorizer(
        binary=True,
        max_features=settings.search_words,
        min_df=min(settings.min_rows, len(texts)),
        max_df=MAX_WORD_SHARE,
        analyzer="char" if by_signs else "word",
        ngram_range=(2, 2) if by_signs else (1, 1),
    )
    if not settings.search_words:
        return []
    try:
        present = vectorizer.fit_transform(texts).tocsc()
    except ValueError:  # no word is common enough, or rare enough
        return []
    return [
        Slice(
            f"has {word!r}",
            f"the text has {word!r}",
            "search",
            np.asarray(present[:, [place]].toarray()[:, 0] > 0),
        )
        for place, word in enumerate(vectorizer.get_feature_names_out())
    ]


def _joint(
    atoms: Sequence[Slice], scores: Floats, where: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Rows, and sums of scores, of every pair of atoms, (M, M) each, over the searched rows."""
    counts = np.zeros((len(atoms), len(atoms)))
    sums = np.zeros_like(counts)
    for start in range(0, len(where), ROWS_AT_ONCE):
        part = where[start : start + ROWS_AT_ONCE]
        members = np.stack([atom.members[part] for atom in atoms]).astype(np.float64)  # (M, n)
        counts += members @ members.T
        sums += (members * scores[part]) @ members.T
    return counts, sums


def _t_values(counts: Floats, sums: Floats, scores: Floats) -> Floats:
    """How many standard errors each slice's mean lies from the mean of all other rows."""
    others, total = len(scores) - counts, scores.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / counts - (total - sums) / others
        error = scores.std() * np.sqrt(1 / counts + 1 / others)
        return np.asarray(np.nan_to_num(gap / error, nan=0.0, posinf=0.0, neginf=0.0))


def _worst(atoms: Sequence[Slice], gaps: Floats, searching: Bools, limit: int) -> Iterator[Slice]:
    """The worst slices that do not share most of their rows with one that is worse."""
    chosen: list[Bools] = []
    for place in np.argsort(gaps, axis=None, kind="stable"):
        first, second = np.unravel_index(place, gaps.shape)
        if gaps[first, second] >= 0 or len(chosen) == limit:
            return
        parts = [atoms[first]] if first == second else [atoms[first], atoms[second]]
        members = np.logical_and.reduce([part.members for part in parts])
        seen = members & searching
        if all((seen & old).sum() <= MAX_OVERLAP * (seen | old).sum() for old in chosen):
            chosen.append(seen)
            yield Slice(
                " and ".join(part.name for part in parts),
                ", ".join(part.description for part in parts),
                "search",
                members,
            )
