"""From a snapshot to clean rows."""

from infra.store import open_store
from tasks.records.data import DataReport, Snapshot, SourceFile
from tasks.records.golden import GoldenSets
from tasks.records.training import BaseModel
from tasks.stages.caching import cached_stage, look_up
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings


@look_up
def pin_benchmarks(settings: LeakageSettings) -> tuple[SourceFile, ...]:
    """Fingerprint the benchmarks that no training row may overlap, as they are now."""
    from tasks.validation.leakage import benchmarks

    return benchmarks.pin_benchmarks(settings, open_store())


@cached_stage()
def validate(
    snapshot: Snapshot,
    base: BaseModel | None,
    benchmarks: tuple[SourceFile, ...],  # noqa: ARG001 - a changed benchmark makes another key
    contract: ContractSettings,
    leakage: LeakageSettings,
    privacy: PrivacySettings,
    scratch_tokens: tuple[str, ...],
    golden: GoldenSets | None = None,
) -> DataReport:
    """Hold the snapshot against the data contract; put aside and redact what must not go on."""
    from tasks.validation.validate import validate_snapshot

    return validate_snapshot(
        snapshot, base, contract, leakage, privacy, open_store(),
        scratch_tokens=scratch_tokens, golden=golden,
    )  # fmt: skip
