"""What `auto` came to: batching, precision and compilation, kept for a training."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from infra.device import Precision
from infra.errors import StoreError
from infra.store import ObjectStore

Batching = Literal["padded", "packed"]


@dataclass(frozen=True)
class Variant:
    """One way to carry out the same steps."""

    batching: Batching
    precision: Precision
    compiled: bool

    @property
    def name(self) -> str:
        """For example ``packed-bfloat16-compiled``."""
        return f"{self.batching}-{self.precision}" + ("-compiled" if self.compiled else "")


@dataclass(frozen=True)
class Choice:
    """The way that was taken, for the whole of a training.

    Attributes:
        tokens_per_s: real tokens a second of each variant that was measured, by name.

    """

    batching: Batching
    precision: Precision
    compiled: bool = False
    tokens_per_s: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, variant: Variant, tokens_per_s: dict[str, float] | None = None) -> "Choice":
        """The choice of a variant."""
        return cls(variant.batching, variant.precision, variant.compiled, tokens_per_s or {})

    def as_words(self) -> dict[str, str]:
        """As the settings of the same names have them."""
        return {
            "batching": self.batching,
            "precision": self.precision,
            "compile": "on" if self.compiled else "off",
        }

    def save(self, store: ObjectStore, key: str) -> None:
        """Keep for a training, so that a resumed or repeated one takes the same way."""
        store.put_bytes(_address(store, key), json.dumps(asdict(self)).encode())

    @classmethod
    def load(cls, store: ObjectStore, key: str) -> "Choice | None":
        """What `save` kept; None where there is nothing, or nothing that can be read."""
        uri = _address(store, key)
        if not store.exists(uri):
            return None
        try:
            return cls(**json.loads(store.get_bytes(uri)))
        except (StoreError, ValueError, TypeError):
            return None


def _address(store: ObjectStore, key: str) -> str:
    return store.uri("choices", f"{key}.json")
