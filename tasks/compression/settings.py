"""Settings of compression."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, FiniteFloat

from infra.settings_models import SettingsModel

Method = Literal["onnx", "onnx_int8", "onnx_int8_static", "onnx_int4_weights"]
Tables = Literal["float32", "int8", "int4"]
# What embedding tables may become beside float32, by method.
TABLES: Final[Mapping[Method, Tables]] = {"onnx_int8": "int8", "onnx_int4_weights": "int4"}


class CompressionSettings(SettingsModel):
    """What becomes of a trained model before it is judged and served."""

    method: Method = Field(
        description="onnx: the same float32 numbers, run by onnxruntime in place of torch. "
        "onnx_int8: its weight matrices in eight bits, one scale an output channel, and their "
        "inputs rounded to eight bits as they come (dynamic quantization); needs no rows. "
        "onnx_int8_static: likewise, with ranges of the inputs that training rows told beforehand "
        "(static quantization). onnx_int4_weights: the weight matrices alone, in four bits with "
        "one scale for each 32 numbers; products are of float32.",
    )
    embeddings: Tables = Field(
        default="float32",
        description="Numbers of the embedding tables, which are most of a small model's bytes and "
        "none of its work. int8 (with onnx_int8) has one scale for a whole table, so that rare "
        "tokens lose most; int4 (with onnx_int4_weights) one for each 32 numbers of a token.",
    )
    calibration_rows: int = Field(
        default=128,
        ge=16,
        le=10_000,
        description="onnx_int8_static: training examples that tell the ranges, spread evenly over "
        "all of them. Without meaning for other methods.",
    )
    max_difference: FiniteFloat = Field(
        default=1e-3,
        gt=0,
        le=1,
        description="How far an output of the exported float32 graph may lie from torch's, as a "
        "share of the largest output, on made texts of several lengths; beyond it the run ends. "
        "What rounding to eight bits changes is not bounded here: it is measured, "
        "and gates on uncompressed.* bound it.",
    )

    @property
    def reads_rows(self) -> bool:
        """Whether training rows shape the file beyond the weights."""
        return self.method == "onnx_int8_static"
