"""Stage: text to token ids, cached by content."""

from pathlib import Path

from infra.stages import cached_stage, look_up
from infra.store import open_store
from tasks.records import BaseModel, DataReport, Tokens
from tasks.tokenization.settings import BaseModelSettings, TokenizationSettings

_TASKS = Path(__file__).parents[1]
_INFRA = _TASKS.parent / "infra"


@look_up
def pin_base_model(settings: BaseModelSettings) -> BaseModel:
    """Find the base model and take the digests of its files."""
    from tasks.tokenization import base_model

    return base_model.pin(settings)


@cached_stage(
    also=(_TASKS / "task_types", _TASKS / "records.py", _INFRA / "base_models.py"),
    libraries=("pyarrow", "tokenizers", "transformers"),
)
def tokenize(
    data: DataReport, base: BaseModel, task_type: str, settings: TokenizationSettings
) -> Tokens:
    """Turn every clean row into token ids."""
    from tasks.tokenization.splits import tokenize_splits

    return tokenize_splits(open_store(), data, base, task_type, settings)
