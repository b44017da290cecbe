"""Stage: text to token ids, cached by content."""

from pathlib import Path

from infra.errors import SettingsError
from infra.stages import cached_stage, look_up
from infra.store import open_store
from tasks.records import BaseModel, DataReport, Tokens
from tasks.tokenization.settings import BaseModelSettings, TokenizationSettings

_TASKS = Path(__file__).parents[1]
_INFRA = _TASKS.parent / "infra"


@look_up
def pin_base_model(settings: BaseModelSettings) -> BaseModel | None:
    """Find the base model and take the digests of its files; None where it is yet to be built."""
    from tasks.tokenization import base_model

    return base_model.pin(settings)


@cached_stage(
    also=(_TASKS / "task_types" / "rows.py", _TASKS / "records", _INFRA / "base_models.py"),
    libraries=("pyarrow", "tokenizers", "torch", "transformers"),
)
def build_base_model(data: DataReport, settings: BaseModelSettings) -> BaseModel:
    """Train a tokenizer on the training texts, and draw random weights for it."""
    from tasks.tokenization.from_scratch.building import build

    if settings.scratch is None:
        raise SettingsError("base_model.scratch is not set, so there is no model to be built")
    return build(open_store(), data, settings.scratch)


@cached_stage(
    also=(_TASKS / "task_types", _TASKS / "records", _INFRA / "base_models.py"),
    libraries=("pyarrow", "tokenizers", "transformers"),
)
def tokenize(
    data: DataReport, base: BaseModel, task_type: str, settings: TokenizationSettings
) -> Tokens:
    """Turn every clean row into token ids."""
    from tasks.tokenization.splits import tokenize_splits

    return tokenize_splits(open_store(), data, base, task_type, settings)
