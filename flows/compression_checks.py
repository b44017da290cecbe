"""What of a line's compression can be refused before anything is trained."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.onnx_files import WRITERS, why_not_installed
from infra.settings_models import WrongSetting, are_valid
from tasks.compression.settings import TABLES, CompressionSettings
from tasks.task_types.networks import why_no_compression

if TYPE_CHECKING:
    from flows.config import RetrainConfig


def wrong_compression(
    config: "RetrainConfig", compression: CompressionSettings
) -> Iterator[WrongSetting]:
    """What other settings of the line, and what is installed, leave no room for.

    Args:
        config: the line's settings.
        compression: of these.

    """
    if why := why_no_compression(config.task_type):
        yield WrongSetting(("compression",), why, config.task_type)
    elif why := why_not_installed(WRITERS):
        yield WrongSetting(("compression",), f"compression exports to ONNX, and {why}", None)
    if not are_valid(compression, "method", "embeddings"):
        return
    if compression.embeddings not in {"float32", TABLES.get(compression.method)}:
        right = next(name for name, kind in TABLES.items() if kind == compression.embeddings)
        yield WrongSetting(
            ("compression", "embeddings"),
            f"compression.embeddings is {compression.embeddings}, and compression.method is "
            f"{compression.method}, which does not make them so; set the method to {right}, or "
            "leave embeddings out",
            compression.embeddings,
        )
    private = are_valid(config, "training") and config.training.differential_privacy is not None
    if private and compression.reads_rows:
        yield WrongSetting(
            ("compression", "method"),
            f"compression.method is {compression.method}, whose scales are the ranges that "
            "training rows reach, without noise, so that the file would tell more of a row than "
            "training.differential_privacy says; set it to onnx_int8",
            compression.method,
        )
