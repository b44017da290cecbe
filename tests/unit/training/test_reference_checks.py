"""Whether base and reference can be used: everything that is wrong in one message, or digests."""

import json
import shutil
from pathlib import Path

import pytest

from infra.base_models import fingerprint
from infra.errors import BaseModelError, SettingsError
from tasks.records.training import BaseModel
from tasks.training.preference.reference import pin_reference
from tasks.training.preference_settings import PreferenceSettings
from tests.unit.task_types.language_models import tiny_gpt2, tiny_llama

KIND = "preference"


def model_in(folder: Path) -> BaseModel:
    found = fingerprint(folder)
    return BaseModel(str(folder), None, found.sha256, found.tokenizer_sha256)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llama"))


def test_the_reference_is_the_base_or_what_is_named(llama: Path, tmp_path: Path) -> None:
    base = model_in(llama)
    assert pin_reference(PreferenceSettings(), base, KIND, 48) == base
    other = tmp_path / "other"
    shutil.copytree(llama, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    named = pin_reference(PreferenceSettings(reference=str(other)), base, KIND, 48)
    assert named == model_in(other)
    assert named.sha256 != base.sha256


def test_a_base_that_is_no_causal_model_is_told(llama: Path, tiny_model: Path) -> None:
    with pytest.raises(SettingsError) as told:
        pin_reference(PreferenceSettings(), model_in(tiny_model), KIND, 48)
    assert "base_model" in str(told.value)
    assert "and a causal language model is asked for" in str(told.value)


def test_all_that_is_wrong_comes_at_once(llama: Path, tmp_path: Path) -> None:
    gpt2 = tiny_gpt2(tmp_path / "gpt2")
    settings = PreferenceSettings(reference=str(gpt2))
    with pytest.raises(SettingsError) as told:
        pin_reference(settings, model_in(llama), KIND, 60)
    said = str(told.value)
    assert "takes at most 48 tokens, and tokenization.max_length is 60" in said
    assert f"training.preference.reference '{gpt2}' has a tokenizer without a chat template" in said


def test_another_tokenizer_is_told(llama: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(llama, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:-1]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(SettingsError, match="reads texts by another tokenizer"):
        pin_reference(PreferenceSettings(reference=str(other)), model_in(llama), KIND, 48)


def test_a_place_without_a_model_is_told_by_its_setting(llama: Path, tmp_path: Path) -> None:
    settings = PreferenceSettings(reference=str(tmp_path / "nothing"))
    with pytest.raises(BaseModelError, match=r"^training.preference.reference: "):
        pin_reference(settings, model_in(llama), KIND, 48)
