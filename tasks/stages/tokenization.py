"""The base model, and text to token ids."""

from dataclasses import replace

from infra.errors import SettingsError
from infra.store import open_store
from tasks.records.augmentation import Augmentation
from tasks.records.data import DataReport
from tasks.records.memory import Canaries
from tasks.records.training import BaseModel, Tokens
from tasks.stages.caching import cached_stage, look_up
from tasks.tokenization.settings import BaseModelSettings, TokenizationSettings


@look_up
def pin_base_model(settings: BaseModelSettings) -> BaseModel | None:
    """Find the base model and take the digests of its files; None where it is yet to be built."""
    from tasks.tokenization import base_model

    return base_model.pin(settings)


@look_up
def licensed_base_model(settings: BaseModelSettings) -> BaseModel | None:
    """As `pin_base_model`, to train it: its licence is a plain one, or was accepted."""
    from tasks.tokenization import base_model
    from tasks.tokenization.licences import check_licence

    licence = check_licence(settings)  # before a large file is unpacked
    base = base_model.pin(settings)
    if base and not licence:  # a configuration or GGUF file of a hub, which is here now, may say
        licence = check_licence(settings)
    return replace(base, licence=licence) if base else None


@look_up
def check_layers_licence(folder: str, settings: BaseModelSettings) -> str:
    """The licence of a folder whose layers are trained on: a plain or an accepted one."""
    from tasks.tokenization.licences import check_licence

    layers = BaseModelSettings(reference=folder, accepted_licence=settings.accepted_licence)
    return check_licence(layers)


@look_up
def name_scratch_tokens(settings: BaseModelSettings) -> tuple[str, ...]:
    """Control tokens of a base model that is yet to be built, which no text should spell."""
    from tasks.tokenization import base_model

    return base_model.scratch_tokens(settings)


@cached_stage()
def build_base_model(data: DataReport, settings: BaseModelSettings) -> BaseModel:
    """Train a tokenizer on the training texts, and draw random weights for it."""
    from tasks.tokenization.from_scratch.building import build

    if settings.scratch is None:
        raise SettingsError("base_model.scratch is not set, so there is no model to be built")
    return build(open_store(), data, settings.scratch)


@cached_stage()
def build_student(teacher: BaseModel, settings: BaseModelSettings) -> BaseModel:
    """Draw random weights for a model that reads by its teacher's tokenizer."""
    from tasks.tokenization.from_scratch.building import build_student as build

    if settings.scratch is None:
        raise SettingsError("base_model.scratch is not set, so there is no model to be built")
    return build(open_store(), teacher, settings.scratch)


@cached_stage()
def tokenize(
    data: DataReport,
    base: BaseModel,
    task_type: str,
    settings: TokenizationSettings,
    augmentation: Augmentation | None = None,
    canaries: Canaries | None = None,
) -> Tokens:
    """Turn every clean row, every new one and every planted one into token ids."""
    from tasks.tokenization.splits import tokenize_splits

    return tokenize_splits(open_store(), data, base, task_type, settings, augmentation, canaries)
