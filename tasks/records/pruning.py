"""What was cut away of a trained model before it was trained on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pruning:
    """What is left of a model, and what it was.

    Attributes:
        original_sha256: digest of the weights that it was cut out of.
        parameters_before: of these.
        parameters: that are left.
        layers_before: how many there were.
        layers: the kept ones, counted from 0.
        neurons_before: of the feed-forward network of each layer; 0 where none were cut away.
        neurons: of them that are left.
        rows: training examples that said what matters.

    """

    original_sha256: str
    parameters_before: int
    parameters: int
    layers_before: int
    layers: tuple[int, ...]
    neurons_before: int
    neurons: int
    rows: int

    @property
    def in_words(self) -> str:
        """What is left, for people."""
        parts = [f"{len(self.layers)} of {self.layers_before} layers"]
        if self.neurons:
            parts.append(f"{self.neurons:,} of {self.neurons_before:,} neurons in each")
        return ", ".join(parts)
