"""The reference model of a line that learns from preferences, and what it holds of the rows."""

from infra.store import open_store
from tasks.records.lesson import Reference
from tasks.records.training import BaseModel, Tokens
from tasks.stages.caching import cached_stage, look_up
from tasks.training.preference_settings import PreferenceSettings


@look_up
def pin_reference(
    settings: PreferenceSettings, base: BaseModel, task_type: str, max_length: int
) -> BaseModel:
    """Find the reference model, and hold it and the base model against the line."""
    from tasks.training.preference.reference import pin_reference as pin

    return pin(settings, base, task_type, max_length)


@cached_stage(gpu=True)
def ask_reference(tokens: Tokens, reference: BaseModel, task_type: str) -> Reference:
    """Ask the reference model about every training and validation example, once."""
    from tasks.training.preference.answers import write_reference

    return write_reference(open_store(), tokens, reference, task_type)
