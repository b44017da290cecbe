"""From a source to clean rows, and what is known of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from infra.errors import DataError
from infra.store import Artifact
from tasks.records.identity import NOT_IDENTITY
from tasks.records.label_checks import LabelChecks
from tasks.records.power import PowerForecast
from tasks.verdicts import Estimate, Verdict

SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True)
class SourceFile:
    """One file of a source as it was found.

    Attributes:
        uri: absolute path, or ``s3://bucket/key``.
        fingerprint: SHA-256 of a local file, ETag of an object.

    """

    uri: str
    fingerprint: str
    size_bytes: int


@dataclass(frozen=True)
class SourcePart:
    """What one of several sources is made of."""

    name: str
    files: tuple[SourceFile, ...]


@dataclass(frozen=True)
class SourceVersion:
    """All that a source is made of, in the order in which it is read.

    Attributes:
        files: of a query or a hub data set, its address with a digest of its rows or its commit.
        readmitted: repaired quarantine files (Parquet) that were taken back in, oldest first.
        parts: of several sources, the files of each; none where there is one.

    """

    files: tuple[SourceFile, ...]
    readmitted: tuple[SourceFile, ...] = ()
    parts: tuple[SourcePart, ...] = ()


@dataclass(frozen=True)
class SourceChanges:
    """What the settings of a source made of its rows as they were read.

    Attributes:
        labels_normalised: labels, of all rows, that source.normalise_labels writes otherwise.
        labels_mapped: by key of source.label_map the labels, of all rows, that it replaced.
        labels_unmapped: labels that the map does not name and that are to be put aside for it.
        rows_with_html: rows of which source.strip_html changed a text.
        rows_left_out: rows that source.keep_rows does not keep.
        rows_by_given_split: where a column or the source says the splits, the rows of each as they
            were read, before any was dropped; else none.
        validation_by_hash: rows that it says to be of train and that were taken for validation,
            since it names no validation rows.

    """

    labels_normalised: int = 0
    labels_mapped: dict[str, int] = field(default_factory=dict)
    labels_unmapped: tuple[str, ...] = ()
    rows_with_html: int = 0
    rows_left_out: int = 0
    rows_by_given_split: dict[str, int] = field(default_factory=dict)
    validation_by_hash: int = 0

    def plus(self, other: "SourceChanges") -> "SourceChanges":
        """Both together."""
        mapped = Counter(self.labels_mapped)
        mapped.update(other.labels_mapped)
        splits = Counter(self.rows_by_given_split)
        splits.update(other.rows_by_given_split)
        return SourceChanges(
            labels_normalised=self.labels_normalised + other.labels_normalised,
            labels_mapped=dict(sorted(mapped.items())),
            labels_unmapped=tuple(sorted({*self.labels_unmapped, *other.labels_unmapped})),
            rows_with_html=self.rows_with_html + other.rows_with_html,
            rows_left_out=self.rows_left_out + other.rows_left_out,
            rows_by_given_split=dict(splits),
            validation_by_hash=self.validation_by_hash + other.validation_by_hash,
        )


@dataclass(frozen=True)
class SourceRows:
    """What one of several sources gave.

    Attributes:
        weight: share of the training rows that it was to have; None where sources have no weight.
        rows_read: broken ones included, and those that source.keep_rows does not keep.
        rows_outweighed: training rows that were left out, since the source has more than its share.
        rows_by_split: rows of the snapshot; of a row that several sources have, the first by name.

    """

    name: str
    weight: float | None
    rows_read: int
    rows_broken: int
    rows_left_out: int
    rows_outweighed: int
    rows_by_split: dict[str, int]


@dataclass(frozen=True)
class Snapshot:
    """An immutable copy of the source's rows.

    Attributes:
        artifact: Parquet, sorted by row_id, with columns row_id, those of the task type's
            `RowShape`, split, one for each group column, and cluster. row_id is the SHA-256 of
            what the model reads of the row; any value may be null here. Rows with one row_id
            stand in one row group.
        broken: Parquet with a row for each that could not be read: row_id (SHA-256 of its bytes),
            file, row (its number in the file, from 1), reason, raw (the start of it).
        origins: Parquet with file and row of each row of ``artifact``, in the same order; of
            several sources with source_name too.
        rows_read: rows of the source, broken ones included, and those that were taken back in.
        broken_by_reason: broken rows by reason.
        rows_readmitted: repaired rows that were taken back in.
        rows_superseded: rows of the source that a repaired one stands for, dropped.
        duplicates_dropped: rows equal to an earlier one in every column.
        rows_sampled_out: distinct rows beyond source.max_rows.
        rows_by_split: kept rows of train, validation and test.
        group_columns: columns that hold protected attributes.
        changes: what source.label_map and its like made of the rows.
        by_source: of several sources, what each gave; the repaired rows last.

    """

    artifact: Artifact
    broken: Artifact
    task_type: str
    rows_read: int
    broken_by_reason: dict[str, int]
    rows_readmitted: int
    rows_superseded: int
    duplicates_dropped: int
    rows_sampled_out: int
    rows_by_split: dict[str, int]
    group_columns: tuple[str, ...]
    # The same rows in another order, or from another path, are the same snapshot.
    origins: Artifact = field(metadata=NOT_IDENTITY)
    changes: SourceChanges = field(default_factory=SourceChanges)
    by_source: tuple[SourceRows, ...] = ()

    @property
    def rows_outweighed(self) -> int:
        """Training rows that were left out for the weights of the sources."""
        return sum(one.rows_outweighed for one in self.by_source)

    @property
    def rows_broken(self) -> int:
        """Rows that could not be read."""
        return sum(self.broken_by_reason.values())


@dataclass(frozen=True)
class Check:
    """One expectation of the data contract and what was seen."""

    expectation: str
    passed: bool
    failed_rows: int
    observed: str


@dataclass(frozen=True)
class PersonalData:
    """What was found of one kind of personal data; never the values.

    Attributes:
        kind: for example mail.
        action: what the policy says: allow, redact, quarantine or fail.
        rows: rows with at least one finding.
        findings: all of them.

    """

    kind: str
    action: str
    rows: int
    findings: int


@dataclass(frozen=True)
class ControlTokens:
    """Rows whose texts spell a control token of the base model.

    Attributes:
        action: what the policy says: text, quarantine or fail.
        looked_for: control tokens that the base model has; 0 where none is known.
        rows: of the snapshot with at least one.
        rows_by_token: a row with two counts in both.

    """

    action: str = "text"
    looked_for: int = 0
    rows: int = 0
    rows_by_token: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DoubtfulLabel:
    """A rare label that looks like noise.

    Attributes:
        rows: clean rows that bear it.
        reason: what it looks like.
        resembles: the frequent label that it may be a misspelling of; empty where there is none.
        mend: the settings that would mend it.

    """

    label: str
    rows: int
    reason: str
    resembles: str
    mend: str

    @property
    def sentence(self) -> str:
        """What a person should know of it."""
        near = f" of {self.resembles!r}" if self.resembles else ""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        return f"the label {self.label!r} ({rows}) looks {self.reason}{near}; {self.mend}"


@dataclass(frozen=True)
class SimilarPair:
    """Two rows that are alike.

    Attributes:
        row_id: the row that would have leaked, or the later one.
        twin: the row that it is like.
        similarity: Jaccard similarity of their shingle sets.

    """

    row_id: str
    twin: str
    split: str
    twin_split: str
    similarity: float


@dataclass(frozen=True)
class Leakage:
    """Likeness between rows: how many rows have what. A row can count in several.

    Attributes:
        normalised_within: rows equal to an earlier one of their split but for case, punctuation
            and Unicode form.
        normalised_across: rows so like one of a split held out from them.
        near_within: near-duplicates of an earlier row of their split, not counted above.
        near_across: near-duplicates of a row of a split held out from them, not counted above.
        conflicting: rows alike as normalised, with different answers.
        overlaps: training rows that share an n-gram with a benchmark, by benchmark.
        clusters_across_splits: authors or documents with rows in several splits.
        examples: some pairs, most alike first.
        notes: what was not looked for and why.
        golden: rows of train and validation like one of a golden set, by its setting.

    """

    normalised_within: int
    normalised_across: int
    near_within: int
    near_across: int
    conflicting: int
    overlaps: dict[str, int]
    clusters_across_splits: int
    jaccard_threshold: float
    ngram_words: int
    examples: tuple[SimilarPair, ...]
    notes: tuple[str, ...] = ()
    golden: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Histogram:
    """Counts between edges: counts[i] from edges[i] to edges[i + 1], the last edge included."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class DataReport:
    """The rows that keep the data contract, and those that do not.

    Attributes:
        clean: Parquet as in Snapshot, personal data replaced as the policy says; nothing is null
            that may not be. A row_id is still that of the row as it was read. Without an address
            where the contract is broken: such rows are not kept as clean.
        quarantine: Parquet with the failing rows: row_id, the shape's columns, split, groups,
            cluster, file, row, reasons and values (lists of strings, one value a reason), raw
            (the start of a row that could not be read). Secrets are replaced here too.
        docs_uri: address of the Data Docs page (HTML) in the store.
        labels: the label set, sorted; a label's index here is its class id everywhere. Empty for
            a task type without labels.
        rows_by_split: clean rows of train, validation and test.
        rows_by_label: clean rows of each label.
        quarantined_by_reason: a row with two reasons counts in both; broken rows are among them.
        lengths: of clean texts, by unit: characters, and tokens where the contract counts them.
        personal_data: one entry a kind that was found.
        verdict: pass, or fail where the contract is broken: then the stage raises
            `BrokenContractError`, and the record goes to the data report alone.
        control_tokens: that texts spell.
        doubtful_labels: rare ones that look like noise.
        breaches: each way in which the contract is broken, in words; none where verdict is pass.

    """

    clean: Artifact
    quarantine: Artifact
    docs_uri: str
    task_type: str
    labels: tuple[str, ...]
    group_columns: tuple[str, ...]
    rows_by_split: dict[str, int]
    rows_by_label: dict[str, int]
    rows_quarantined: int
    quarantined_by_reason: dict[str, int]
    lengths: dict[str, Histogram]
    personal_data: tuple[PersonalData, ...]
    leakage: Leakage
    checks: tuple[Check, ...]
    verdict: Verdict
    control_tokens: ControlTokens = field(default_factory=ControlTokens)
    doubtful_labels: tuple[DoubtfulLabel, ...] = ()
    breaches: tuple[str, ...] = ()


