"""One explained text, in the terminal and as a page."""

import json
from pathlib import Path

import pytest

from flows.commands import explain_command
from flows.commands.explain_command import explain
from infra.errors import SettingsError
from tasks.explanation.answers import ExplainedAnswer, explain_texts
from tasks.explanation.page import marks_of, render_page
from tests.unit.explanation.conftest import LIMITS

TEXT = "She said <b>shares & bank fell"


@pytest.fixture(scope="module")
def answer(shortcut_folder: Path) -> ExplainedAnswer:
    return explain_texts(shortcut_folder, "classification", LIMITS, [TEXT])[0]


def test_an_answer_says_what_moved_it(answer: ExplainedAnswer) -> None:
    assert (answer.label, answer.predicted) == ("bad", "bad")
    assert answer.strongest[0].text == "bank"
    total = sum(word.value or 0 for word in answer.words)
    assert total == pytest.approx(answer.number - answer.masked, abs=0.02 * abs(answer.number))
    assert answer.sentence.startswith("bad with probability 0.9")
    assert "not whether the answer is right" in answer.says


def test_another_label_is_explained_where_it_is_named(shortcut_folder: Path) -> None:
    (other,) = explain_texts(shortcut_folder, "classification", LIMITS, [TEXT], "occlusion", "good")
    assert other.label == "good"
    assert "its answer is bad" in other.sentence
    assert (other.strongest[0].text, (other.strongest[0].value or 0) < 0) == ("bank", True)
    with pytest.raises(SettingsError, match="'fine' is none of the model's; its labels are bad, g"):
        explain_texts(shortcut_folder, "classification", LIMITS, [TEXT], "occlusion", "fine")


def test_the_page_shows_the_whole_text_and_nothing_from_elsewhere(answer: ExplainedAnswer) -> None:
    page = render_page(answer, "line version 3")
    assert "".join(mark.text for mark in marks_of(answer)) == TEXT
    assert "&lt;" in page
    assert "<b>shares" not in page
    assert "<script" not in page
    assert "http" not in page
    assert page == render_page(answer, "line version 3")
    marks = {mark.text: mark for mark in marks_of(answer)}
    assert (marks["bank"].side, marks["bank"].strength) == ("for", 1.0)


def test_words_behind_the_cut_are_shown_as_not_read(shortcut_folder: Path) -> None:
    (long,) = explain_texts(shortcut_folder, "classification", LIMITS, ["bank " * 50], "occlusion")
    assert long.cut == 12
    assert [mark.side for mark in marks_of(long) if mark.side][-1] == "unread"


def test_the_command_prints_the_words_and_writes_the_page(
    answer: ExplainedAnswer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Which version is in production is told by the stack: tests/integration has the whole way."""
    monkeypatch.setattr(explain_command, "_answer", lambda *_: ("line version 3", answer))
    assert explain("line", TEXT, html=tmp_path / "page.html") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("line version 3, by integrated gradients")
    assert TEXT in shown
    assert "convergence delta" in shown
    assert (tmp_path / "page.html").read_text() == render_page(answer, "line version 3")
    assert explain("line", TEXT, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["label"]) == ("line version 3", "bad")
    with pytest.raises(SettingsError, match="there is no folder"):
        explain("line", TEXT, html=tmp_path / "no" / "page.html")
