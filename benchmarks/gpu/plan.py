"""The steps of the check in their order, each with the seconds that it may take."""

from dataclasses import dataclass
from typing import Final

# All limits together, so that the check ends within eight minutes whatever happens.
TOTAL_S: Final = 475
# On a CPU with other work a tiny step waits long for its imports, and for the compiler.
TINY_LIMIT_S: Final = 400


@dataclass(frozen=True)
class Step:
    """A step of the check.

    Attributes:
        name: of its module in `benchmarks.gpu.steps`.
        limit_s: seconds after which its process is ended.
        what: it looks at, in a few words.

    """

    name: str
    limit_s: float
    what: str


STEPS: Final = (
    Step("prepare", 30, "texts, tokenizers, models and tokens, made on the spot"),
    Step("device", 12, "capability, precision by default, products and copies"),
    Step("choice", 50, "what `auto` measures and takes"),
    Step("precision", 25, "training in float32, TF32 and bfloat16"),
    Step("packing", 45, "packed rows against padded ones"),
    Step("compilation", 40, "torch.compile off and on"),
    Step("resume", 48, "kill -9 and resume, bit for bit"),
    Step("memory", 25, "out of memory; the peak against the estimate"),
    Step("adapters", 20, "LoRA on a decoder"),
    Step("scoring", 35, "scoring, counterfactuals, generation; the CPU's answers"),
    Step("ranks", 38, "one rank under torchrun; dropout drawn again"),
    Step("throughput", 57, "tokens a second against Trainer"),
    Step("utilisation", 50, "share of the card's own product; who waits for whom"),
)
