"""Which split a row falls in: a function of its identity, or of its cluster where it has one."""

import math
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel
from tasks.records.data import SPLITS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_HASH_RANGE = 2**64


class SplitSettings(SettingsModel):
    """Shares of the splits. Each label is split alike, in expectation."""

    train: float = Field(default=0.6, gt=0, lt=1, description="Share of texts to train on.")
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="Share of texts that choose the best epoch."
    )
    test: float = Field(default=0.3, gt=0, lt=1, description="Share of texts held out to evaluate.")
    salt: str = Field(default="", description="Another salt gives another split of the same texts.")

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"train, validation and test must sum to 1, and sum to {total:g}")
        return self


def splits_of(digests: "NDArray[np.uint8]", settings: SplitSettings) -> "pa.Array":
    """The splits of many identities or clusters, each by its SHA-256(salt + text).

    The first 64 bits are read as a fraction in [0, 1) and held against the cumulated shares. So
    equal texts share a split, and a row that is added moves no other.

    Args:
        digests: shape (N, 32).
        settings: the shares.

    """
    import numpy as np
    import pyarrow as pa

    fractions = digests[:, :8].copy().view(">u8")[:, 0].astype(np.float64) / _HASH_RANGE
    borders = [settings.train, settings.train + settings.validation]
    return pa.array(SPLITS).take(pa.array(np.searchsorted(borders, fractions, side="right")))