class BrokenContractError(DataError):
    """The data was checked whole and breaks its contract.

    Attributes:
        found: what the check saw, with verdict fail.

    """

    def __init__(self, message: str, found: DataReport) -> None:
        super().__init__(message)
        self.found = found


@dataclass(frozen=True)
class Readmission:
    """A repaired quarantine file that was taken back in.

    Attributes:
        file: where the line keeps it; the next run reads its rows with the source's.
        rows: of the file.
        superseding: those of them that repair a row of an earlier such file once more, and so
            stand for it too. All stand for the row of the source with their row_id, if it is
            still there.

    """

    line: str
    file: Artifact
    rows: int
    superseding: int


@dataclass(frozen=True)
class DataReference:
    """The clean rows that a version was trained on."""

    line: str
    version: int
    clean: Artifact


@dataclass(frozen=True)
class DriftCheck:
    """One comparison of the clean rows with those of the champion.

    Attributes:
        name: for example drift.label_shares.
        test: that the p-value comes from; empty where there is none.
        effect: what the effect size measures.
        limit: effect size that counts as drift.
        p_value: of no difference at all; p_adjusted: by Benjamini and Yekutieli over all checks.
        verdict: pass where the interval lies below the limit, fail where it reaches it wholly; else
            undetermined, with the reason.
        low: lower end of the effect size's interval at 95%; high: its upper end.
        rows_needed: of the smaller side, that would tell if the effect is what it seems.

    """

    name: str
    test: str
    effect: str
    effect_size: float | None
    limit: float
    p_value: float | None
    p_adjusted: float | None
    rows_before: int
    rows_now: int
    verdict: Verdict
    reason: str
    low: float | None = None
    high: float | None = None
    rows_needed: int | None = None


