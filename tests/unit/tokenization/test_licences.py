"""A base model whose licence asks more than a plain one is accepted by name, or refused."""

import json
from pathlib import Path

import huggingface_hub
import pytest

from infra.digests import digest_of
from infra.errors import NotAtHandError, SettingsError
from tasks.records.training import BaseModel
from tasks.stages.tokenization import check_layers_licence
from tasks.tokenization.licences import PLAIN_LICENCES, check_licence
from tasks.tokenization.settings import BaseModelSettings


def settings_of(folder: Path, stated: str, accepted: str | None = None) -> BaseModelSettings:
    if stated:
        (folder / "README.md").write_text(f"---\nlicense: {stated}\n---\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({}), encoding="utf-8")
    return BaseModelSettings(reference=str(folder), accepted_licence=accepted)


@pytest.mark.parametrize("stated", [*sorted(PLAIN_LICENCES), "MIT", "[mit, apache-2.0]"])
def test_a_plain_licence_needs_no_word(tmp_path: Path, stated: str) -> None:
    found = check_licence(settings_of(tmp_path, stated))
    assert found == stated.strip("[]")


@pytest.mark.parametrize(
    "stated", ["gemma", "llama3", "cc-by-nc-4.0", "gpl-3.0", "[mit, gemma]", "openrail"]
)
def test_any_other_is_refused_until_it_is_accepted(tmp_path: Path, stated: str) -> None:
    name = stated.strip("[]")
    with pytest.raises(SettingsError) as refused:
        check_licence(settings_of(tmp_path, stated))
    assert f"states the licence {name!r}" in str(refused.value)
    assert f"base_model.accepted_licence: {name}" in str(refused.value)
    assert check_licence(settings_of(tmp_path, stated, name.upper())) == name


def test_another_licence_than_the_stated_one_accepts_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is 'gemma', and .* states the licence 'llama3'"):
        check_licence(settings_of(tmp_path, "llama3", "gemma"))


def test_of_a_model_that_states_none_the_accepted_one_is_told(tmp_path: Path) -> None:
    assert check_licence(settings_of(tmp_path, "")) == ""
    assert check_licence(settings_of(tmp_path, "", "gemma")) == "gemma"
    scratch = BaseModelSettings.model_validate({"scratch": {"architecture": "bert"}})
    assert check_licence(scratch) == ""


def test_the_model_that_is_shipped_needs_no_word() -> None:
    assert check_licence(BaseModelSettings()) == "apache-2.0"


def test_layers_of_a_folder_are_trained_on_by_its_licence(tmp_path: Path) -> None:
    """A student of a teacher's layers is made of the teacher's weights."""
    settings_of(tmp_path, "gemma")
    with pytest.raises(SettingsError, match="states the licence 'gemma'"):
        check_layers_licence.fn(str(tmp_path), BaseModelSettings())
    accepted = BaseModelSettings(accepted_licence="gemma")
    assert check_layers_licence.fn(str(tmp_path), accepted) == "gemma"


def test_what_nobody_can_ask_is_not_taken_for_no_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    far = BaseModelSettings(reference="nobody/has-this-model", revision="a" * 40)
    with pytest.raises(NotAtHandError, match="nobody/has-this-model"):
        check_licence(far)


def test_a_licence_makes_no_other_model_of_it() -> None:
    one, same = BaseModel("a", None, "b", "c"), BaseModel("a", None, "b", "c", "mit")
    assert one == same
    assert digest_of(one) == digest_of(same)
