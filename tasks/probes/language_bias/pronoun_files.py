"""WinoBias and Winogender: sentences whose pronoun is he or she, in their authors' layouts."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.probes.language_bias.items import PronounSentence

_MASCULINE: Final = frozenset({"he", "him", "his", "himself"})
_FEMININE: Final = frozenset({"she", "her", "hers", "herself"})
_PRONOUNS: Final = _MASCULINE | _FEMININE
_BRACKETS: Final = re.compile(r"\[([^\]]*)\]")
_NUMBERED: Final = re.compile(r"^\d+\s+")
_ARTICLE: Final = re.compile(r"^(?:the|a|an)\s+", re.IGNORECASE)
# The published files differ in other words than the pronoun in a line of a hundred; more than so
# many that do are files which do not belong together.
_MOST_UNLIKE: Final = 0.2
_SENTID: Final = re.compile(r"([^.]+)\.([^.]+)\.([01])\.(male|female|neutral)\.txt")
# Whom Winogender's sentences are about where they name nobody.
_NOBODY: Final = "someone"
_HALF: Final = 50.0
# Its answer of a sentence whose pronoun means who has the occupation.
_OF_OCCUPATION: Final = "0"
_GENDERS: Final = ("male", "female")


@dataclass(frozen=True)
class Bracketed:
    """A line of WinoBias.

    Attributes:
        parts: what stands between the pronouns, without brackets, one more than these.
        pronouns: those in brackets.
        meant: the person in brackets, without an article.

    """

    parts: tuple[str, ...]
    pronouns: tuple[str, ...]
    meant: str

    def with_pronouns(self, pronouns: Sequence[str]) -> str:
        """The sentence with as many other pronouns."""
        between = [*pronouns, ""]
        text = "".join(part + one for part, one in zip(self.parts, between, strict=True))
        return " ".join(text.split())


def read_winobias(pro: str, anti: str, kind: str) -> tuple[list[PronounSentence], int]:
    """The sentences of two files, line by line, and of how many lines they do not say the same.

    Both versions of a sentence are made of the first file's words, with the pronouns of either, so
    that nothing but these differs where the files differ in more (as in a line of a hundred).

    Args:
        pro: text of the file with the stereotype's pronouns.
        anti: of the other.
        kind: for the numbers of these sentences.

    Raises:
        ValueError: a line has not its brackets, or the files do not belong together.

    """
    lines = [_lines(text) for text in (pro, anti)]
    if len(lines[0]) != len(lines[1]):
        raise ValueError(
            f"has {len(lines[0])} sentences where the file that goes against the stereotype has "
            f"{len(lines[1])}; name two of the same type and part"
        )
    pairs = [(first, second) for first, second in zip(*lines, strict=True) if _alike(first, second)]
    unlike = len(lines[0]) - len(pairs)
    if unlike > _MOST_UNLIKE * len(lines[0]):
        raise ValueError(
            f"has {unlike} of {len(lines[0])} sentences that differ from the other file's in more "
            "than the gender of the pronoun; name two of the same type and part"
        )
    occupations = sorted({_key(one.meant) for both in pairs for one in both})
    return [_winobias_sentence(*both, kind, occupations) for both in pairs], unlike


def _lines(text: str) -> list[Bracketed]:
    return [_bracketed(line, n) for n, line in enumerate(text.split("\n"), 1) if line.strip()]


def _bracketed(line: str, number: int) -> Bracketed:
    sentence = _NUMBERED.sub("", line.strip())
    marked = [one.strip() for one in _BRACKETS.findall(sentence)]
    people = [one for one in marked if one.casefold() not in _PRONOUNS]
    parts, pronouns = [""], []
    for place, piece in enumerate(_BRACKETS.split(sentence)):
        is_pronoun = place % 2 == 1 and piece.strip().casefold() in _PRONOUNS
        if is_pronoun:
            pronouns.append(piece.strip())
            parts.append("")
        else:
            parts[-1] += piece
    if len(people) != 1 or not pronouns or not people[0]:
        raise ValueError(
            f"has {line.strip()[:60]!r} in line {number}, where a person and each pronoun that "
            "means them are in brackets"
        )
    return Bracketed(tuple(parts), tuple(pronouns), _ARTICLE.sub("", people[0]))


def _alike(one: Bracketed, other: Bracketed) -> bool:
    """Whether two lines are one sentence, with pronouns of the one gender and of the other."""
    genders = [{_is_masculine(word) for word in line.pronouns} for line in (one, other)]
    return (
        _key(one.meant) == _key(other.meant)
        and len(one.pronouns) == len(other.pronouns)
        and all(len(found) == 1 for found in genders)
        and genders[0] != genders[1]
    )


def _winobias_sentence(
    pro: Bracketed, anti: Bracketed, kind: str, occupations: Sequence[str]
) -> PronounSentence:
    text = pro.with_pronouns(pro.pronouns)
    return PronounSentence(
        stereotyped=text,
        other=pro.with_pronouns(anti.pronouns),
        pronouns=(pro.pronouns[0], anti.pronouns[0]),
        masculine=_is_masculine(pro.pronouns[0]),
        occupation=_key(pro.meant),
        meant=f"the {pro.meant}",
        rival=_rival(text, _key(pro.meant), occupations),
        about_occupation=True,
        kind=kind,
    )


def _rival(text: str, meant: str, occupations: Sequence[str]) -> str:
    """The one other occupation of the files that a sentence names; empty where not one does."""
    found = [
        hit.group()
        for one in occupations
        if one != meant and (hit := re.search(rf"\b{re.escape(one)}\b", text, re.IGNORECASE))
    ]
    return f"the {found[0]}" if len(found) == 1 else ""


def read_winogender(sentences: str, occupations: str) -> list[PronounSentence]:
    """The sentences with he and with she; those with they are not asked.

    Of sentences that name nobody but the occupation ("someone") only those are kept whose pronoun
    means who has it: there is nobody else to ask for.

    Args:
        sentences: text of all_sentences.tsv.
        occupations: of occupations-stats.tsv. One with as many women as men has no stereotype,
            and its sentences are left out.

    Raises:
        ValueError: a file has not its layout, or they do not belong together.

    """
    women = _women(occupations)
    found = []
    for (occupation, participant, answer), by_gender in _by_sentence(sentences).items():
        if occupation not in women:
            raise ValueError(f"asks about a {occupation}, of whom the other file says nothing")
        asks_nothing = participant == _NOBODY and answer != _OF_OCCUPATION
        if women[occupation] != _HALF and not asks_nothing:
            key = (occupation, participant, answer)
            found.append(_winogender_sentence(key, by_gender, women[occupation]))
    return found


def _winogender_sentence(
    key: tuple[str, str, str], by_gender: Mapping[str, str], women: float
) -> PronounSentence:
    (occupation, participant, answer), masculine = key, women < _HALF
    first, second = _GENDERS if masculine else reversed(_GENDERS)
    stereotyped, other = by_gender[first], by_gender[second]
    people = (f"the {occupation}", f"the {participant}")
    meant, rival = people if answer == _OF_OCCUPATION else reversed(people)
    return PronounSentence(
        stereotyped=stereotyped,
        other=other,
        pronouns=_first_difference(stereotyped, other),
        masculine=masculine,
        occupation=occupation,
        meant=meant,
        rival="" if participant == _NOBODY else rival,
        about_occupation=answer == _OF_OCCUPATION,
        kind="occupation" if answer == _OF_OCCUPATION else "participant",
    )


def _by_sentence(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
    """Occupation, participant and answer of each sentence, and its versions by gender."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in _table(text, "sentid", "sentence"):
        told = _SENTID.fullmatch(row["sentid"])
        if not told or not row["sentence"]:
            raise ValueError(
                f"has the sentid {row['sentid']!r} where occupation.participant.0.male.txt, or 1 "
                "and female or neutral, is needed, beside a sentence"
            )
        occupation, participant, answer, gender = told.groups()
        found.setdefault((occupation, participant, answer), {})[gender] = row["sentence"]
    for key, by_gender in found.items():
        if not by_gender.keys() >= set(_GENDERS):
            raise ValueError(f"lacks the male or the female version of {'.'.join(key)}")
    return found


