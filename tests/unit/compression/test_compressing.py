"""A compressed model: the same network, in bytes that are the same each time."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from benchmarks.gpu.folder_store import FolderStore
from infra.errors import BaseModelError, SettingsError, TrainingError
from infra.module_source import ROOT
from infra.onnx_files import ONNX_FILE, divide_output
from tasks.compression import compressing
from tasks.compression.compressing import compress_weights
from tasks.compression.quantizing import quantize, quantize_calibrated, quantize_weights
from tasks.compression.settings import CompressionSettings
from tasks.evaluation.temperature import scale_weights
from tasks.records.data import DataReport
from tasks.records.training import Tokens, Weights
from tasks.task_types.examples import pad
from tasks.task_types.labels.text_logits import text_logits
from tasks.task_types.onnx_network import BY_ROW, FILE, OnnxNetwork
from tasks.task_types.scoring import load_model
from tests.unit.compression.compressed_models import MAX_LENGTH
from tests.unit.task_types.every_task_type import TEXTS

KIND = "AutoModelForSequenceClassification"
INT8 = CompressionSettings(method="onnx_int8")


@pytest.fixture(scope="module")
def folders(
    weights: Weights, exported: Weights, rounded: Weights, calibrated: Weights,
    four_bits: Weights, folder_store: FolderStore, tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Path]:  # fmt: skip
    """The model as it was trained, and both compressed ones."""
    made = tmp_path_factory.mktemp("folders")
    records = {
        "torch": weights, "onnx": exported, "onnx_int8": rounded, "onnx_int8_static": calibrated,
        "onnx_int4_weights": four_bits,
    }  # fmt: skip
    return {n: folder_store.get_folder(one.artifact, made / n) for n, one in records.items()}


@pytest.fixture(scope="module")
def networks(folders: Mapping[str, Path]) -> Mapping[str, Any]:
    return {name: load_model(folder, KIND) for name, folder in folders.items()}


def logits(network: Any, rows: list[list[int]]) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = network(**pad(rows, 0)).logits.numpy()
    return found


ROWS = st.lists(
    st.lists(st.integers(5, 599), min_size=1, max_size=MAX_LENGTH), min_size=1, max_size=6
)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_the_exported_network_is_the_trained_one_at_any_shape(
    networks: Mapping[str, Any], rows: list[list[int]]
) -> None:
    ours, theirs = logits(networks["onnx"], rows), logits(networks["torch"], rows)
    assert ours.shape == theirs.shape == (len(rows), 3)
    assert np.abs(ours - theirs).max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_an_answer_does_not_depend_on_the_rows_beside_it(
    networks: Mapping[str, Any], rows: list[list[int]]
) -> None:
    """Of numbers rounded by the batch it would, by far more than the staging check admits."""
    alone = {
        name: np.concatenate([logits(network, [row]) for row in rows])
        for name, network in networks.items()
    }
    for exact in ("onnx", "onnx_int4_weights"):
        assert np.abs(logits(networks[exact], rows) - alone[exact]).max() < 1e-5
    for rounded in ("onnx_int8", "onnx_int8_static"):
        assert (logits(networks[rounded], rows) == alone[rounded]).all()


def test_what_is_rounded_is_near_and_smaller(
    networks: Mapping[str, Any], folders: Mapping[str, Path], rounded: Weights, exported: Weights
) -> None:
    rows = [list(range(5, 30)), list(range(40, 47))]
    apart = np.abs(logits(networks["onnx_int8"], rows) - logits(networks["torch"], rows)).max()
    assert 0 < apart < 0.1 * np.abs(logits(networks["torch"], rows)).max()
    told, plain = rounded.compression, exported.compression
    assert told
    assert plain
    assert told.size_bytes == (folders["onnx_int8"] / ONNX_FILE).stat().st_size < plain.size_bytes
    assert told.exported_difference == plain.exported_difference == plain.difference < 1e-5
    assert told.exported_difference < told.difference < 0.2
    assert not networks["onnx"].by_row
    assert networks["onnx_int8"].by_row


def test_ranges_that_rows_told_are_near_too(
    networks: Mapping[str, Any], calibrated: Weights, rounded: Weights
) -> None:
    rows = [list(range(5, 30)), list(range(40, 47))]
    theirs = logits(networks["torch"], rows)
    apart = np.abs(logits(networks["onnx_int8_static"], rows) - theirs).max()
    assert 0 < apart < 0.3 * np.abs(theirs).max()
    told, dynamic = calibrated.compression, rounded.compression
    assert told
    assert dynamic
    assert told.method == "onnx_int8_static"
    assert told.exported_difference == dynamic.exported_difference
    assert told.size_bytes < 1.1 * dynamic.size_bytes
    assert networks["onnx_int8_static"].by_row


def test_a_compressed_folder_has_the_network_in_place_of_the_weights(
    folders: Mapping[str, Path], weights: Weights, rounded: Weights
) -> None:
    names = {name: {file.name for file in folder.iterdir()} for name, folder in folders.items()}
    assert names["onnx_int8"] == names["torch"] - {"model.safetensors"} | {"model.onnx"}
    assert ONNX_FILE == FILE
    assert rounded.compression
    assert rounded.compression.original_sha256 == weights.artifact.sha256
    assert replace(rounded, compression=None, artifact=weights.artifact) == weights


@pytest.mark.slow
@pytest.mark.usefixtures("exported_anew")
def test_the_same_weights_give_the_same_bytes_and_no_trace_of_this_machine(
    folder_store: FolderStore, folders: Mapping[str, Path], weights: Weights, rounded: Weights
) -> None:
    again = compress_weights(folder_store, weights, "classification", INT8)
    assert again.artifact == rounded.artifact
    content = (folders["onnx_int8"] / ONNX_FILE).read_bytes()
    for trace in (b"site-packages", b".py", b"File ", str(folders["onnx_int8"]).encode()):
        assert trace not in content, trace
    other = CompressionSettings(method="onnx_int8", embeddings="int8")
    smaller = compress_weights(folder_store, weights, "classification", other)
    assert smaller.artifact.sha256 != rounded.artifact.sha256
    assert smaller.compression
    assert rounded.compression
    assert smaller.compression.size_bytes < rounded.compression.size_bytes


def test_a_network_that_is_not_the_trained_one_ends_the_run(
    folder_store: FolderStore, weights: Weights
) -> None:
    strict = CompressionSettings(method="onnx", max_difference=1e-12)
    with pytest.raises(TrainingError, match=r"compression\.max_difference is 1e-12"):
        compress_weights(folder_store, weights, "classification", strict)


@pytest.mark.slow
def test_a_network_that_answers_no_numbers_ends_the_run(
    folder_store: FolderStore, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = compressing.load_model

    def broken(folder: Path, kind: str) -> Any:
        model = load(folder, kind)
        torch.nn.init.constant_(model.classifier.weight, float("nan"))  # type: ignore[attr-defined]
        return model

    monkeypatch.setattr(compressing, "load_model", broken)
    with pytest.raises(TrainingError, match="nan of the largest one off"):
        compress_weights(folder_store, weights, "classification", INT8)


def test_what_cannot_be_compressed_is_refused(
    folder_store: FolderStore, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="the task_type is chat"):
        compress_weights(folder_store, weights, "chat", INT8)
    monkeypatch.setattr(compressing, "why_not_installed", lambda _: "onnx is not installed")
    with pytest.raises(SettingsError, match="onnx is not installed"):
        compress_weights(folder_store, weights, "classification", INT8)


def test_a_compressed_model_without_onnxruntime_or_with_a_broken_file_says_so(
    folders: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / ONNX_FILE).write_bytes(b"no network")
    with pytest.raises(BaseModelError, match="cannot be loaded"):
        load_model(broken, KIND)
    monkeypatch.setattr("infra.onnx_files.importlib.util.find_spec", lambda _: None)
    with pytest.raises(BaseModelError, match=r"install assayline\[compression\]"):
        load_model(folders["onnx"], KIND)


def test_no_sum_of_products_overflows_on_any_processor(tmp_path: Path) -> None:
    """Two products of the largest numbers in 16 bits, as processors without VNNI add them."""
    random = np.random.default_rng(0)
    weight = random.choice([-1.0, 1.0], (64, 8)).astype(np.float32)
    path = tmp_path / ONNX_FILE
    one_product(path, weight)
    quantize(path, INT8)
    small = onnx.load(path)
    (eight,) = [
        numpy_helper.to_array(one) for one in small.graph.initializer if one.name == "w_quantized"
    ]
    assert eight.dtype == np.int8
    assert eight.shape == (64, 8)
    assert 2 * 255 * int(np.abs(eight.astype(int)).max()) < 2**15
    assert [one.key for one in small.metadata_props] == [BY_ROW]


def test_a_scale_is_the_range_that_calibration_rows_had(tmp_path: Path) -> None:
    """Of 256 steps, with 0 among them; what lies beyond is taken for the end of the range."""
    path = tmp_path / ONNX_FILE
    one_product(path, np.eye(4, dtype=np.float32))
    batches = [np.array([[-1.0, 0.5, 2.0, 0.0]]), np.array([[3.0, -2.1, 0.0, 1.0]])]
    quantize_calibrated(path, ({"x": one.astype(np.float32)} for one in batches))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    step = (3.0 + 2.1) / 255
    given = np.array([[-9.0, 9.0, 1.0, 0.0]], dtype=np.float32)
    (found,) = session.run(["y"], {"x": given})
    assert found[0] == pytest.approx([-2.1, 3.0, 1.0, 0.0], abs=step)
    small = onnx.load(path)
    weights = {one.name: numpy_helper.to_array(one) for one in small.graph.initializer}
    (eight,) = [one for one in weights.values() if one.dtype == np.int8 and one.size == 16]
    assert np.abs(eight.astype(int)).max() <= 64


def test_weights_of_four_bits_are_near_and_smallest(
    networks: Mapping[str, Any], four_bits: Weights, rounded: Weights
) -> None:
    rows = [list(range(5, 30)), list(range(40, 47))]
    theirs = logits(networks["torch"], rows)
    apart = np.abs(logits(networks["onnx_int4_weights"], rows) - theirs).max()
    assert 0 < apart < 0.5 * np.abs(theirs).max()
    told, eight = four_bits.compression, rounded.compression
    assert told
    assert eight
    assert told.size_bytes < eight.size_bytes
    assert not networks["onnx_int4_weights"].by_row


@pytest.mark.parametrize("tables", [False, True])
def test_32_numbers_share_a_scale(tmp_path: Path, *, tables: bool) -> None:
    """So that small ones keep their ratios beside large ones of another block."""
    random = np.random.default_rng(0)
    path = tmp_path / ONNX_FILE
    weight = random.integers(-7, 8, (64, 8)).astype(np.float32)
    weight[0], weight[32] = -8, -8  # the end of the range, by which the scale is taken
    weight[32:] *= 1000
    one_product(path, weight)
    kind = "int4" if tables else "float32"
    asked = CompressionSettings(method="onnx_int4_weights", embeddings=kind)
    quantize_weights(path, asked)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(["y"], {"x": np.eye(64, dtype=np.float32)})
    np.testing.assert_allclose(found, weight, rtol=1e-5)


def test_a_log_is_not_set_up_by_what_is_imported(tmp_path: Path) -> None:
    """In a process of its own, which has not imported it yet."""
    code = (
        "import logging, pathlib, sys\n"
        "from tasks.compression.quantizing import quantize_weights\n"
        "from tasks.compression.settings import CompressionSettings\n"
        "asked = CompressionSettings(method='onnx_int4_weights')\n"
        "quantize_weights(pathlib.Path(sys.argv[1]), asked)\n"
        "root = logging.getLogger()\n"
        "assert (root.level, root.handlers) == (logging.WARNING, []), root.handlers\n"
    )
    path = tmp_path / ONNX_FILE
    one_product(path, np.ones((64, 8), dtype=np.float32))
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False,
        cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "quantization of" not in done.stderr


def test_four_bits_give_the_same_bytes(
    four_bits: Weights, folder_store: FolderStore, weights: Weights
) -> None:
    settings = CompressionSettings(method="onnx_int4_weights", embeddings="int4")
    again = compress_weights(folder_store, weights, "classification", settings)
    assert again.artifact == four_bits.artifact
    plain = CompressionSettings(method="onnx_int4_weights")
    larger = compress_weights(folder_store, weights, "classification", plain)
    assert larger.compression
    assert four_bits.compression
    assert larger.compression.size_bytes > four_bits.compression.size_bytes


@pytest.mark.slow
def test_the_same_rows_give_the_same_bytes_and_others_do_not(
    folder_store: FolderStore, weights: Weights, tokens: Tokens, calibrated: Weights
) -> None:
    def made(rows: int) -> Weights:
        asked = CompressionSettings(method="onnx_int8_static", calibration_rows=rows)
        return compress_weights(folder_store, weights, "classification", asked, tokens)

    assert made(128).artifact == calibrated.artifact
    assert made(16).artifact.sha256 != calibrated.artifact.sha256


def test_a_method_that_reads_rows_asks_for_them(
    folder_store: FolderStore, weights: Weights
) -> None:
    settings = CompressionSettings(method="onnx_int8_static")
    with pytest.raises(SettingsError, match="reads training rows, and none are at hand"):
        compress_weights(folder_store, weights, "classification", settings)


def one_product(path: Path, weight: np.ndarray) -> None:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "one product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", weight.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", weight.shape[1]])],
        [numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def test_an_output_is_divided_in_the_file(exported: Weights, folder_store: FolderStore,
                                          tmp_path: Path) -> None:  # fmt: skip
    folder = folder_store.get_folder(exported.artifact, tmp_path / "model")
    before, _ = text_logits(folder, list(TEXTS), max_length=MAX_LENGTH)
    divide_output(folder / ONNX_FILE, "logits", 2.5)
    after, _ = text_logits(folder, list(TEXTS), max_length=MAX_LENGTH)
    assert after == pytest.approx(before / 2.5, rel=1e-6)


def test_a_divided_network_is_asked_by_row_still(
    rounded: Weights, folder_store: FolderStore, tmp_path: Path
) -> None:
    folder = folder_store.get_folder(rounded.artifact, tmp_path / "model")
    divide_output(folder / ONNX_FILE, "logits", 1.5)
    assert OnnxNetwork(folder).by_row


def test_a_compressed_classifier_has_a_temperature_of_its_own(
    rounded: Weights, folder_store: FolderStore, rows: DataReport, tmp_path: Path
) -> None:
    """That of its own answers, and in the bytes that are judged from then on."""
    scaled = scale_weights(rounded, rows, "classification", folder_store)
    assert scaled.temperature != 1
    assert scaled.compression == rounded.compression
    assert scaled.artifact.sha256 != rounded.artifact.sha256
    told = [
        text_logits(
            folder_store.get_folder(one.artifact, tmp_path / name), list(TEXTS),
            max_length=MAX_LENGTH,
        )[0]
        for name, one in (("before", rounded), ("after", scaled))
    ]  # fmt: skip
    assert told[1] == pytest.approx(told[0] / scaled.temperature, rel=1e-5)
