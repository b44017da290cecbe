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

With weights alone in four bits, 32 numbers of an output channel share a scale, and each product is
of float32, so that no answer depends on another row.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.onnx_files import save_onnx
from tasks.compression.calibration import Inputs
from tasks.compression.settings import CompressionSettings
from tasks.task_types.onnx_network import BY_ROW

_PRODUCTS: Final = ("MatMul", "Gemm")
_TABLES: Final = ("Gather",)
# Numbers that share a scale, where weights alone have four bits.
_BLOCK: Final = 32
# The first version of ONNX's operators that knows numbers of four bits, as tables have them.
_OF_FOUR_BITS: Final = 21
# Of MatMulNBits: in what numbers its products are made.
_FLOAT32: Final = 1


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


def quantize_weights(path: Path, settings: CompressionSettings) -> None:
    """Write an ONNX file anew with its weight matrices in four bits, and all else in float32.

    Args:
        path: of the file.
        settings: whether embedding tables are among them.

    """
    import onnx
    from onnx.version_converter import convert_version

    with _log_as_it_was():
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    tables, model = settings.embeddings == "int4", onnx.load(path)
    made = MatMulNBitsQuantizer(
        convert_version(model, _OF_FOUR_BITS) if tables else model,
        bits=4,
        block_size=_BLOCK,
        is_symmetric=True,
        accuracy_level=_FLOAT32,
        op_types_to_quantize=("MatMul", *(_TABLES if tables else ())),
        quant_axes=(("MatMul", 0), ("Gather", 1)),
    )
    made.process()
    save_onnx(made.model.model, path)


@contextmanager
def _log_as_it_was() -> Iterator[None]:
    """Keep the root logger, which a module of onnxruntime sets up as it is imported."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
