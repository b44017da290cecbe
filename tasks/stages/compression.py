"""A trained model in fewer bytes, before anything of it is judged."""

from infra.store import open_store
from tasks.compression.settings import CompressionSettings
from tasks.records.training import Tokens, Weights
from tasks.stages.caching import cached_stage


@cached_stage()
def compress(
    weights: Weights,
    task_type: str,
    settings: CompressionSettings,
    tokens: Tokens | None = None,
) -> Weights:
    """Export a model to ONNX, and round its weights to eight bits where that is asked."""
    from tasks.compression.compressing import compress_weights

    return compress_weights(open_store(), weights, task_type, settings, tokens)