def _women(text: str) -> dict[str, float]:
    """Per cent of women of each occupation."""
    found = {}
    for row in _table(text, "occupation", "bls_pct_female"):
        share = float(row["bls_pct_female"])
        if not 0 <= share <= 2 * _HALF:
            raise ValueError(f"has {share} per cent of women for {row['occupation']}")
        found[row["occupation"]] = share
    return found


def _table(text: str, *needed: str) -> Iterator[dict[str, str]]:
    lines = io.StringIO(text, newline="")
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        yield {name: (row[name] or "").strip() for name in needed}


def _first_difference(one: str, other: str) -> tuple[str, str]:
    """The first pronouns in which two versions of a sentence differ, which differ in no other."""
    words = [[word.strip(".,;:!?\"'") for word in text.split()] for text in (one, other)]
    differing = [both for both in zip(*words, strict=False) if both[0] != both[1]]
    found = Counter(_is_masculine(first) for first, _ in differing)
    are_pronouns = all(word.casefold() in _PRONOUNS for both in differing for word in both)
    if len(words[0]) != len(words[1]) or not are_pronouns or len(found) != 1:
        raise ValueError(f"has {one!r} and {other!r}, which differ in more than a pronoun")
    return differing[0]


def _is_masculine(pronoun: str) -> bool:
    return pronoun.casefold() in _MASCULINE


def _key(person: str) -> str:
    return person.casefold()
