"""What passes between stages: frozen records of addresses, digests, counts and verdicts.

No tensor, no data frame and no open file passes between stages. A field that differs between two
runs with the same result (a time, a run's id) is marked and does not count in a record's digest.
"""

from typing import Final

from tasks.records.data import (
    Check,
    DataPage,
    DataReference,
    DataReport,
    Drift,
    DriftCheck,
    GroupRepresentation,
    Histogram,
    Leakage,
    NewRow,
    PersonalData,
    Readmission,
    Representation,
    Snapshot,
    SourceFile,
    SourceVersion,
    TermAssociation,
    TwinPair,
)
from tasks.records.evaluation import (
    Champion,
    Claim,
    Comparison,
    Scores,
    SliceResult,
)
from tasks.records.fairness import (
    CounterfactualFamily,
    Fairness,
    Flip,
    GroupRates,
    SubgroupAuc,
)
from tasks.records.identity import NOT_IDENTITY
from tasks.records.registry import (
    Decision,
    Judgement,
    LedgerEntry,
    Report,
    Staged,
    Version,
)
from tasks.records.training import (
    BaseModel,
    Epoch,
    Tokens,
    TrainingPlan,
    TrainingPoint,
    Weights,
)

SPLITS: Final = ("train", "validation", "test")

__all__ = [
    "NOT_IDENTITY",
    "SPLITS",
    "BaseModel",
    "Champion",
    "Check",
    "Claim",
    "Comparison",
    "CounterfactualFamily",
    "DataPage",
    "DataReference",
    "DataReport",
    "Decision",
    "Drift",
    "DriftCheck",
    "Epoch",
    "Fairness",
    "Flip",
    "GroupRates",
    "GroupRepresentation",
    "Histogram",
    "Judgement",
    "Leakage",
    "LedgerEntry",
    "NewRow",
    "PersonalData",
    "Readmission",
    "Report",
    "Representation",
    "Scores",
    "SliceResult",
    "Snapshot",
    "SourceFile",
    "SourceVersion",
    "Staged",
    "SubgroupAuc",
    "TermAssociation",
    "Tokens",
    "TrainingPlan",
    "TrainingPoint",
    "TwinPair",
    "Version",
    "Weights",
]
