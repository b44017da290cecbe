"""What a candidate and its comparators come to on the test rows."""

from dataclasses import dataclass, field

from infra.store import Artifact
from tasks.records.abstention_scores import AbstentionScores
from tasks.records.explanation import Explanation
from tasks.records.harm import Harm
from tasks.records.identity import NOT_IDENTITY
from tasks.records.label_checks import LabelChecks
from tasks.records.language_bias import LanguageBias
from tasks.records.leave_one_domain_out import LeaveOneDomainOut
from tasks.records.memory import Memory
from tasks.records.out_of_distribution import OutOfDistribution
from tasks.records.recipe import Recipe
from tasks.records.robustness import Robustness
from tasks.verdicts import Estimate, Verdict


@dataclass(frozen=True)
class Champion:
    """A version that a candidate is compared with: in production, the anchor, or its teacher.

    Attributes:
        line: name of the registered model; of a teacher that is no registered version, its folder.
        version: 0 of a folder.
        weights_sha256: digest of the weights that it was made of.
        manifest_sha256: digest of the list of its registered files; empty where it has none.
        weights_uri: where its weights lie; empty where no tag says so.
        data_sha256: digest of the clean rows that it was made with; empty where nothing says so.
        data_uri: where these rows lie; empty likewise.
        augmented_sha256: digest of the rows that were made of these, and that it learned too; empty
            where there are none.
        augmented_uri: where they lie; empty likewise.

    """

    line: str
    version: int
    weights_sha256: str
    manifest_sha256: str = field(default="", compare=False)
    weights_uri: str = field(default="", compare=False)
    data_sha256: str = field(default="", compare=False)
    data_uri: str = field(default="", compare=False)
    augmented_sha256: str = field(default="", compare=False)
    augmented_uri: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """In words, for messages and pages."""
        return f"version {self.version} of {self.line}" if self.version else self.line


