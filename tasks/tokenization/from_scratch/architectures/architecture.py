"""What an architecture needs for a model and a tokenizer to be built for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from infra.catalogue import Catalogue
from tasks.tokenization.settings import ScratchSettings

# Width of a layer's inner part, in hidden sizes: the usual choice since the first transformer.
INNER_WIDTHS: Final = 4

ARCHITECTURES: Final[Catalogue["Architecture"]] = Catalogue(
    chosen_by="architecture",
    entries={
        "bert": "tasks.tokenization.from_scratch.architectures.bert:BERT",
        "gpt2": "tasks.tokenization.from_scratch.architectures.gpt2:GPT2",
        "llama": "tasks.tokenization.from_scratch.architectures.llama:LLAMA",
        "t5": "tasks.tokenization.from_scratch.architectures.t5:T5",
        "bart": "tasks.tokenization.from_scratch.architectures.bart:BART",
    },
)


@dataclass(frozen=True)
class Architecture:
    """An architecture as transformers names it.

    Attributes:
        auto_class: with all heads that it is pretrained with; a task type takes what it needs.
        sizes: a line's settings as its configuration calls them.
        special_tokens: what transformers calls each special token, in the order of their ids.
        around_one: what stands around one text, as tokenizers' `TemplateProcessing` reads it;
            empty where nothing does.
        around_two: what stands around two.
        keeps_spaces: whether a text must come back as it was, so that no space is put before it.
        decoder_start: which special token its decoder begins with, and must end with, by the name
            that its configuration has for it; empty where it has no decoder of its own.

    """

    auto_class: str
    sizes: Callable[[ScratchSettings], dict[str, Any]]
    special_tokens: Mapping[str, str]
    around_one: str = ""
    around_two: str = ""
    keeps_spaces: bool = False
    decoder_start: Mapping[str, str] = field(default_factory=dict)


def architecture_of(settings: ScratchSettings) -> Architecture:
    """The architecture that a line chose."""
    return ARCHITECTURES.load(settings.architecture)
