"""The rows of a line as a retraining makes them, for what looks at them before it trains."""

from flows.config import RetrainConfig
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.stages.golden import hold_out_golden
from tasks.stages.ingestion import ingest, pin_source
from tasks.stages.run_page import broken_contract_shown
from tasks.stages.tokenization import name_scratch_tokens
from tasks.stages.validation import pin_benchmarks, validate


def clean_rows(config: RetrainConfig, pretrained: BaseModel | None) -> DataReport:
    """The rows of the line, as a retraining makes them; found in its cache where it did."""
    task_type = config.task_type
    snapshot = ingest(
        pin_source(config.line, config.source), config.source, config.splits, task_type
    )
    golden = hold_out_golden(config.golden_sets, task_type, config.behaviour_gates)
    with broken_contract_shown(config.line, snapshot):
        return validate(
            snapshot, pretrained, pin_benchmarks(config.leakage), config.contract, config.leakage,
            config.privacy, name_scratch_tokens(config.base_model), golden,
        )  # fmt: skip
