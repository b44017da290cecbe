"""Templates filled for one group after the other."""

from pathlib import Path

import pytest
import yaml

from infra.errors import SettingsError
from tasks.protected_groups.templates import (
    TEMPLATES_FOLDER,
    Filled,
    read_templates,
    shipped_templates,
)

GOOD = {
    "templates": ["{Who} is a {work}.", "I know {name}."],
    "groups": {"one": {"Who": "She", "name": "Ann"}, "two": {"Who": "He", "name": "Tom"}},
    "neutral": {"work": ["nurse", "banker"]},
}


def written(folder: Path, content: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_each_template_is_filled_for_each_neutral_term_and_group(tmp_path: Path) -> None:
    assert read_templates(written(tmp_path, GOOD)) == [
        Filled("{Who} is a nurse.", {"one": "She is a nurse.", "two": "He is a nurse."}),
        Filled("{Who} is a banker.", {"one": "She is a banker.", "two": "He is a banker."}),
        Filled("I know {name}.", {"one": "I know Ann.", "two": "I know Tom."}),
    ]


@pytest.mark.parametrize("name", shipped_templates())
def test_the_shipped_files_fill_and_their_groups_differ(name: str) -> None:
    filled = read_templates(TEMPLATES_FOLDER / f"{name}.yaml")
    assert len(filled) >= 30
    for one in filled:
        assert len(set(one.texts.values())) == len(one.texts)
        assert not any(set("{}") & set(text) for text in one.texts.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"templates": []}, r"templates: .*at least 1"),
        ({"templates": [1]}, r"templates\.0: .*string"),
        ({"templates": ["{Who is"]}, r"expected '}'"),
        ({"templates": ["{} is"]}, r"\[''\] are no names of slots"),
        ({"templates": ["{Who.x} is"]}, r"\['Who\.x'\] are no names of slots"),
        ({"templates": ["{age} {Who}"]}, r"no term of 'one' for the slots \['age'\]"),
        ({"groups": {"one": {"Who": "She", "name": "Ann"}}}, r"groups: .*at least 2"),
        ({"groups": {"one": {"Who": "a"}, "two": {"Who": "b", "name": "c"}}}, r"no term of 'one'"),
        ({"neutral": {"work": []}}, r"neutral\.work: .*at least 1"),
        ({"neutral": {"work": ["x"], "Who": ["y"]}}, r"\['Who'\] stand under neutral and under"),
        ({"slots": {}}, r"slots: unknown setting"),
    ],
)
def test_a_wrong_file_is_one_clear_error(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read_templates(written(tmp_path, GOOD | change))


@pytest.mark.parametrize("content", ["", "- a list", "{", "templates: {"])
def test_a_file_that_is_no_mapping_is_one_clear_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(SettingsError, match=r"the template file .*mine\.yaml"):
        read_templates(written(tmp_path, content))


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml cannot be read"):
        read_templates(tmp_path / "none.yaml")
