"""Weight matrices of an ONNX file in eight bits, by onnxruntime.

Dynamic quantization: a weight has 8 bits with one scale an output channel, an input of a product
8 bits with a scale of its own in each call, and the product is summed in 32 bits (Jacob et al.
2018, arXiv:1712.05877). The weights use 7 of their 8 bits: a processor without VNNI adds two
products in 16 bits, which 8 bits overflow, so that the same file would give other answers there
than where it was judged (onnxruntime's documentation, "When and why do I need to try U8U8?").

With dynamic quantization the scale of an input is that of its whole batch, so the file says that
each row is to be asked by itself (`OnnxNetwork`): else an answer would depend on the rows beside
it. With static quantization a scale is the range that an input had over calibration rows, in every
batch alike; a number beyond it becomes the end of the range.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.onnx_files import save_onnx
from tasks.compression.calibration import Inputs
from tasks.compression.settings import CompressionSettings
from tasks.task_types.onnx_network import BY_ROW

_PRODUCTS: Final = ("MatMul", "Gemm")
_TABLES: Final = ("Gather",)


def quantize(path: Path, settings: CompressionSettings) -> None:
    """Write an ONNX file anew with its weight matrices in eight bits, their inputs as they come.

    Args:
        path: of the file.
        settings: whether embedding tables are among them.

    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    kinds = [*_PRODUCTS, *(_TABLES if settings.embeddings == "int8" else ())]
    model = onnx.load(path)
    # The exporter has folded constants and inferred shapes, which is asked for beforehand.
    add_pre_process_metadata(model)
    with TemporaryDirectory(prefix="assayline-quantize-") as name:
        small = Path(name) / path.name
        quantize_dynamic(
            model,
            small,
            op_types_to_quantize=kinds,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        save_onnx(onnx.load(small), path, {BY_ROW: "true"})


def quantize_calibrated(path: Path, rows: Iterable[Inputs]) -> None:
    """Write an ONNX file anew with its weight matrices in eight bits, and fixed scales of inputs.

    Args:
        path: of the file.
        rows: inputs by name, one batch after the other, in which the ranges are looked for.

    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    class Rows(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped here
        def __init__(self) -> None:
            self._rows = iter(rows)

        def get_next(self) -> Inputs | None:
            return next(self._rows, None)

    model = onnx.load(path)
    add_pre_process_metadata(model)
    with TemporaryDirectory(prefix="assayline-quantize-") as name:
        small = Path(name) / path.name
        quantize_static(
            model,
            small,
            Rows(),
            op_types_to_quantize=list(_PRODUCTS),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Products of two inputs, in attention, stay in float32, as they do without rows.
            extra_options={"MatMulConstBOnly": True},
        )
        save_onnx(onnx.load(small), path, {BY_ROW: "true"})
