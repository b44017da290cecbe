"""When a classifier answers `abstain`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Abstention:
    """A threshold on the score of an answer, as it goes into the model's folder.

    Attributes:
        threshold: answers of a lower score are withheld; 0 where none are.
        risk: as in the setting ``abstention.risk``.
        risk_of: of what; ``answers`` or ``rows``.
        confidence: with which it holds, of ``answers``.
        set_threshold: probability from which on a label is in a row's conformal set.
        set_coverage: share of sets that are to hold the right label.
        rows: validation rows that both were fitted on; of rows in clusters, one of each.
        answered: of these.
        wrong: of the answers.
        of_clusters: whether rows were in clusters, so that the guarantee is of one row of each.

    """

    threshold: float
    risk: float
    risk_of: str
    confidence: float
    set_threshold: float
    set_coverage: float
    rows: int
    answered: int
    wrong: int
    of_clusters: bool = False
