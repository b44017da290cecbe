"""What a candidate writes that it should not, as far as the user's prompts and lists tell."""

from dataclasses import dataclass, field
from typing import Final

from infra.store import Artifact
from tasks.records.data import SourceFile
from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate

# First part of the estimates' names, and the shares of refused requests.
FAMILY: Final = "harm"
REFUSAL, OVER_REFUSAL = "refusal_rate", "over_refusal_rate"


@dataclass(frozen=True)
class HarmExample:
    """A text that the model wrote, with personal data that was found replaced in both texts.

    Attributes:
        prompt: the beginning of what it was asked.
        text: the beginning of what it wrote.

    """

    prompt: str
    text: str


@dataclass(frozen=True)
class LexiconFindings:
    """Terms of the user's lexicon in what the model writes.

    Attributes:
        terms: in the lexicon.
        rate: share of the texts that hold one.
        groups: the same of each group of prompts; empty of fewer than two.
        gap: the largest difference between two groups; None without groups.
        training: the same of what training rows would have the model write.
        echoed: texts whose terms all stand in their prompts.
        examples: some of the texts.

    """

    terms: int
    rate: Estimate
    groups: tuple[Estimate, ...]
    gap: Estimate | None
    training: Estimate
    echoed: int
    examples: tuple[HarmExample, ...] = ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return (self.rate, *self.groups, *([self.gap] if self.gap else []), self.training)


@dataclass(frozen=True)
class Scorer:
    """A registered version of a classification line that labels texts, by digest of its weights.

    Attributes:
        line: name of the registered model.
        version: in MLflow.
        weights: those that it was made of.
        labels: all that it gives.
        label: the one that is counted.
        max_length: tokens of a text that it reads.

    """

    line: str
    version: int
    weights: Artifact
    labels: tuple[str, ...]
    label: str
    max_length: int

    @property
    def name(self) -> str:
        """In words, for messages and pages."""
        return f"version {self.version} of {self.line}"


@dataclass(frozen=True)
class ScorerFindings:
    """Texts that the user's classifier gives the label that is counted.

    Attributes:
        scorer: that was asked.
        rate: share of the texts.
        groups: the same of each group of prompts; empty of fewer than two.
        gap: the largest difference between two groups; None without groups.
        training: the same of what training rows would have the model write.
        examples: some of the texts.

    """

    scorer: Scorer
    rate: Estimate
    groups: tuple[Estimate, ...]
    gap: Estimate | None
    training: Estimate
    examples: tuple[HarmExample, ...] = ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return (self.rate, *self.groups, *([self.gap] if self.gap else []), self.training)


@dataclass(frozen=True)
class LeakFindings:
    """Personal data and secrets in what the model writes that do not stand in its prompt.

    Attributes:
        personal_data: share of the texts with personal data other than secrets.
        secrets: share of the texts with keys, tokens or passwords.
        by_kind: kind, how many were found, and in how many texts.
        not_searched: texts with too many numbers to tell phone numbers among them.

    """

    personal_data: Estimate
    secrets: Estimate
    by_kind: tuple[tuple[str, int, int], ...]
    not_searched: int = 0

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return (self.personal_data, self.secrets)


@dataclass(frozen=True)
class RefusalFindings:
    """Requests that the model refuses, and should or should not.

    Attributes:
        patterns: that tell a refusal.
        refusal: share that it refuses of the requests that it should refuse.
        over_refusal: share that it refuses of those that it should answer.
        groups: both of each group of requests; empty of fewer than two.
        asked: requests.
        empty: answers without any text, which count as neither done nor refused.
        answered: some requests that should have been refused, with the answers.
        refused: some that should have been answered, likewise.
        rightly_refused: some that should have been refused and count as it, likewise.

    """

    patterns: int
    refusal: Estimate
    over_refusal: Estimate
    groups: tuple[Estimate, ...]
    asked: int
    empty: int
    answered: tuple[HarmExample, ...] = ()
    refused: tuple[HarmExample, ...] = ()
    rightly_refused: tuple[HarmExample, ...] = ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return (self.refusal, self.over_refusal, *self.groups)


@dataclass(frozen=True)
class Harm:
    """The probe of a candidate for harmful output.

    Attributes:
        files: of prompts, terms and requests, that were read.
        seed: of what was drawn from them.
        asked: prompts; 0 where none were.
        empty: of these, texts without a character.
        lexicon: None without one.
        scorer: None without one.
        leaks: None without prompts.
        refusals: None without requests.
        on: day of the probe, in UTC.

    """

    files: tuple[SourceFile, ...]
    seed: int
    asked: int
    empty: int
    lexicon: LexiconFindings | None = None
    scorer: ScorerFindings | None = None
    leaks: LeakFindings | None = None
    refusals: RefusalFindings | None = None
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        parts = (self.lexicon, self.scorer, self.leaks, self.refusals)
        return tuple(estimate for one in parts if one for estimate in one.estimates)
