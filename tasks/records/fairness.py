"""How a candidate treats groups, and what swapped words change."""

from dataclasses import dataclass

from tasks.records.gate_rows import GateRows
from tasks.verdicts import Estimate


@dataclass(frozen=True)
class GroupRates:
    """One group's own numbers.

    Attributes:
        attribute: for example gender; gender_exclusive where each row is in one cell, and
            gender+religion where groups of two are looked at together.
        group: for example female, or female+muslim.
        metrics: accuracy and the macro-averaged rates, or the mean row score where a task type
            has no classes, by name.
        accuracy_gap: to all other rows; of the row score likewise.
        p_adjusted: of the accuracy gap to all other rows, Holm-corrected over the groups; None
            where the group is too small to tell.
        reason: why the group is not judged, where it is not.
        estimates: the group's own rates with their intervals, a label at its end where the rate is
            that of one label against the rest.

    """

    attribute: str
    group: str
    rows: int
    metrics: dict[str, float]
    accuracy_gap: Estimate
    p_adjusted: float | None
    reason: str
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True)
class SubgroupAuc:
    """How the scores of a label rank the rows of a group (Borkan et al. 2019, arXiv:1903.04561).

    Background are all rows that are not of the group. The estimates stand in `Fairness` as well.

    Attributes:
        label: whose probability is the score; rows of it are positive, all others negative.
        subgroup_auc: within the group; low where it cannot be told apart there.
        bpsn_auc: background positive, subgroup negative; low where its rows are scored too high.
        bnsp_auc: background negative, subgroup positive; low where its rows are scored too low.
        positive_aeg: average equality gap of the positives, from -0.5 to 0.5; above 0 where the
            group's are scored higher than the background's.
        negative_aeg: of the negatives likewise.

    """

    attribute: str
    group: str
    label: str
    positives: int
    negatives: int
    subgroup_auc: Estimate
    bpsn_auc: Estimate
    bnsp_auc: Estimate
    positive_aeg: Estimate
    negative_aeg: Estimate


@dataclass(frozen=True)
class CounterfactualFamily:
    """Test rows with one kind of wording swapped, and what the model then says of them.

    Attributes:
        name: of the swap list, for example ``gendered_words``, or ``templates_`` and the file's.
        kind: ``swapped words`` or ``templates``.
        rows: test rows, or filled templates, with something to swap.
        pairs: pairs of a text and its changed self.
        flip_rate: share of the rows whose answer changes under at least one swap.
        score_shift: mean over the rows of how far the score moves.
        largest_shift: mean over the rows of the largest move over all swaps of the row.
        units: clusters that the rows come from where whole clusters are drawn, else the rows.

    """

    name: str
    kind: str
    rows: int
    pairs: int
    flip_rate: Estimate
    score_shift: Estimate
    largest_shift: Estimate
    units: int = 0


@dataclass(frozen=True)
class Flip:
    """A row whose answer changes with the swapped words.

    Attributes:
        row_id: of the test row, or of the template.
        family: name of its `CounterfactualFamily`.
        before: the answer to the text as it is.
        after: the answer to the changed text.
        text_before: excerpt around the swapped words.
        text_after: the same of the changed text.
        shift: how far the score moves.

    """

    row_id: str
    family: str
    before: str
    after: str
    text_before: str
    text_after: str
    shift: float


@dataclass(frozen=True)
class Fairness:
    """How the candidate treats groups.

    Attributes:
        estimates: fairness.<attribute>.<metric> with intervals.
        aucs: of each group, for each label that the settings name.
        counterfactuals: what swapped words change; their estimates stand in ``estimates`` too.
        flips: the rows that move most, the farthest first.
        gate_rows: what gates on groups and on swapped words rest on.

    """

    groups: tuple[GroupRates, ...]
    estimates: tuple[Estimate, ...]
    min_group_rows: int
    aucs: tuple[SubgroupAuc, ...] = ()
    counterfactuals: tuple[CounterfactualFamily, ...] = ()
    flips: tuple[Flip, ...] = ()
    gate_rows: tuple[GateRows, ...] = ()
