"""What `assayline forget` takes for a line."""

from pathlib import Path

import pytest

from flows.commands.cli import main


@pytest.mark.parametrize("name", ["../keys", "a/b", "Reviews", ".", "x" * 64])
def test_what_is_no_name_of_a_line_is_refused_before_anything_is_asked(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").mkdir()
    bystander = tmp_path / "keys.prefect.yaml"
    bystander.touch()
    with pytest.raises(SystemExit, match="1"):
        main(["forget", name])
    assert f"{name!r} is no name of a line" in capsys.readouterr().err
    assert bystander.exists()
