"""New training rows from those there are, and what learning from them has bought."""

from functools import partial

from infra.store import open_store
from tasks.augmentation.settings import AugmentationSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.augmentation import Augmentation
from tasks.records.back_translation import BackTranslations
from tasks.records.data import DataReport, SourceFile
from tasks.records.evaluation import Scores
from tasks.records.golden import GoldenSets
from tasks.records.training import BaseModel, Weights
from tasks.stages.caching import cached_stage, look_up
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings


@look_up
def pin_swap_lists(names: tuple[str, ...]) -> tuple[SourceFile, ...]:
    """Read the swap lists once, and fingerprint them as they are now."""
    from tasks.protected_groups.swapping import read_swaps
    from tasks.protected_groups.word_files import pin_word_file, swap_file

    paths = [swap_file(name) for name in names]
    for path in paths:
        read_swaps(path)
    return tuple(map(pin_word_file, paths))


@cached_stage()
def augment(
    data: DataReport,
    base: BaseModel | None,
    golden: GoldenSets | None,
    task_type: str,
    settings: AugmentationSettings,
    contract: ContractSettings,
    leakage: LeakageSettings,
    privacy: PrivacySettings,
    scratch_tokens: tuple[str, ...],
    benchmarks: tuple[SourceFile, ...],  # noqa: ARG001 - a changed benchmark makes another key
    swap_lists: tuple[SourceFile, ...],  # noqa: ARG001 - a changed list makes another key
    translations: BackTranslations | None = None,
) -> Augmentation:
    """Make new rows of the training rows; held-out rows are only asked whether they are like."""
    from tasks.augmentation.augmenting import augment_rows
    from tasks.augmentation.translated_rows import read_translated
    from tasks.validation.new_rows import Contract, refuse_new_rows

    store = open_store()
    asked = Contract(contract, leakage, privacy, scratch_tokens)
    refusal = partial(
        refuse_new_rows, data=data, base=base, golden=golden, asked=asked, store=store
    )
    return augment_rows(
        store, data, golden, task_type, settings, refusal, read_translated(store, translations),
        translations.translators.name if translations else "",
    )  # fmt: skip


@cached_stage(gpu=True)
def measure_augmentation(
    scores: Scores,
    weights: Weights,
    without: Weights,
    data: DataReport,
    task_type: str,
    settings: EvaluationSettings,
    swaps: tuple[str, ...],
    swap_lists: tuple[SourceFile, ...],  # noqa: ARG001 - a changed list makes another key
) -> Scores:
    """Add what the new rows have bought: both models on the same test rows, changed and not."""
    from tasks.evaluation.augmentation_gains import add_augmentation_gains

    return add_augmentation_gains(
        scores, weights, without, data, task_type, settings, swaps, store=open_store()
    )
