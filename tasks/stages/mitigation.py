"""What a line does while it learns so that groups are treated more alike."""

from infra.store import open_store
from tasks.mitigation.settings import GroupDroSettings, InlpSettings, ReweighingSettings
from tasks.records.data import DataReport
from tasks.records.training import Tokens, Weights
from tasks.stages.caching import cached_stage


@cached_stage()
def reweigh(
    tokens: Tokens,
    data: DataReport,
    task_type: str,
    settings: ReweighingSettings,
    groups: tuple[str, ...],
) -> Tokens:
    """Put the weight of each training row beside its tokens, by its group and label."""
    from tasks.mitigation.weighing import weigh_tokens

    return weigh_tokens(tokens, data, task_type, settings, groups, store=open_store())


@cached_stage()
def tell_groups(
    tokens: Tokens,
    data: DataReport,
    task_type: str,
    settings: GroupDroSettings,
    groups: tuple[str, ...],
) -> Tokens:
    """Put the group of each training row beside its tokens, for group DRO."""
    from tasks.mitigation.grouping import group_tokens

    return group_tokens(tokens, data, task_type, settings, groups, store=open_store())


@cached_stage(gpu=True)
def remove_attribute(
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: InlpSettings,
    groups: tuple[str, ...],
    *,
    balanced: bool,
) -> Weights:
    """Take out of what the last layer reads all that linear classifiers tell the group by."""
    from tasks.mitigation.removal import remove_attribute as remove

    return remove(weights, data, task_type, settings, groups, balanced=balanced, store=open_store())
