"""`assayline augment`: what the methods of a line make of a text."""

import json
from pathlib import Path

import pytest
import yaml

from flows.commands.augment_command import augment
from infra.errors import SettingsError
from tests.unit.flows.test_config import MINIMAL

ROOT = Path(__file__).parents[3]
LINE = ROOT / "configs" / "examples" / "bbc-news-augmented.yaml"
TEXT = "Profits at the bank fell by 3%, and its chairman James Smith said that he would not resign."


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert augment(LINE, TEXT) == 0
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    page = (ROOT / "docs" / "augmentation.md").read_text(encoding="utf-8")
    shown = [" ".join(line.split()) for line in page.splitlines()]
    assert len(printed) == 5
    assert not set(printed) - set(shown)


def test_a_script_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert augment(LINE, TEXT, "No", as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["before"] for one in found} == {TEXT, "No"}
    assert {one["reason"] for one in found if one["before"] == "No"} == {"nothing to change"}


def test_a_line_without_augmentation_and_no_text_are_said(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(SettingsError, match="sets no augmentation"):
        augment(path, TEXT)
    with pytest.raises(SettingsError, match="no text was given"):
        augment(LINE)
