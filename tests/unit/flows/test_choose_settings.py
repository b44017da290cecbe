"""What names the base models of a choice, and what of it is refused before anything runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import flows.choose as choosing
from flows.commands.choose_command import choose as choose_command
from flows.commands.choose_command import show_choice
from flows.config import RetrainConfig, load_config, load_config_with
from infra.errors import BaseModelError, SettingsError
from tasks.records.choice import Candidate, Choice, FoundModel, Number, ProbedModel, TokenUse
from tasks.tokenization.base_model import name_of
from tests.unit.flows.test_config import MINIMAL

COMMIT = "3f076fdb1ab68d5b2880cb87a0886f315b8146f8"


def line(*candidates: Any, **changes: Any) -> RetrainConfig:
    return RetrainConfig.model_validate(
        {**MINIMAL, "choose": {"candidates": list(candidates)}, **changes}
    )


def asked(config: RetrainConfig) -> list[str]:
    assert config.choose
    return [name_of(one) for one in choosing._asked(config, config.choose)]


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, **changes}))
    return path


def test_a_line_chooses_from_nothing_unless_it_says_so() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.choose is None
    with pytest.raises(SettingsError, match="no section `choose`"):
        choosing._settings_of(config)


def test_a_candidate_is_short_for_its_reference_and_commit() -> None:
    config = line(
        "package:a/b", f"own/model@{COMMIT}", "/models/x@abcdef1",
        {"reference": "package:c", "gguf_file": "d.gguf"},
    )  # fmt: skip
    assert config.choose
    found = [(one.reference, one.revision) for one in config.choose.candidates]
    assert found == [
        ("package:a/b", None), ("own/model", COMMIT), ("/models/x@abcdef1", None),
        ("package:c", None),
    ]  # fmt: skip
    assert asked(config)[1:] == [
        "package:a/b", f"own/model@{COMMIT}", "/models/x@abcdef1", "package:c/d.gguf",
    ]  # fmt: skip


def test_the_lines_own_comes_first_and_once_and_one_from_scratch_is_none() -> None:
    own = {"reference": "package:own"}
    assert asked(line("a/b", "package:own", base_model=own)) == ["package:own", "a/b"]
    scratch = {"scratch": {"architecture": "bert"}}
    assert asked(line("a/b", base_model=scratch)) == ["a/b"]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"candidates": []}, "at least 1 item"),
        ({"candidates": ["a/b", "a/b"]}, "candidates name a/b twice"),
        ({"candidates": [""]}, "at least 1 character"),
        ({"candidates": ["a/b"], "probe": {"train_rows": 5}}, "greater than or equal to 20"),
        ({"candidates": ["a/b"], "machine_hour_cost": 0}, "greater than 0"),
        ({"candidates": ["a/b"], "metric": "x"}, "Extra inputs"),
        ({"candidates": [{"reference": "a", "gguf_file": "b.bin"}]}, "should match pattern"),
        ({}, "Field required"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RetrainConfig.model_validate({**MINIMAL, "choose": section})


def test_folders_are_relative_to_the_file_and_those_of_the_command_to_where_it_is_called(
    tmp_path: Path,
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        (folder / "own").mkdir(parents=True)
    (there / "own.gguf").write_bytes(b"")
    path = written(here, choose={"candidates": ["own", "a/b"], "machine_hour_cost": 2.0})
    assert asked(load_config(path))[1:] == [str(here / "own"), "a/b"]
    config = load_config_with(path, ["own", "own.gguf", f"a/b@{COMMIT}"], there)
    assert asked(config)[1:] == [str(there / "own"), str(there / "own.gguf"), f"a/b@{COMMIT}"]
    assert config.choose
    assert config.choose.machine_hour_cost == 2.0
    with pytest.raises(SettingsError, match="candidates name own/none twice"):
        load_config_with(path, ["own/none", "own/none"], there)


def test_a_file_without_candidates_is_told_how_to_name_some(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"name some behind the file"):
        choose_command(written(tmp_path))


def test_where_none_is_left_every_reason_is_said() -> None:
    found = FoundModel("a", None, reason="not there"), FoundModel("b", None)
    choosing._check_some_left([(one, None) for one in found])
    with pytest.raises(BaseModelError, match=r"a: not there; b: too short"):
        choosing._check_some_left([(found[0], None), (found[1], ProbedModel(reason="too short"))])


TOKENS = TokenUse(400, 510, 90.5, 0.004, "word", 1.27, 0.25, 0.75)


def a_choice(**changes: Any) -> Choice:
    candidates = (
        Candidate(
            "big", is_own=True, licence="mit", size_bytes=90_000_000, parameters=22_700_000,
            tokens=TOKENS, quality=Number(0.95, 0.93, 0.97), standing="best", row_s=0.02,
            training_s=400.0, training_cost=0.33,
        ),
        Candidate(
            "small", is_own=False, size_bytes=9_000_000, parameters=45_000, tokens=TOKENS,
            quality=Number(0.94, 0.92, 0.96), behind_best=Number(-0.01, -0.03, 0.01),
            standing="not told", row_s=0.5, training_s=40.0, training_cost=0.03,
        ),
        Candidate("gone", is_own=False, reason="it is no folder", at_hand=False),
    )  # fmt: skip
    made = {
        "line": "x", "task_type": "classification", "metric": "macro_f1",
        "greater_is_better": True, "margin": 0.02, "train_rows": 400, "validation_rows": 200,
        "confidence": 0.95, "candidates": candidates, "words_alone": Number(0.9, 0.8, 0.95),
        "recommended": "big", "why": "the rule", "notes": ("a note",), "basis": "the basis",
    }  # fmt: skip
    return Choice(**(made | changes))


def test_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_choice(a_choice())
    printed = [" ".join(row.split()) for row in capsys.readouterr().out.splitlines()]
    assert "big (the line's) mit 22.7M 90.00 MB 510 0.4% 1.27 25.0% 75.0%" in printed
    assert "small not stated 45k 9.000 MB 510 0.4% 1.27 25.0% 75.0%" in printed
    assert "* big 0.9500 [0.9300, 0.9700] best 50 6 min 40 s 0.3300" in printed
    small = next(row for row in printed if row.startswith("small 0.94"))
    assert small == (
        "small 0.9400 [0.9200, 0.9600] \N{MINUS SIGN}0.01000 [\N{MINUS SIGN}0.03000, 0.01000] "
        "within noise of the best 2.0 40.0 s 0.03000"
    )
    assert "words alone (TF-IDF) 0.9000 [0.8000, 0.9500]" in printed
    assert "gone: not at hand: it is no folder" in printed
    assert "big is recommended: the rule" in printed
    assert printed[-1] == "the basis"
    assert "a note" in printed


def test_without_a_probe_there_is_one_table_and_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_choice(
        a_choice(
            validation_rows=0, train_rows=0, recommended="", why="none is recommended: so", basis=""
        )
    )
    printed = capsys.readouterr().out
    assert "none is recommended: so" in printed
    assert "words alone" not in printed
    assert "no test row" not in printed


def test_a_choice_is_a_record_of_json() -> None:
    """As Prefect keeps what a flow returns, and gives it back."""
    from dataclasses import asdict

    from pydantic import TypeAdapter

    kept = json.loads(json.dumps(asdict(a_choice())))
    assert TypeAdapter(Choice).validate_python(kept) == a_choice()
