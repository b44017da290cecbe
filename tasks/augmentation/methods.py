"""The methods by name: how each changes a text, and of which rows the label then still holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from tasks.augmentation.settings import ChangeSettings, MethodSettings, SwapSettings
from tasks.perturbations.chinese import homophones, similar_characters, swap_segments
from tasks.perturbations.typing_noise import keyboard_noise, spelling_noise
from tasks.perturbations.words import delete_words, insert_words, swap_words
from tasks.protected_groups.swapping import SwapList, about_another, read_swaps
from tasks.protected_groups.word_files import swap_file
from tasks.task_types.rows import RowShape

Change = Callable[[str, float, Random], str | None]

COUNTERFACTUAL: Final = "counterfactual"
INSERTION: Final = "word_insertion"
BACK_TRANSLATION: Final = "back_translation"
CHANGES: Final[Mapping[str, Change]] = {
    "word_swap": swap_words,
    "word_deletion": delete_words,
    "keyboard_noise": keyboard_noise,
    "spelling_noise": spelling_noise,
    "homophones": homophones,
    "similar_characters": similar_characters,
    "segment_order": swap_segments,
}
# Answers that are no place in the text, and no text: a changed word leaves them what they are.
_KEPT_ANSWERS: Final = frozenset({"label", "labels", "number"})
_DRAWN_DONORS: Final = 4
_OF_ONE_TEXT: Final = {
    COUNTERFACTUAL: "its rows have several texts, and all would have to be about the same other "
    "person",
    BACK_TRANSLATION: "its rows have several texts, and one in other words may not fit the others",
}


def why_not(method: str, shape: RowShape) -> str:
    """Why the label of a row would not hold after a method's change; empty where it does.

    Args:
        method: its name.
        shape: of the line's task type.

    """
    if shape.has_tags or shape.passage or shape.entities:
        return (
            "its answers are places in a text, or stand at its words, and a word that moves, goes "
            "or comes would tear them"
        )
    answered = shape.answered
    if {column.kind for column in shape.inputs} != {"text"}:
        return "its rows are not of texts alone"
    if answered is None or answered.kind not in _KEPT_ANSWERS:
        return "what it learns to answer is text itself, of which a changed input is no copy"
    if method == INSERTION and answered.kind == "number":
        return "words are taken of rows with the same label, and its answers are numbers"
    return _OF_ONE_TEXT.get(method, "") if len(shape.inputs) > 1 else ""


def attribute_labels(swaps: Sequence[str], labels: Sequence[str]) -> dict[str, list[str]]:
    """Labels that name the very groups whose words a list swaps, by list: these would be wrong.

    Args:
        swaps: names or files of swap lists.
        labels: of the line.

    Raises:
        SettingsError: a list cannot be read.

    """
    found = {}
    for name in swaps:
        groups = {_plain(group) for group in read_swaps(swap_file(name)).groups}
        if same := [label for label in labels if _plain(label) in groups]:
            found[name] = same
    return found


def told_of_attribute(swaps: str, labels: Sequence[str]) -> str:
    """Why a list must not change rows whose label it is about."""
    return (
        f"augmentation.counterfactual.swaps names {swaps}, whose groups {sorted(labels)} are "
        "labels of the line: a row about somebody else would need another label; take the list out"
    )


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").strip()


@dataclass(frozen=True)
class Donors:
    """Texts of the training rows by their label, for words that may come into another of it.

    Attributes:
        by_label: texts in the order of their ids.

    """

    by_label: Mapping[str, Sequence[str]]

    def draw(self, label: str, text: str, random: Random) -> str | None:
        """A text with this label, and another than this one; None where there is none."""
        texts = self.by_label.get(label, ())
        for _ in range(_DRAWN_DONORS if texts else 0):
            found = random.choice(texts)
            if found != text:
                return found
        return None


@dataclass(frozen=True)
class Translated:
    """What came back of a text.

    Attributes:
        back: the text; None where a translation line could not read or write the whole.
        reason: why no new row is made of it; empty where one may be.

    """

    back: str | None
    reason: str


class Changer:
    """One method, ready to change texts."""

    def __init__(
        self,
        name: str,
        settings: MethodSettings,
        donors: Donors,
        translated: Mapping[str, Translated] = MappingProxyType({}),
    ) -> None:
        """`translated`: of back-translation, what came back of each text."""
        self.name, self._donors, self._translated = name, donors, translated
        self._strength = settings.strength if isinstance(settings, ChangeSettings) else 0.0
        lists = settings.swaps if isinstance(settings, SwapSettings) else ()
        self._swaps: list[SwapList] = [read_swaps(swap_file(one)) for one in lists]

    def change(self, text: str, label: str, random: Random) -> str | None:
        """The text changed once; None where there is nothing to change."""
        if self.name == BACK_TRANSLATION:
            found = self._translated.get(text)
            return found.back if found and not found.reason else None
        if self.name == COUNTERFACTUAL:
            return about_another(text, self._swaps, random.choice)
        if self.name == INSERTION:
            donor = self._donors.draw(label, text, random)
            return None if donor is None else insert_words(text, self._strength, random, donor)
        return CHANGES[self.name](text, self._strength, random)

    def knows(self, text: str) -> bool:
        """Whether it can tell what becomes of a text: back-translation of those that it was given.

        These are the first in the order of the draws, as many as it takes.
        """
        return self.name != BACK_TRANSLATION or text in self._translated

    def why_unchanged(self, text: str) -> str:
        """Why `change` gave nothing; empty where all there is to say is that it did."""
        found = self._translated.get(text)
        return found.reason if found else ""
