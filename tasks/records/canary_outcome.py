"""What a run that looks at a canary came to."""

from dataclasses import dataclass

from tasks.verdicts import Verdict


@dataclass(frozen=True)
class CanaryOutcome:
    """What a run of ``canary/LINE`` came to.

    Attributes:
        version: the candidate's number; None where no canary goes on.
        action: ``canary advanced``, ``canary stopped``, ``promoted`` or ``refused`` where one of
            these was recorded; ``goes on`` where the canary stays at its step; ``undecided`` where
            a move of production in MLflow waits for a person; empty where no canary goes on.
        reason: one sentence.
        step: that it is at after, or was at last, from 1; 0 where no canary goes on.
        share: of the requests that the candidate answers in that step.
        verdict: of the look; None where nothing was looked at.
        ledger_uri: address of the newest entry of the canary; empty where there is none.
        page_url: address of the page on its looks in MLflow; empty where there is none.
        version_url: the candidate's page in MLflow.
        report_url: address of the report that it was judged with.

    """

    line: str
    version: int | None
    action: str
    reason: str
    step: int = 0
    share: float = 0.0
    verdict: Verdict | None = None
    ledger_uri: str = ""
    page_url: str = ""
    version_url: str = ""
    report_url: str = ""


def share_words(share: float) -> str:
    """What of the requests a candidate answers in a step, for whoever shows it."""
    if share == 0:
        return "shadow: it is asked, and its answers reach nobody"
    return f"it answers {share:.0%} of the requests"
