"""One text explained, for whoever asks why a model answered as it did."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from infra.errors import SettingsError
from infra.transformers_logs import quiet_transformers
from tasks.explanation.gradients import baseline_of, check_captum
from tasks.explanation.methods import UNSIGNED, attribute
from tasks.explanation.network import ExplainedNetwork, Floats, Ints, load_network
from tasks.explanation.placed_answers import PlacedAnswer, targets_of
from tasks.explanation.placed_network import PlacedNetwork
from tasks.explanation.words import EncodedText
from tasks.records.explanation import BY_CAPTUM
from tasks.task_types.labels.explained_numbers import why_no_explanation
from tasks.task_types.placed_answers import PLACED

if TYPE_CHECKING:
    from tasks.task_types.limits import TokenLimits

SAYS = {
    "integrated_gradients": "The numbers of the words sum to how far the answer lies from that to "
    "the same text with every word masked.",
    "gradient_x_input": "The slope at this text alone: the numbers sum to nothing in particular.",
    "occlusion": "How far the answer falls when the word alone is masked; words that stand in for "
    "each other show as weak.",
    "attention_rollout": "How much attention carries from the word to where the answer is read: "
    "neither for nor against it, and the same for every answer.",
}
LIMITS = (
    "It shows what moved this model on this text, by one method: not whether the answer is right, "
    "not why people would give it, and not what another text would need."
)


@dataclass(frozen=True)
class ExplainedWord:
    """A word and what it adds to the answer.

    Attributes:
        start: its first character in the text.
        end: the character behind its last one.
        value: None of a word behind the cut, which the model did not read.

    """

    text: str
    start: int
    end: int
    value: float | None


@dataclass(frozen=True)
class ExplainedAnswer:
    """Why a model answered a text as it did.

    Attributes:
        label: that is explained; empty where the model gives a number.
        passage: of the text, that the label is of: the words of a tag, the answer to a question;
            empty where it is of the whole text.
        predicted: the model's own answer, which may be another one; its likeliest label.
        probability: of the label; None where the model gives a number.
        number: the explained number: log-odds of the label, or the number itself.
        masked: the same of the text with every word masked.
        words: in the order of the text.
        delta: convergence delta of integrated gradients; None of other methods.

    """

    text: str
    method: str
    label: str
    passage: str
    predicted: str
    probability: float | None
    number: float
    masked: float
    words: tuple[ExplainedWord, ...]
    delta: float | None

    @property
    def is_signed(self) -> bool:
        """Whether the method tells for and against."""
        return self.method not in UNSIGNED

    @property
    def sentence(self) -> str:
        """What was answered, in one line."""
        if not self.label:
            return (
                f"The answer is {self.number:.4g}; with every word masked it is {self.masked:.4g}."
            )
        own = "" if self.label == self.predicted else f" (its answer is {self.predicted})"
        where = f' at "{self.passage}"' if self.passage else ""
        return (
            f"{self.label}{where} with probability {self.probability:.3f}{own}: log-odds "
            f"{self.number:.3f}, and {self.masked:.3f} with every word masked."
        )

    @property
    def strongest(self) -> tuple[ExplainedWord, ...]:
        """The words that the model read, the strongest first, whichever their sign."""
        read = [word for word in self.words if word.value is not None]
        return tuple(sorted(read, key=lambda word: (-abs(word.value or 0.0), word.start)))

    @property
    def says(self) -> str:
        """What the numbers are, and what they cannot show."""
        return f"{SAYS[self.method]} {LIMITS}"

    @property
    def cut(self) -> int:
        """Words behind the cut, which the model did not read."""
        return sum(word.value is None for word in self.words)


def check_can_be_explained(task_type: str, method: str) -> None:
    """Refuse what cannot be explained before a model is fetched.

    Args:
        task_type: of the model.
        method: of `settings.METHODS`.

    Raises:
        SettingsError: answers of the task type are not explained, or a package is missing.

    """
    why = why_no_explanation(task_type)
    if why and task_type not in PLACED:
        raise SettingsError(f"{why}; a single answer also of {' and '.join(PLACED)}")
    if method in BY_CAPTUM:
        check_captum()


def explain_texts(
    folder: Path,
    task_type: str,
    limits: "TokenLimits",
    texts: Sequence[str],
    method: str = "integrated_gradients",
    label: str = "",
) -> list[ExplainedAnswer]:
    """Explain a model's answers to texts.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        task_type: of the model.
        limits: lengths in tokens.
        texts: N texts.
        method: of `settings.METHODS`.
        label: that is explained; the model's own answer if left out.

    Raises:
        SettingsError: answers of the task type are not explained, or not by the method, or there is
            no such label.
        BaseModelError, TrainingError: the model cannot be asked.

    """
    with quiet_transformers():
        network = load_network(folder, task_type, limits)
        return explain_with(network, texts, method, label)


def explain_with(
    network: ExplainedNetwork, texts: Sequence[str], method: str, label: str = ""
) -> list[ExplainedAnswer]:
    """As `explain_texts`, by a model that was loaded already."""
    encoded = network.encode(texts)
    own = network.answers([one.ids for one in encoded])
    targets = np.full(len(encoded), network.target_named(label)) if label else own
    has_labels = bool(network.labels)
    labels = [(network.name_of(int(one)) if has_labels else "") for one in targets]
    predicted = [(network.name_of(int(one)) if has_labels else "") for one in own]
    return _told(network, encoded, targets, method, list(zip(labels, predicted, strict=True)))


def explain_placed(
    network: PlacedNetwork, answers: Sequence[PlacedAnswer], method: str
) -> list[ExplainedAnswer]:
    """Explain answers that lie at places of texts.

    Args:
        network: that gave them.
        answers: what is explained, N of them.
        method: of `settings.METHODS`.

    Raises:
        SettingsError: the model is not explained by the method.
        TrainingError: the model gives a score that is no number.

    """
    encoded = [one.encoded for one in answers]
    labels = [(one.label, one.predicted) for one in answers]
    passages = [one.passage for one in answers]
    return _told(network, encoded, targets_of(answers), method, labels, passages)


def _told(
    network: ExplainedNetwork,
    encoded: Sequence[EncodedText],
    targets: Ints,
    method: str,
    labels: Sequence[tuple[str, str]],
    passages: Sequence[str] = (),
) -> list[ExplainedAnswer]:
    """The explained answers to N texts; labels are what is explained, and what the model says."""
    found = attribute(network, encoded, targets, method)
    bases = [baseline_of(one, network.filler) for one in encoded]
    asked = [*(one.ids for one in encoded), *bases]
    numbers = network.numbers(asked, np.concatenate([targets, targets]))
    shares = network.moves(numbers)
    answers = []
    for row, (text, one) in enumerate(zip(encoded, found, strict=True)):
        label, predicted = labels[row]
        answers.append(
            ExplainedAnswer(
                text=text.text,
                method=method,
                label=label,
                passage=passages[row] if passages else "",
                predicted=predicted,
                probability=float(shares[row]) if network.labels else None,
                number=float(numbers[row]),
                masked=float(numbers[len(encoded) + row]),
                words=_explained_words(text, one.values),
                delta=one.delta,
            )
        )
    return answers


def _explained_words(text: EncodedText, values: Floats) -> tuple[ExplainedWord, ...]:
    return tuple(
        ExplainedWord(word.text, word.start, word.end, None if np.isnan(value) else float(value))
        for word, value in zip(text.words, values, strict=True)
    )
