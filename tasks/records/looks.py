"""Which rows are held out, and a look at them: one evaluation of a candidate."""

from dataclasses import dataclass, field

from infra.store import Artifact
from tasks.records.identity import NOT_IDENTITY


@dataclass(frozen=True)
class HeldOut:
    """The rows of the test split, by 64 bits of each row's digest.

    Attributes:
        hashes: what `infra.row_hashes.to_bytes` writes of them.
        rows: how many there are.

    """

    hashes: Artifact
    rows: int


@dataclass(frozen=True)
class Look:
    """One evaluation of a candidate on held-out rows, as it was recorded before it was made.

    The same weights on the same rows are the same look, however often a run is repeated.

    Attributes:
        number: among the looks of the line, from 1.
        weights_sha256: of the candidate.
        held_out: the rows that it reads.
        fresh: those of them that no earlier look of the line has read.
        earlier: earlier looks of the line that have read any of these rows.
        since_pass: which look it is since a candidate passed that was judged on any of these rows;
            1 for the first, and for the first after a pass.
        gates: of the policy when it was recorded, each with its rule; those among them that are
            asked where rows can decide them.
        run: that made it; empty outside of a flow.
        at: ISO 8601, UTC.
        recipe: of a further training of a candidate's recipe (`evaluation.seeds`), the candidate's
            weights; empty of a candidate.
        of_line: which look of the line it is since a candidate passed, on whatever rows: each
            reads the golden sets.

    """

    line: str
    number: int
    weights_sha256: str
    held_out: HeldOut
    fresh: HeldOut
    earlier: int
    since_pass: int
    gates: tuple[str, ...] = field(metadata=NOT_IDENTITY)
    run: str = field(metadata=NOT_IDENTITY)
    at: str = field(metadata=NOT_IDENTITY)
    recipe: str = ""
    of_line: int = 1
