"""Which network a task type's models are, where something else than torch may run it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Network:
    """A network as its examiner and its served script call it.

    Attributes:
        auto_class: name in transformers of the class that loads it.
        of_tokens: outputs that have a row for each token, by name.
        of_texts: outputs that have one for each text.

    """

    auto_class: str
    of_tokens: tuple[str, ...] = ()
    of_texts: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is read of its outputs, by name."""
        return (*self.of_tokens, *self.of_texts)


_TEXTS: Final = Network("AutoModelForSequenceClassification", of_texts=("logits",))
_TOKENS: Final = Network("AutoModelForTokenClassification", of_tokens=("logits",))
_SPANS: Final = Network("AutoModelForQuestionAnswering", of_tokens=("start_logits", "end_logits"))
_PAIRS: Final = Network(
    "AutoModelForPreTraining",
    of_tokens=("prediction_logits",),
    of_texts=("seq_relationship_logits",),
)
# One pass over a text, whose outputs are all that is asked of the network.
NETWORKS: Final[Mapping[str, Network]] = {
    "classification": _TEXTS,
    "multi_label": _TEXTS,
    "regression": _TEXTS,
    "tagging": _TOKENS,
    "relation_extraction": _TOKENS,
    "question_answering": _SPANS,
    "next_sentence": _PAIRS,
}


def why_no_compression(task_type: str, setting: str = "compression") -> str:
    """Why models of a task type are served as they were trained; empty where they can be smaller.

    Args:
        task_type: its name.
        setting: that asks for less of them.

    """
    if task_type in NETWORKS:
        return ""
    return (
        f"{setting} is of {', '.join(NETWORKS)}, and the task_type is {task_type}, whose models "
        "are asked otherwise than by one pass over a text, or are another distribution's; leave "
        f"{setting} out"
    )
