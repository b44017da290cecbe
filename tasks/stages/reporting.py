"""The evidence in writing: the HTML report, the model card and the page of the Prefect run."""

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records.augmentation import Augmentation
from tasks.records.data import DataPage, DataReport, Drift, Representation, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores
from tasks.records.label_checks import LabelChecks
from tasks.records.registry import Judgement, Report, Staged, Version
from tasks.records.split_shift import NO_SHIFTS, SplitShifts
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.reporting.settings import CardSettings
from tasks.stages.caching import cached_stage


@cached_stage()
def write_report(
    line: str,
    snapshot: Snapshot,
    data: DataReport,
    representation: Representation,
    drift: Drift | None,
    tokens: Tokens,
    base_model: BaseModel,
    weights: Weights,
    scores: Scores,
    fairness: Fairness,
    version: Version,
    staged: Staged | None,
    judgement: Judgement,
    card: CardSettings,
    golden: GoldenScores | None = None,
    shifts: SplitShifts = NO_SHIFTS,
    augmentation: Augmentation | None = None,
) -> Report:
    """Write the report and the model card of a candidate, from its records alone."""
    from tasks.reporting.evidence import Evidence
    from tasks.reporting.publication import publish_report
    from tasks.stages.run_page import show_report

    evidence = Evidence(
        line, snapshot, data, representation, drift, tokens, base_model, weights, scores, fairness,
        version, staged, judgement, card, golden, shifts, augmentation,
    )  # fmt: skip
    report = publish_report(evidence, store=open_store(), tracking=open_tracking())
    show_report(evidence, report)
    return report


@cached_stage()
def write_data_report(
    line: str,
    snapshot: Snapshot,
    data: DataReport,
    representation: Representation,
    drift: Drift | None,
    labels: LabelChecks | None = None,
    shifts: SplitShifts = NO_SHIFTS,
) -> DataPage:
    """Write the report on a line's data alone, from its records."""
    from tasks.reporting.data_section import DataEvidence
    from tasks.reporting.publication import publish_data_page
    from tasks.stages.run_page import show_data

    evidence = DataEvidence(line, snapshot, data, representation, drift, labels, shifts)
    page = publish_data_page(evidence, store=open_store())
    show_data(evidence)
    return page
