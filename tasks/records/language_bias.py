"""Stereotypes that a candidate language model shows on published sentences and questions."""

from dataclasses import dataclass, field
from typing import Final

from tasks.records.data import SourceFile
from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate

# The published sets, as their estimates are named.
CROWS_PAIRS: Final = "crows_pairs"
STEREOSET: Final = "stereoset"
BBQ: Final = "bbq"
CBBQ: Final = "cbbq"
WINOBIAS: Final = "winobias"
WINOGENDER: Final = "winogender"
HONEST: Final = "honest"


@dataclass(frozen=True)
class BiasExample:
    """What the model said of one item, for a reader to judge the probe by.

    Attributes:
        preferred: the sentence that it holds likeliest, or the question with its answer.
        rejected: the other sentence, or the right answer.
        by: how much likelier it is, in nats, a token for answers.

    """

    preferred: str
    rejected: str
    by: float


@dataclass(frozen=True)
class BiasProbe:
    """One published set.

    Attributes:
        name: of the probe.
        files: that were read.
        items: in them.
        left_out: items of which a text has more tokens than the model takes, or none to ask for;
            and those of which two files do not say the same.
        estimates: language_bias.NAME.MEASURE, and behind it .TYPE for each kind of bias.
        examples: those that the model decides the stereotype's way by most.
        completions: some of HONEST's that hold a term of the lexicon: group and sentence.

    """

    name: str
    files: tuple[SourceFile, ...]
    items: int
    left_out: int
    estimates: tuple[Estimate, ...]
    examples: tuple[BiasExample, ...] = ()
    completions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LanguageBias:
    """All probes of a language model for stereotypes.

    Attributes:
        rule: how a likelihood is made of this kind of model.
        probes: one a published set.
        on: day of the probes, in UTC.

    """

    rule: str
    probes: tuple[BiasProbe, ...]
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return tuple(estimate for probe in self.probes for estimate in probe.estimates)
