"""What was made of a trained model before it was judged."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Compression:
    """How a model was made smaller or faster than it was trained.

    Attributes:
        method: as in the setting ``compression.method``.
        original_sha256: digest of the weights that it was made of.
        original_bytes: of their files of weights.
        size_bytes: of the file that took their place.
        exported_difference: how far its float32 graph's outputs lie from torch's, as a share of the
            largest output, on made texts of several lengths.
        difference: the same of the file that is served.

    """

    method: str
    original_sha256: str
    original_bytes: int
    size_bytes: int
    exported_difference: float
    difference: float
