"""MinHash signatures of texts, cut into bands: rows that share a band are candidates.

Broder, On the resemblance and containment of documents (1997); the banding is that of Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, chapter 3. Two texts of Jaccard similarity s
agree in a band of r minima with probability s^r, and so in one of b bands at least with
probability 1 - (1 - s^r)^b.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.validation.leakage.hashing import hash_shingles, mix
from tasks.validation.leakage.settings import LeakageSettings

# Of pairs that are exactly as alike as the threshold; of those that are more so, more are found.
_RECALL_AT_THRESHOLD: Final = 0.99
# One pair in 30,000 at the threshold deviates by more.
_DEVIATIONS: Final = 4

Signatures: TypeAlias = NDArray[np.uint32]


@dataclass(frozen=True)
class Bands:
    """How a signature is cut: so many bands of so many minima each."""

    count: int
    minima: int

    def recall(self, similarity: float) -> float:
        """The share of pairs of this Jaccard similarity that become candidates, in expectation."""
        return float(1 - (1 - similarity**self.minima) ** self.count)


def choose_bands(permutations: int, threshold: float) -> Bands:
    """The longest bands that still find enough pairs: the longer, the fewer false candidates."""
    cuts = (Bands(permutations // minima, minima) for minima in range(permutations, 0, -1))
    enough = (bands for bands in cuts if bands.recall(threshold) >= _RECALL_AT_THRESHOLD)
    return next(enough, Bands(permutations, 1))


def hash_bands(signatures: Signatures, bands: Bands) -> NDArray[np.uint64]:
    """One hash a band of each signature, shape (texts, bands)."""
    used = signatures[:, : bands.count * bands.minima]
    by_band = used.reshape(len(signatures), bands.count, bands.minima)
    hashes = np.zeros((len(signatures), bands.count), np.uint64)
    for place in range(bands.minima):
        hashes = mix(hashes + by_band[:, :, place])
    return hashes


def sketch(signatures: Signatures) -> NDArray[np.uint8]:
    """The lowest byte of each minimum: enough to tell most false candidates (`least_agreement`)."""
    return signatures.astype(np.uint8)


def least_agreement(permutations: int, threshold: float) -> int:
    """Equal bytes that the sketches of a pair as alike as the threshold have at least.

    Bytes agree with probability s or, by chance, a little more (Li and König, b-bit minwise
    hashing, 2010), so their number deviates as a binomial one does, or less.
    """
    deviation = math.sqrt(permutations * threshold * (1 - threshold))
    return math.floor(permutations * threshold - _DEVIATIONS * deviation)


def sign(texts: Sequence[str], settings: LeakageSettings) -> Signatures:
    """The minima of each normalised text's shingles, shape (texts, permutations)."""
    from rensa import RMinHash

    shingles, offsets = hash_shingles(texts, settings.shingle_characters)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        shingles, offsets.astype(np.uint64), settings.permutations, settings.seed
    )
    values = np.fromiter(chain.from_iterable(matrix.to_rows()), np.uint32)
    return values.reshape(len(texts), settings.permutations)
