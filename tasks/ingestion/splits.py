"""Which split a row falls in: by its hash, or as a column of the source or the source itself says.

By hash it is a function of the row's identity, or of its cluster where it has one.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra.settings_models import SettingsModel
from tasks.records.data import SPLITS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_HASH_RANGE = 2**64

SplitName = Literal["train", "validation", "test"]
# As people write the splits, in small letters.
SPLIT_WORDS: Final[Mapping[str, SplitName]] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}


class SplitSettings(SettingsModel):
    """Shares of the splits, by hash: each label is split alike, in expectation. Or who gives them.

    Where a column or the sources say the split of each row, and there are no validation rows among
    them, the share of validation is taken out of the training rows by hash: that of
    validation / (train + validation).
    """

    train: float = Field(default=0.6, gt=0, lt=1, description="Share of texts to train on.")
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="Share of texts that choose the best epoch."
    )
    test: float = Field(default=0.3, gt=0, lt=1, description="Share of texts held out to evaluate.")
    salt: str = Field(default="", description="Another salt gives another split of the same texts.")
    column: str | None = Field(
        default=None,
        min_length=1,
        description="Column of the source that says of each row which split it is of, as a "
        "published data set has it. Read are train and training; validation, valid, val, dev, "
        "development and eval; test and testing; in any case. The shares then count only where "
        "there are no validation rows: they are taken by hash out of the training rows.",
    )
    words: dict[str, SplitName] = Field(
        default={},
        description="Other words of `column`, and the split that each stands for: "
        "{holdout: test, 0: train}.",
    )
    by_source: dict[str, SplitName] = Field(
        default={},
        description="The split that each of several sources is of, by its name under `sources`: "
        "{train: train, dev: validation, test: test}. Several may be of one split.",
    )

    fresh: int = Field(
        default=100,
        ge=30,
        description="Fewest test rows that no earlier look has read, for fresh.METRIC and "
        "fresh.METRIC_gain (over the champion) to be told of them. They are judged at 95%, "
        "however many looks the other rows have had.",
    )

    @field_validator("words", mode="before")
    @classmethod
    def _words_are_texts(cls, given: Any) -> Any:
        """Numbers as a column of them is read; what YAML made of a word is refused."""
        if not isinstance(given, Mapping):
            return given
        if misread := [word for word in given if isinstance(word, bool | float) or word is None]:
            raise ValueError(
                f"{misread} are no words; YAML reads yes, no, on, off, true, false, null and 1.0 "
                "otherwise than as text: put them in quotes"
            )
        read = {str(word).strip().lower(): split for word, split in given.items()}
        if len(read) < len(given):
            raise ValueError(f"{list(given)} names a word twice, whatever its case; keep one")
        return read

    @model_validator(mode="after")
    def _one_says_the_split(self) -> Self:
        if self.column is not None and self.by_source:
            raise ValueError(
                f"splits.column ({self.column!r}) and splits.by_source both say the split of each "
                "row; keep one of them"
            )
        if self.words and self.column is None:
            raise ValueError("splits.words are of splits.column, which is not set; name the column")
        return self

    @model_validator(mode="after")
    def _sources_train_and_test(self) -> Self:
        lacking = {"train", "test"} - set(self.by_source.values()) if self.by_source else set()
        if lacking:
            raise ValueError(
                f"splits.by_source has no source for {' and '.join(sorted(lacking))}; a model "
                "needs rows to learn from and rows to be tested on (validation may be missing, and "
                "is then taken out of train by hash)"
            )
        return self

    @model_validator(mode="after")
    def _known_words_keep_their_meaning(self) -> Self:
        for word, split in self.words.items():
            if SPLIT_WORDS.get(word, split) != split and word in SPLITS:
                raise ValueError(
                    f"splits.words makes {word} the split {split}, and {word} is the name of "
                    "another; rename it in the source if that is meant"
                )
        return self

    @property
    def are_given(self) -> bool:
        """Whether something else than the hash says the split of each row."""
        return self.column is not None or bool(self.by_source)

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
