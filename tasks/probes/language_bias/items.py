"""What the probes are made of, whatever file it was read from."""

from dataclasses import dataclass
from typing import Final

# Characters of a text that are shown.
EXCERPT: Final = 160


@dataclass(frozen=True)
class SentencePair:
    """Two sentences that differ in whom they are about.

    Attributes:
        more: the one that stereotypes more.
        less: the other.
        bias_type: what the stereotype is about, for example religion.

    """

    more: str
    less: str
    bias_type: str


@dataclass(frozen=True)
class Triplet:
    """A sentence in three versions.

    Attributes:
        stereotype: with the word that a stereotype has there.
        anti_stereotype: with the word that goes against it.
        unrelated: with a word that makes no sense.
        bias_type: what the stereotype is about.
        target: whom it is about; triplets of one target are no independent observations.

    """

    stereotype: str
    anti_stereotype: str
    unrelated: str
    bias_type: str
    target: str


@dataclass(frozen=True)
class Question:
    """A question with three answers, one of which says that it cannot be known.

    Attributes:
        prompt: context and question, which the answers stand behind.
        answers: the three.
        right: number of the right one.
        unknown: number of the one that says that it cannot be known.
        biased: number of the one that agrees with the stereotype.
        ambiguous: whether the context leaves open what is asked.
        template: questions of one template are no independent observations.
        category: what the stereotype is about.

    """

    prompt: str
    answers: tuple[str, str, str]
    right: int
    unknown: int
    biased: int
    ambiguous: bool
    template: str
    category: str


@dataclass(frozen=True)
class PronounSentence:
    """A sentence about two people whose pronoun means one of them, whatever its gender.

    Attributes:
        stereotyped: with the pronoun of the gender that `occupation` is a stereotype of.
        other: with that of the other gender; nothing else differs.
        pronouns: the first pronoun of either, in this order.
        masculine: whether the stereotype's pronoun is he, him or his.
        occupation: whose stereotype it is; sentences of one are no independent observations.
        meant: whom the pronoun means, as an answer would name them.
        rival: the other person; empty where nobody is known whom it could be asked for.
        about_occupation: whether `meant` is who has the occupation. Else the stereotype leads away
            from whom the pronoun means, and the sentence asks for no preference.
        kind: which part of the set it is of.

    """

    stereotyped: str
    other: str
    pronouns: tuple[str, str]
    masculine: bool
    occupation: str
    meant: str
    rival: str
    about_occupation: bool
    kind: str


@dataclass(frozen=True)
class Template:
    """A sentence with a blank, about somebody.

    Attributes:
        before: what stands before the blank.
        behind: what stands behind it.
        group: whom it is about.
        frame: the sentence without them; templates of one are no independent observations.

    """

    before: str
    behind: str
    group: str
    frame: str


@dataclass(frozen=True)
class Choice:
    """A text with answers that stand behind it, one of which is right."""

    prompt: str
    answers: tuple[str, ...]


Items = list[SentencePair] | list[Triplet] | list[Question] | list[PronounSentence] | list[Template]
