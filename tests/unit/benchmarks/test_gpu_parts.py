"""What the check for a GPU is made of: its store, its packages, its counts."""

import itertools
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import DeviceType
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForMaskedLM

from benchmarks.gpu import packages
from benchmarks.gpu.folder_store import FolderStore
from benchmarks.gpu.profiles import covered, shares_of
from benchmarks.gpu.steps.utilisation import flop_per_token
from benchmarks.gpu.texts import make_rows
from benchmarks.gpu.trainings import Speed
from infra.errors import StoreError
from infra.store import MANIFEST


def test_a_folder_comes_back_from_the_store_as_it_was(tmp_path: Path) -> None:
    store, folder = FolderStore(tmp_path / "store"), tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"one")
    (folder / "inner" / "b.bin").write_bytes(b"two")
    written = store.put_folder(store.uri("weights", "1"), folder)
    back = store.get_folder(written, tmp_path / "back")
    assert (back / "inner" / "b.bin").read_bytes() == b"two"
    assert store.list(store.uri("weights", "1"))[-1].endswith(MANIFEST)
    assert store.exists(f"{written.uri}/a.bin")
    store.delete(f"{written.uri}/")
    assert store.list(store.uri("weights")) == []


def test_an_altered_or_missing_object_is_refused(tmp_path: Path) -> None:
    store, folder = FolderStore(tmp_path / "store"), tmp_path / "model"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"one")
    written = store.put_folder(store.uri("weights", "1"), folder)
    store.put_bytes(f"{written.uri}/a.bin", b"other")
    with pytest.raises(StoreError, match="sha256"):
        store.get_folder(written, tmp_path / "back")
    with pytest.raises(StoreError, match="does not exist"):
        store.get_bytes(store.uri("nothing"))


def test_a_missing_package_is_unpacked_from_its_wheel_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "gpu_trial-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("gpu_trial/__init__.py", "VALUE = 7\n")
    monkeypatch.setattr(packages, "NEEDED", {"gpu_trial": "gpu_trial"})
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    brought = packages.bring_packages(tmp_path / "packages", wheels)
    assert brought == ["gpu_trial-1.0-py3-none-any.whl"]
    import gpu_trial

    assert gpu_trial.VALUE == 7
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [
        str(tmp_path / "packages"), "/elsewhere",
    ]  # fmt: skip


def test_a_package_without_a_wheel_is_named_with_the_mend(tmp_path: Path) -> None:
    assert packages.missing_packages() == []  # the development environment has them all
    with pytest.raises(packages.MissingPackageError, match="make gpu-wheels"):
        packages._wheel_of("dotenv", tmp_path)


def test_pydantic_and_its_core_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "pydantic" else name)
    assert set(packages.missing_packages()) == {"pydantic", "pydantic_core"}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=8))
def test_covered_time_counts_each_moment_once(starts: list[tuple[int, int]]) -> None:
    spans = [(float(start), float(start + length)) for start, length in starts]
    moments = {at for start, length in starts for at in range(start, start + length)}
    assert covered(spans) == len(moments)


def event(name: str, start: float, end: float, *, on_gpu: bool = False, thread: int = 1) -> object:
    return SimpleNamespace(
        name=name, time_range=SimpleNamespace(start=start, end=end), thread=thread,
        device_type=DeviceType.CUDA if on_gpu else DeviceType.CPU,
        is_user_annotation=name.startswith("Optimizer"),
    )  # fmt: skip


def test_shares_of_a_profile_are_those_of_its_spans() -> None:
    shares = shares_of(
        [
            event("cudaLaunchKernel", 0, 1, thread=3),
            event("aten::mm", 0, 20),
            event("aten::add", 50, 60),
            event("aten::mm", 20, 100, thread=2),
            event("enumerate(DataLoader)#iter.__next__", 20, 30),
            event("Optimizer.step#AdamW.step", 60, 90),
            event("sgemm", 10, 40, on_gpu=True),
            event("sgemm", 30, 60, on_gpu=True),
            event("Optimizer.step#AdamW.step", 60, 100, on_gpu=True),
        ]
    )
    assert shares.device_waits == pytest.approx(0.5)
    assert shares.loader == pytest.approx(0.1)
    assert shares.optimizer == pytest.approx(0.3)
    assert shares.python == pytest.approx(0.7)
    assert shares.steps_s == pytest.approx(100e-6)


def test_operations_of_a_token_are_those_that_torch_counts() -> None:
    length, rows = 16, 3
    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, attn_implementation="eager",
    )  # fmt: skip
    model = BertForMaskedLM(config)
    ids = torch.arange(rows * length).reshape(rows, length) % 50
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids).logits.sum().backward()
    ours = flop_per_token(Speed(1.0, SimpleNamespace(model=model), float(length))) * rows * length
    assert ours == pytest.approx(counter.get_total_flops(), rel=1e-6)


def test_texts_are_distinct_and_as_long_as_sentences() -> None:
    rows = make_rows({"train": 300, "test": 100})
    texts = rows["text"].to_pylist()
    assert len(set(texts)) == len(texts) == 400
    assert len(set(rows["label"].to_pylist())) == 5
    words = sorted(len(text.split()) for text in texts)
    assert 18 < words[200] < 30
    assert words[-1] <= 112
    assert make_rows({"train": 300, "test": 100}).equals(rows)
    assert all(a != b for a, b in itertools.pairwise(sorted(texts)))
