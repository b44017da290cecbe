"""All records of a candidate together, and the check that every claim has its artifact."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from infra.store import Artifact
from tasks.records.augmentation import Augmentation
from tasks.records.data import DataReport, Drift, Representation, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores
from tasks.records.registry import Judgement, Staged, Version
from tasks.records.split_shift import NO_SHIFTS, SplitShifts
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.reporting.claims import unsupported_claims
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.settings import CardSettings
from tasks.verdicts import ALPHA, Estimate, GateResult, Verdict, ends_at, spent_on

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
SHORT_DIGEST: Final = 12


class EvidenceError(ValueError):
    """A report would claim something that no artifact stands behind: a defect of a stage."""


@dataclass(frozen=True)
class Evidence:
    """The records that a report is written from; nothing else is read."""

    line: str
    snapshot: Snapshot
    data: DataReport
    representation: Representation
    drift: Drift | None
    tokens: Tokens
    base_model: BaseModel
    weights: Weights
    scores: Scores
    fairness: Fairness
    version: Version
    staged: Staged | None
    judgement: Judgement
    card: CardSettings = field(default_factory=CardSettings)
    golden: GoldenScores | None = None
    shifts: SplitShifts = NO_SHIFTS
    augmentation: Augmentation | None = None

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Everything that was measured of the candidate."""
        staged = self.staged.estimates if self.staged else ()
        golden = self.golden.estimates if self.golden else ()
        return (*self.scores.measured, *self.fairness.estimates, *golden, *staged)

    @property
    def data_evidence(self) -> DataEvidence:
        """The records of the data alone."""
        return DataEvidence(
            self.line, self.snapshot, self.data, self.representation, self.drift,
            self.scores.label_checks, self.shifts,
        )  # fmt: skip

    def family(self, name: str) -> tuple[Estimate, ...]:
        """The estimates whose name starts with this part."""
        return tuple(e for e in self.estimates if e.name.startswith(f"{name}."))


@dataclass(frozen=True)
class Source:
    """An artifact that numbers come from.

    Attributes:
        name: one word, as the card and the page name it.
        address: in the store, or the base model's reference.
        size_bytes: None where it is not known.

    """

    name: str
    holds: str
    address: str
    sha256: str
    size_bytes: int | None

    @property
    def cited(self) -> str:
        """The name with the first digits of the digest."""
        return f"{self.name} {self.sha256[:SHORT_DIGEST]}"


def sources_of(evidence: Evidence) -> dict[str, Source]:
    """Every artifact of the candidate by its name.

    Raises:
        EvidenceError: an artifact has no address or no digest.

    """
    base = evidence.base_model
    reference = base.reference if base.revision is None else f"{base.reference}@{base.revision}"
    sources = [
        _stored("snapshot", "the source's rows, as they were read", evidence.snapshot.artifact),
        _stored("broken", "the rows that could not be read", evidence.snapshot.broken),
        _stored("data", "the rows that keep the contract", evidence.data.clean),
        _stored("quarantine", "the rows that break it, with reasons", evidence.data.quarantine),
        _stored("tokens", "token ids of every split", evidence.tokens.artifact),
        Source("base", "the base model's files", reference, base.sha256, None),
        Source("tokenizer", "the tokenizer's files", reference, base.tokenizer_sha256, None),
        _stored("weights", "the trained model", evidence.weights.artifact),
        _stored("scores", "a prediction for every test row", evidence.scores.artifact),
        *(
            _stored("augmented", "training rows that were made of others", one.artifact)
            for one in (evidence.augmentation,)
            if one is not None
        ),
        *(
            _stored("canaries", "planted training rows with secrets", one.planted.artifact)
            for one in (evidence.scores.memory.canaries if evidence.scores.memory else None,)
            if one is not None
        ),
        *(
            _stored(f"{one.kind} {one.name}", "a prediction for each of its rows", one.artifact)
            for one in (evidence.golden.sets if evidence.golden else ())
        ),
    ]
    for source in sources:
        if not source.address or not _SHA256.fullmatch(source.sha256):
            raise EvidenceError(
                f"{source.name} has address {source.address!r} and sha256 {source.sha256!r}; "
                "a report needs an address and 64 hexadecimal digits"
            )
    return {source.name: source for source in sources}


def _stored(name: str, holds: str, artifact: Artifact) -> Source:
    return Source(name, holds, artifact.uri, artifact.sha256, artifact.size_bytes)


def check_evidence(evidence: Evidence) -> None:
    """Refuse records that do not belong together.

    Raises:
        EvidenceError: with every mismatch that was found.

    """
    found = [*_mismatches(evidence)]
    if found:
        raise EvidenceError(
            f"no report for {evidence.line} version {evidence.version.version}: " + "; ".join(found)
        )


def _mismatches(evidence: Evidence) -> Iterator[str]:
    version, weights, staged = evidence.version, evidence.weights, evidence.staged
    if version.line != evidence.line:
        yield f"the version is of line {version.line!r}"
    if version.weights_sha256 != weights.artifact.sha256:
        yield f"the version was made of weights {version.weights_sha256}, not of these"
    if staged and staged.version != version.version:
        yield f"version {staged.version} was staged"
    if staged is None and evidence.judgement.verdict is Verdict.PASS:
        yield "the judgement passes, and nothing was staged"
    for name, labels in (("weights", weights.labels), ("scores", evidence.scores.labels)):
        if tuple(labels) != tuple(evidence.data.labels):
            yield f"{name} have labels {labels}, the data {evidence.data.labels}"
    yield from _unsupported_gates(evidence)
    yield from unsupported_claims(evidence.scores, evidence.fairness)


def _unsupported_gates(evidence: Evidence) -> Iterator[str]:
    """Gates that claim a number which nothing measured."""
    by_name = {estimate.name: estimate for estimate in evidence.estimates}
    judgement = evidence.judgement
    for gate in judgement.gates:
        if gate.value is not None and not _stands_behind(by_name.get(gate.metric), gate):
            yield f"gate {gate.metric} claims {gate.value}, which no record holds"
        family = gate.metric.split(".")[0]
        least = spent_on(family, judgement.look_share, judgement.golden_share)
        if gate.value is not None and _share_of(gate) < least:
            yield (
                f"gate {gate.metric} was judged at {gate.confidence:.4%}, and this look asks "
                f"{1 - ALPHA / least:.4%}"
            )


def _stands_behind(estimate: Estimate | None, gate: GateResult) -> bool:
    # repr, since a number that is not finite is not equal to itself
    if estimate is None or repr((estimate.value, estimate.n)) != repr((gate.value, gate.n)):
        return False
    return gate.low is None or (gate.low, gate.high) == ends_at(estimate.ladder, _share_of(gate))


def _share_of(gate: GateResult) -> int:
    """The number that alpha was divided by, as its confidence says."""
    return max(round(ALPHA / max(1 - gate.confidence, 1e-15)), 1)
