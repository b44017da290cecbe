"""A base model with the head that a task type needs, ready to be trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import BaseModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_for_training(
    folder: Path, auto_class: str, task_type: str, **changes: object
) -> "PreTrainedModel":
    """A base model in float32; what its files lack of a head is drawn from torch's random state.

    Args:
        folder: configuration, weights and tokenizer.
        auto_class: name in transformers, for example ``AutoModelForTokenClassification``.
        task_type: for messages.
        changes: of the configuration, for example the number of labels.

    Raises:
        BaseModelError: the weights cannot be read, do not fit, or lack parts of the backbone.

    """
    import torch
    import transformers
    from safetensors import SafetensorError

    try:
        model, report = getattr(transformers, auto_class).from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **changes,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BaseModelError(
            f"base model {folder} cannot be loaded for {task_type}: {error}"
        ) from error
    _check_complete(folder, model.base_model_prefix, report["missing_keys"])
    return model


def named_labels(labels: Sequence[str]) -> dict[str, object]:
    """What the configuration of a model with one output a label says of them."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def _check_complete(folder: Path, prefix: str, missing: Sequence[str]) -> None:
    """Only the head, and the pooler that some base models lack, may be drawn anew."""
    lost = sorted(
        key for key in missing if key.startswith(f"{prefix}.") and ".pooler." not in f".{key}"
    )
    if lost:
        raise BaseModelError(
            f"base model {folder} lacks {len(lost)} of its own weights ({lost[0]} first), so that "
            "they would be random; its config.json and its weights do not belong together"
        )
