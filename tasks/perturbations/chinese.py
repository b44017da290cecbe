"""Mistakes and turns of Chinese texts: homophones, similar characters, words in another order.

People who type Chinese by pinyin choose a wrong character of the same sound; people who write it,
or a machine that reads it from an image, one of a similar shape (Liu et al. 2011,
doi:10.1145/1967293.1967297). Pinyin and segmentation are those of snownlp; characters that come in
are of the first level of GB 2312, the 3,755 frequent ones.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

from infra.errors import SettingsError
from tasks.perturbations.untouched import is_untouched
from tasks.perturbations.words import count_of

SIMILAR_FILE: Final = Path(__file__).parent / "similar_characters.csv"
HAN: Final = re.compile("[\u4e00-\u9fff]+")
# Bytes of GB 2312 between which its first level lies.
_FIRST_LEVEL: Final = (b"\xb0\xa1", b"\xd7\xf9")
_LEAST_WORDS: Final = 2


def homophones(text: str, strength: float, random: Random) -> str | None:
    """A share of the Chinese characters, at least one, is another of the same sound, tones apart.

    Returns:
        The changed text; None where no character has one.

    """
    return _replace_characters(text, strength, random, _same_sound())


def similar_characters(text: str, strength: float, random: Random) -> str | None:
    """A share of the Chinese characters, at least one, is another of a similar shape.

    Returns:
        The changed text; None where no character has one.

    """
    return _replace_characters(text, strength, random, read_similar(SIMILAR_FILE))


def swap_segments(text: str, strength: float, random: Random) -> str | None:
    """Exchange neighbouring Chinese words between two punctuation marks.

    Returns:
        The changed text; None where no two words stand side by side that may move.

    """
    parts = segments(text)
    beside = [
        place
        for place, (one, other) in enumerate(pairwise(parts))
        if _may_move(one) and _may_move(other) and one != other
    ]
    if not beside:
        return None
    wanted = count_of(strength, sum(map(_may_move, parts)))
    moved: set[int] = set()
    for place in random.sample(beside, len(beside)):
        if len(moved) // 2 < wanted and not moved & {place, place + 1}:
            moved |= {place, place + 1}
            parts[place], parts[place + 1] = parts[place + 1], parts[place]
    return "".join(parts)


def segments(text: str) -> list[str]:
    """A text cut in pieces: Chinese words, and what stands between them as it is."""
    from snownlp import seg

    parts: list[str] = []
    end = 0
    for run in HAN.finditer(text):
        parts += [text[end : run.start()]] * (run.start() > end)
        parts += seg.single_seg(run[0])
        end = run.end()
    return [*parts, *[text[end:]] * (end < len(text))]


def read_similar(path: Path) -> Mapping[str, str]:
    """For each character those of a similar shape, from a list of groups of such.

    Raises:
        SettingsError: the list cannot be read, or a group has fewer than two.

    """
    return _similar(path)


@cache
def _similar(path: Path) -> Mapping[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            groups = [row["characters"] for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise SettingsError(f"the list {path} of similar characters cannot be read: {error}") from (
            error
        )
    found: dict[str, list[str]] = {}
    for group in groups:
        if len(set(group)) < _LEAST_WORDS:
            raise SettingsError(f"the list {path} has the group {group!r}; right would be two")
        for one in group:
            found.setdefault(one, []).extend(other for other in group if other != one)
    return {one: "".join(dict.fromkeys(others)) for one, others in found.items()}


@cache
def _same_sound() -> Mapping[str, str]:
    """For each frequent character the other frequent ones of a sound that it has."""
    by_sound: dict[str, list[str]] = {}
    for line in _pinyin_file().read_text(encoding="utf-8").splitlines():
        word, *sounds = line.split()
        if len(word) == 1 and len(sounds) == 1 and is_frequent(word):
            by_sound.setdefault(sounds[0], []).append(word)
    found: dict[str, dict[str, None]] = {}
    for together in by_sound.values():
        for one in together:
            found.setdefault(one, {}).update(dict.fromkeys(together))
    return {
        one: "".join(other for other in others if other != one)
        for one, others in found.items()
        if len(others) > 1
    }


def is_frequent(character: str) -> bool:
    """Whether a character is of the first level of GB 2312."""
    try:
        code = character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    first, last = _FIRST_LEVEL
    return first <= code <= last


def _pinyin_file() -> Path:
    """The list of sounds that snownlp brings, which is read without importing all of it."""
    spec = find_spec("snownlp")
    if spec is None or spec.origin is None:
        raise SettingsError("the package snownlp, which knows how characters sound, is missing")
    return Path(spec.origin).parent / "normal" / "pinyin.txt"


def _replace_characters(
    text: str, strength: float, random: Random, others: Mapping[str, str]
) -> str | None:
    signs: Sequence[str] = list(text)
    han = [place for place, sign in enumerate(signs) if HAN.match(sign)]
    places = [n for n in han if signs[n] in others and not is_untouched(signs[n])]
    if not places:
        return None
    changed = list(signs)
    for place in random.sample(places, min(len(places), count_of(strength, len(han)))):
        changed[place] = random.choice(others[signs[place]])
    return "".join(changed)


def _may_move(part: str) -> bool:
    return bool(HAN.fullmatch(part)) and not is_untouched(part)
