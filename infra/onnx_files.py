"""Networks in one ONNX file: written so that the same network gives the same bytes."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

ONNX_FILE: Final = "model.onnx"
# What reads such a file, and beside it what makes one; the extra `compression` brings all of them.
READERS: Final = ("onnxruntime",)
WRITERS: Final = ("onnx", "onnxruntime", "onnxscript")
# A protobuf message, and so one file, holds no more.
MAX_BYTES: Final = 2**31 - 1


def why_not_installed(packages: tuple[str, ...]) -> str:
    """What is to be installed before networks are read or written; empty where nothing is.

    Args:
        packages: `READERS` or `WRITERS`.

    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{', '.join(missing)} {verb} not installed; install assayline[compression]"


def save_onnx(model: Any, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a network into one file, without what says where and by what call it was made.

    The exporter notes at each node the lines of Python that it comes from, with the folders of this
    machine.

    Args:
        model: an ``onnx.ModelProto``, with its weights in it.
        path: of the file.
        metadata: what it says of itself; nothing by default.

    Raises:
        SettingsError: it is larger than one such file can be.

    """
    from onnx.helper import set_model_props

    _forget_origins(model)
    set_model_props(model, dict(metadata or {}))
    size = model.ByteSize()
    if size > MAX_BYTES:
        raise SettingsError(
            f"compression: the exported network has {size:,} bytes, and one ONNX file holds at "
            f"most {MAX_BYTES:,}; leave compression out for a model of this size"
        )
    path.write_bytes(model.SerializeToString(deterministic=True))


def _forget_origins(model: Any) -> None:
    parts = [model, *model.functions, *(node for one in model.functions for node in one.node)]
    for graph in _graphs(model):
        parts += [graph, *graph.node, *graph.input, *graph.output, *graph.value_info]
        parts += graph.initializer
    for part in parts:
        part.doc_string = ""
        if "metadata_props" in part.DESCRIPTOR.fields_by_name:
            del part.metadata_props[:]


def _graphs(model: Any) -> "Iterator[Any]":
    """The graph, and those within its nodes."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [
            inner
            for node in graph.node
            for attribute in node.attribute
            for inner in ([attribute.g] if attribute.HasField("g") else attribute.graphs)
        ]


def divide_output(path: Path, name: str, divisor: float) -> None:
    """Divide an output of a network by a number, as the last thing that it does.

    Args:
        path: of the file, which is written anew.
        name: of the output, which keeps it.
        divisor: above 0.

    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    metadata = {one.key: one.value for one in model.metadata_props}
    whole = f"{name} undivided"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, one in enumerate(names):
                if one == name:
                    names[place] = whole
    by = f"{name} divisor"
    number = np.asarray(divisor, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(number, by))
    model.graph.node.append(helper.make_node("Div", [whole, by], [name], f"{name} divided"))
    save_onnx(model, path, metadata)