@dataclass(frozen=True)
class NewRow:
    """A row that a classifier tells from the champion's data.

    Attributes:
        score: probability of being new, from a model that did not see the row.
        excerpt: the start of the clean text.

    """

    row_id: str
    score: float
    excerpt: str


@dataclass(frozen=True)
class Drift:
    """The clean rows against those that the champion was trained on.

    Attributes:
        label_shares: (before, now) by label.
        lengths: (before, now) in characters, over the same edges.
        discriminating_words: words that tell new rows most, with their weight.

    """

    reference: DataReference
    checks: tuple[DriftCheck, ...]
    label_shares: dict[str, tuple[float, float]]
    lengths: tuple[Histogram, Histogram]
    newest_rows: tuple[NewRow, ...]
    discriminating_words: tuple[tuple[str, float], ...]
    verdict: Verdict


@dataclass(frozen=True)
class GroupRepresentation:
    """How one group stands among the clean rows, for one label.

    Attributes:
        rows: of the group; with_label: those that bear the label.
        measures: class_imbalance, difference_in_proportions, kl_divergence, js_divergence,
            lp_norm, total_variation, kolmogorov_smirnov,
            conditional_demographic_disparity; by name. A measure that is undefined is left out.
        reason: why nothing is told, where nothing is.

    """

    attribute: str
    group: str
    label: str
    rows: int
    with_label: int
    measures: dict[str, float]
    reason: str


