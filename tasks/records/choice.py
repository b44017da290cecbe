"""The base models that a line might start from, and what is known of each."""

from dataclasses import dataclass, field
from typing import Literal

from infra.store import Artifact
from tasks.records.identity import NOT_IDENTITY
from tasks.records.training import BaseModel

# best: of the highest number. as good: all of its interval lies within the margin of the best.
# worse: all of it lies below the best. not told: neither, on so few rows.
Standing = Literal["best", "as good", "worse", "not told", ""]


@dataclass(frozen=True)
class FoundModel:
    """A base model as it was looked up.

    Attributes:
        name: as the settings name it.
        base: by digest; None where it is not there, or is refused.
        licence: that its own files name; empty where they name none.
        size_bytes: of configuration, weights and tokenizer, as they are loaded.
        reason: why it cannot be a candidate; empty where it may be one.
        at_hand: whether it is on this machine, or could be fetched.

    """

    name: str
    base: BaseModel | None
    licence: str = ""
    size_bytes: int = 0
    reason: str = ""
    at_hand: bool = True


@dataclass(frozen=True)
class TokenUse:
    """How a base model's tokenizer reads the texts of a line.

    Attributes:
        rows: training rows that it was counted on.
        context: tokens of a text that the model takes, special ones left out; None where neither
            the model nor its tokenizer sets a limit.
        per_row: mean tokens of a row, special ones left out.
        unknown_share: of the tokens, 0 to 1.
        unit: what a text is counted in: words, or characters where most letters are of a script
            without spaces.
        per_unit: tokens a word, or a character that is no space.
        longer_share: of the rows, those that are longer than the context.
        cut_share: of the rows, those that ``tokenization.max_length`` cuts.

    """

    rows: int
    context: int | None
    per_row: float
    unknown_share: float
    unit: Literal["word", "character"]
    per_unit: float
    longer_share: float
    cut_share: float


@dataclass(frozen=True)
class ProbedModel:
    """What a base model comes to on a line's rows without training.

    Attributes:
        reason: why it cannot be trained for the line; empty where it can.
        parameters: of the model that a run would train, its head included.
        tokens: None where it cannot be trained.
        answers: Parquet, one row a validation row of the probe: row_id, and what the examiner
            measures; None where there is no probe.
        no_probe: why there is none.
        train_rows: that the probe learned from.
        validation_rows: that it answered.
        row_s: seconds that one pass over a row took, tokenization included; None without a probe.

    """

    reason: str = ""
    parameters: int = 0
    tokens: TokenUse | None = None
    answers: Artifact | None = None
    no_probe: str = ""
    train_rows: int = 0
    validation_rows: int = 0
    row_s: float | None = field(default=None, metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Number:
    """A number with the ends of its interval; all None where it cannot be told.

    Attributes:
        reason: why it cannot.

    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Candidate:
    """A base model among the others.

    Attributes:
        is_own: whether the line names it now.
        reason: why it cannot be taken; empty where it can.
        quality: of its probe on the validation rows, at 95%.
        behind_best: how much better it is than the best, on the same rows; of the best itself None.
            At a confidence that holds for all pairs of candidates together.
        standing: what that says.
        row_s: seconds of one pass over a row.
        training_s: estimated, of a run as the line stands.
        training_cost: likewise, in money; None without a price.

    """

    name: str
    is_own: bool
    licence: str = ""
    size_bytes: int = 0
    parameters: int = 0
    tokens: TokenUse | None = None
    reason: str = ""
    at_hand: bool = True
    quality: Number | None = None
    behind_best: Number | None = None
    standing: Standing = ""
    row_s: float | None = None
    training_s: float | None = None
    training_cost: float | None = None


@dataclass(frozen=True)
class Choice:
    """All base models of a choice, and which of them is recommended.

    Attributes:
        metric: that the probe is measured in.
        margin: how far behind the best a model may lie and still count as as good.
        train_rows: that the probes learned from; 0 without a probe.
        validation_rows: that they are measured on; 0 likewise.
        confidence: of the comparisons.
        candidates: best first; those that cannot be taken last.
        words_alone: the same metric of a model of words on the same rows; None without a probe.
        recommended: name of the candidate; empty where it cannot be told.
        why: the rule, or why none is recommended.
        notes: what else is to be known.
        basis: what the estimate of a training rests on; empty without one.

    """

    line: str
    task_type: str
    metric: str
    greater_is_better: bool
    margin: float
    train_rows: int
    validation_rows: int
    confidence: float
    candidates: tuple[Candidate, ...]
    words_alone: Number | None
    recommended: str
    why: str
    notes: tuple[str, ...] = ()
    basis: str = ""