@dataclass(frozen=True)
class ComparedVersion:
    """A registered version that the candidate was compared with, and on which test rows.

    Attributes:
        comparator: ``champion``, ``anchor`` or ``teacher``.
        version: 0 of a teacher that is a folder.
        rows: test rows that both were compared on; 0 where they were not.
        rows_left_out: test rows that the version was trained or selected on.
        note: what is to be known of these rows; empty where they are all.
        reason: why it is not compared; empty where it is.
        name: of a teacher, which may be of another line, in words.

    """

    comparator: str
    version: int
    rows: int
    rows_left_out: int = 0
    note: str = ""
    reason: str = ""
    name: str = field(default="", metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Claim:
    """That the candidate is better than a comparator, or not worse by more than a margin.

    Attributes:
        kind: ``superiority`` or ``non-inferiority``.
        margin: how much worse counts as not worse; 0 for superiority.
        verdict: by the interval, corrected by Holm's procedure over all claims of the kind.
        reason: one sentence.
        more_rows: test rows that would probably settle it, beside those there are; None where it
            is settled, or where no number of rows can be told.

    """

    kind: str
    margin: float
    verdict: Verdict
    reason: str
    more_rows: int | None


@dataclass(frozen=True)
class Comparison:
    """The candidate against another model on the same test rows, in one metric.

    Attributes:
        comparator: ``baseline``, ``champion``, ``anchor`` or ``teacher``.
        gain: how much better the candidate is.
        test: how the p-value was made; empty where there is none.
        p_value: two-sided, of the hypothesis that both are as good.
        p_adjusted: Holm-corrected over all comparisons.

    """

    comparator: str
    metric: str
    gain: Estimate
    test: str
    p_value: float | None
    p_adjusted: float | None
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class SliceResult:
    """How the candidate does on a part of the test rows.

    Attributes:
        name: ``<feature>.<value>``, the name of an expression, or the features of one found.
        description: what its rows have in common, in words.
        origin: ``feature``, ``expression`` or ``search``. The numbers of a slice that was found by
            searching are of rows that the search did not see.
        rows: of the slice, among those that its numbers rest on.
        score: their mean row score, 0 to 1; None where there are none.
        gap: their mean row score less that of all other rows.
        p_adjusted: of the gap, Holm-corrected over the slices of the same origin; None where the
            slice is not judged.
        reason: why it is not judged; empty where it is.

    """

    name: str
    description: str
    origin: str
    rows: int
    score: float | None
    gap: Estimate
    p_adjusted: float | None
    reason: str = ""


@dataclass(frozen=True)
class SliceCalibration:
    """How far a slice's claimed probabilities lie above what came true.

    Attributes:
        name: of the slice; empty for all test rows.
        confidence: mean probability of the predicted class.
        accuracy: share of its rows that are right.
        overconfidence: confidence less accuracy; below 0 the model is underconfident.
        family: slices that were measured, for which the reading is corrected (Bonferroni).

    """

    name: str
    rows: int
    confidence: float | None
    accuracy: float | None
    overconfidence: Estimate
    family: int


@dataclass(frozen=True)
class Scores:
    """What the candidate, the baseline and the champion say of the held-out rows.

    Attributes:
        artifact: Parquet, one row a test row: row_id; row_score, how right the answer is, 0 to 1;
            what the task type's predict gives, answer among it (of classification label and
            predicted as class ids, and probabilities); the same of the comparators that say
            something as baseline_row_score, champion_row_score and, where there are such,
            baseline_predicted and champion_predicted, null where a comparator says nothing or was
            trained on the row.
        estimates: quality.*, baseline.*, champion.*, anchor.*, teacher.*, fresh.*, slice.*,
            augmentation.*, robustness.*, language_bias.*, memory.*, harm.*, explanation.*,
            abstention.*, out_of_distribution.* and leave_one_domain_out.* with intervals.
        confusion: counts, confusion[true][predicted]; empty for a task type without classes.
        calibration: (mean confidence, accuracy, rows) of each bin with rows; empty likewise.
        champion_version: None where there is no champion.
        champion_note: why there is no comparison, where there is none.
        comparisons: with each comparator in each leading metric.
        slices: parts of the test rows, those found by searching last.
        versions: the champion, the anchor and the teacher, where there are such, with the rows
            that each was compared on.
        anchor_version: None where there is none. Where it is the champion, the comparison is made
            once, and stands under both names.
        recipe: several trainings of the recipe, whose numbers are recipe.*; None where there was
            the candidate alone.
        label_checks: what is known of the labels; None where they were not looked at yet.
        calibration_by_slice: all test rows first; empty for a task type without classes.
        timed: how much faster the candidate answers than its teacher; empty without one.
        robustness: what small changes of the test texts do; None where that was not probed.
        language_bias: stereotypes of a language model; None likewise.
        memory: what it remembers of its training rows; None likewise.
        harm: what it writes that it should not; None likewise.
        explanation: why it answers as it does; None where a line does not ask.
        abstention: which rows it answers at all; None of a line whose model answers every row.
        out_of_distribution: whether it tells texts of another distribution; None likewise.
        leave_one_domain_out: how models do on a domain that they did not learn; None likewise.

    """

    artifact: Artifact
    labels: tuple[str, ...]
    rows: int
    estimates: tuple[Estimate, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: tuple[tuple[float, float, int], ...]
    champion_version: int | None
    champion_note: str
    comparisons: tuple[Comparison, ...] = ()
    slices: tuple[SliceResult, ...] = ()
    versions: tuple[ComparedVersion, ...] = ()
    anchor_version: int | None = None
    recipe: Recipe | None = None
    label_checks: LabelChecks | None = None
    calibration_by_slice: tuple[SliceCalibration, ...] = ()
    timed: tuple[Estimate, ...] = field(default=(), metadata=NOT_IDENTITY)
    robustness: Robustness | None = None
    language_bias: LanguageBias | None = None
    memory: Memory | None = None
    harm: Harm | None = None
    explanation: Explanation | None = None
    abstention: AbstentionScores | None = None
    out_of_distribution: OutOfDistribution | None = None
    leave_one_domain_out: LeaveOneDomainOut | None = None

    @property
    def measured(self) -> tuple[Estimate, ...]:
        """The estimates, with what the clock says."""
        return (*self.estimates, *self.timed)