@dataclass(frozen=True)
class TermAssociation:
    """How much oftener a term stands with a label than chance has it.

    Attributes:
        rows: clean rows with the term; with_label: those of the label.
        association: pointwise mutual information in bits, with its interval.

    """

    attribute: str
    term: str
    label: str
    rows: int
    with_label: int
    association: Estimate


@dataclass(frozen=True)
class Representation:
    """Who and what the clean rows stand for, before a model learns from them.

    Attributes:
        label_imbalance: by label, its share over that of the most frequent label.
        terms: most associated first.
        notes: what was not measured and why.

    """

    label_imbalance: dict[str, float]
    groups: tuple[GroupRepresentation, ...]
    terms: tuple[TermAssociation, ...]
    conditional_on: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataPage:
    """What a check of a line's data came to, with its report.

    Attributes:
        html: the report on the data alone.
        quarantine: the rows that were put aside, as in DataReport.
        rows_by_label: clean rows of each label; empty for a task type without labels.
        drift: None where there is no champion to compare with.
        unlike_splits: held-out splits that are unlike the training rows, with the checks that say
            so; untold_splits: those of which it cannot be told.
        changes: what source.label_map and its like made of the rows.
        doubtful_labels: rare ones that look like noise.
        by_source: of several sources, what each gave.
        forecast: what the line's gates can decide with the test rows; None where it was not asked.
        labels: what is known of the labels; None where the contract is broken.

    """

    line: str
    html: Artifact
    quarantine: Artifact
    rows_read: int
    duplicates_dropped: int
    rows_clean: int
    rows_by_label: dict[str, int]
    rows_quarantined: int
    quarantined_by_reason: dict[str, int]
    personal_data: tuple[PersonalData, ...]
    drift: Verdict | None
    control_tokens: ControlTokens = field(default_factory=ControlTokens)
    changes: SourceChanges = field(default_factory=SourceChanges)
    doubtful_labels: tuple[DoubtfulLabel, ...] = ()
    by_source: tuple[SourceRows, ...] = ()
    forecast: PowerForecast | None = None
    labels: LabelChecks | None = None
    unlike_splits: dict[str, str] = field(default_factory=dict)
    untold_splits: tuple[str, ...] = ()
