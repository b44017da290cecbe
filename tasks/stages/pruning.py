"""A trained model with fewer neurons and layers, before it is trained on."""

from infra.store import open_store
from tasks.records.training import BaseModel, PrunedModel, Tokens, Weights
from tasks.stages.caching import cached_stage, look_up
from tasks.training.pruning.settings import PruningSettings


@look_up
def check_prunable(base: BaseModel, task_type: str, settings: PruningSettings) -> None:
    """Refuse a base model that could not be pruned once it is trained."""
    from infra.base_models import Fingerprint, locate_pinned
    from infra.transformers_logs import quiet_transformers
    from tasks.task_types.networks import NETWORKS
    from tasks.training.pruning.structure import check_prunable as check

    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    folder = locate_pinned(base.reference, base.revision, pinned)
    with quiet_transformers():
        check(folder, NETWORKS[task_type].auto_class, settings)


@cached_stage(gpu=True)
def prune(
    weights: Weights, tokens: Tokens, task_type: str, settings: PruningSettings
) -> PrunedModel:
    """Cut away what matters least to the loss on training rows."""
    from tasks.training.pruning.prune import prune_weights

    return prune_weights(open_store(), weights, tokens, task_type, settings)
