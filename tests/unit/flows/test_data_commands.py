"""What the console says of a line's data."""

from dataclasses import replace

import pytest

from flows.commands.data_commands import LABELS_SHOWN, _show_data
from infra.store import Artifact
from tasks.records.data import ControlTokens, DataPage, DoubtfulLabel, SourceChanges, SourceRows

PAGE = Artifact("s3://assayline-artifacts/reports/0f1e.html", "0f1e", 1)


def page(found: ControlTokens) -> DataPage:
    return DataPage(
        line="chat",
        html=PAGE,
        quarantine=PAGE,
        rows_read=70,
        duplicates_dropped=0,
        rows_clean=68,
        rows_by_label={"praise": 40, "complaint": 28},
        rows_quarantined=2,
        quarantined_by_reason={"control token": 2},
        personal_data=(),
        drift=None,
        control_tokens=found,
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ControlTokens("text", 5, 3, {"[SEP]": 3}), "read as text"),
        (ControlTokens("quarantine", 5, 2, {"[SEP]": 2}), "quarantine"),
    ],
)
def test_rows_that_spell_a_control_token_are_said(
    found: ControlTokens, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _show_data(page(found))
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "spell a control" in one]
    assert str(found.rows) in line
    assert said in line


def test_without_such_rows_nothing_is_said_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    _show_data(page(ControlTokens("text", 5)))
    assert "spell" not in capsys.readouterr().out


def test_a_label_of_the_map_that_never_occurs_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    changes = SourceChanges(3, {"pos": 12, "psitive": 0}, ("?", "old"))
    _show_data(replace(page(ControlTokens()), changes=changes))
    lines = capsys.readouterr().out.splitlines()
    (mapped,) = [line for line in lines if "'pos'" in line]
    (unused,) = [line for line in lines if "'psitive'" in line]
    assert "12" in mapped
    assert "no label of the source is written so" in unused
    assert any("source.unmapped_labels: put aside: '?', 'old'" in line for line in lines)
    assert any("source.normalise_labels" in line and " 3 " in line for line in lines)


def test_rows_that_are_not_kept_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    _show_data(replace(page(ControlTokens()), changes=SourceChanges(rows_left_out=1234)))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "not kept" in line]
    assert "1,234" in line
    assert "source.keep_rows" in line


def test_a_label_that_looks_like_noise_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    doubtful = DoubtfulLabel("postive", 3, "like a misspelling", "positive", "source.label_map")
    _show_data(replace(page(ControlTokens()), doubtful_labels=(doubtful,)))
    assert doubtful.sentence in capsys.readouterr().out


def test_rows_of_several_sources_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    split = {"train": 6, "validation": 1, "test": 3}
    by_source = tuple(SourceRows(name, 0.5, 20, 1, 2, 7, split) for name in ("forum", "shop"))
    _show_data(replace(page(ControlTokens()), by_source=by_source))
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("forum")]
    assert line.split() == ["forum", "20", "1", "2", "7", "6", "1", "3", "50.0%", "50.0%"]


def test_the_rows_of_each_label_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    _show_data(page(ControlTokens("text", 5)))
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "label praise 40" in said
    assert "label complaint 28" in said


def test_of_very_many_labels_the_first_are_said_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = {f"class-{number:04}": 2 for number in range(LABELS_SHOWN + 5)}
    _show_data(replace(page(ControlTokens("text", 5)), rows_by_label=many))
    said = capsys.readouterr().out
    assert f"class-{LABELS_SHOWN - 1:04}" in said
    assert f"class-{LABELS_SHOWN:04}" not in said
    assert "5 more labels" in said
    assert " 10 " in said


def test_splits_unlike_the_training_rows_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    unlike = {"test": "shift.test.text_length, shift.test.embeddings"}
    _show_data(replace(page(ControlTokens()), unlike_splits=unlike, untold_splits=("validation",)))
    said = capsys.readouterr().out
    assert "the test rows are unlike the training rows: shift.test.text_length, shift" in said
    assert "whether the validation rows are like the training rows: undetermined" in said
