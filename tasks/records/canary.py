"""A canary: the candidate answers a part of the requests, before it may take over production."""

from dataclasses import dataclass

from tasks.verdicts import GateResult, Verdict


@dataclass(frozen=True)
class CanaryStep:
    """What a canary is at, as the ledger says it.

    Attributes:
        version: the candidate's number in the MLflow registry, under the line's name.
        weights_sha256: digest of the weights that it was made of.
        production: the version in production, which answers the other requests.
        number: of the step, from 1.
        share: of the requests that the candidate answers; 0: it answers none, but is asked all of
            them behind the back of who asked (shadow).
        since: when the step began, ISO 8601, UTC.
        started: when its first step began, ISO 8601, UTC.
        ledger_uri: address of the entry that began the step.

    """

    line: str
    version: int
    weights_sha256: str
    production: int
    number: int
    share: float
    since: str
    started: str
    ledger_uri: str

    @property
    def is_shadow(self) -> bool:
        """Whether its answers reach nobody."""
        return self.share == 0


@dataclass(frozen=True)
class SequencePoint:
    """What the requests of a step up to a moment say of one gate.

    Attributes:
        until: the moment, ISO 8601, UTC; requests received before it count.
        metric: of the gate, for example ``canary.failure_increase``.
        requests: that the numbers rest on, of the version in production and of the candidate.
        value: what it comes to.
        low: lower end of the confidence sequence; high: its upper end.

    """

    until: str
    metric: str
    requests: tuple[int, int]
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CanaryLook:
    """What the requests of a step say of the candidate, looked at once.

    Attributes:
        step: that was looked at.
        requests: answered, refused or failed in the step, by the version in production and by the
            candidate.
        gates: failures, slow answers, labels and disagreement, each with the ends of a confidence
            sequence, which holds at all looks together.
        verdict: pass where the step has lasted and every gate that is waited for passes; fail where
            one fails; undetermined else.
        reason: one sentence: what is still waited for, or what decided.
        at: when, ISO 8601, UTC.
        points: each gate over the time of the step, oldest first; the last of each is what it is
            judged on.

    """

    step: CanaryStep
    requests: tuple[int, int]
    gates: tuple[GateResult, ...]
    verdict: Verdict
    reason: str
    at: str
    points: tuple[SequencePoint, ...] = ()
