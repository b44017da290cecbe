"""Whatever is wrong with the settings of a line is said in one refusal, each with its key."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.config import load_config
from infra.errors import SettingsError


class Fault(NamedTuple):
    """What somebody gets wrong: how it comes into the file, and the lines that say so."""

    plant: Callable[[dict[str, Any]], None]
    said: tuple[str, ...]


# Before a scalar that is to stand in the file as it is, without quotes.
PLAIN = "plain "
YES = True


def setting(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set the value of a key such as training.epochs."""
    *parents, name = place.split(".")

    def plant(content: dict[str, Any]) -> None:
        for parent in parents:
            content = content.setdefault(parent, {})
        content[name] = value

    return plant


def gate(**fields: object) -> Callable[[dict[str, Any]], None]:
    """Add a gate to the policy."""
    return lambda content: content["policy"]["gates"].append(fields)


def both(
    *plants: Callable[[dict[str, Any]], None],
) -> Callable[[dict[str, Any]], None]:
    return lambda content: [plant(content) for plant in plants] and None


FAULTS = {
    "unknown key": Fault(setting("nonsense", 1), (r"nonsense: unknown setting",)),
    "misspelt key": Fault(
        setting("training.batch_tokns", 1), (r"training\.batch_tokns: unknown setting",)
    ),
    "bad line": Fault(setting("line", "Neue Fälle"), (r"line: .*did you mean neue-falle\?",)),
    "bound": Fault(setting("training.epochs", 0), (r"training\.epochs: .*greater than",)),
    "octal": Fault(
        setting("training.seed", f"{PLAIN}012"), (r"training\.seed: 012 would .* \(line \d+\)",)
    ),
    "base 60": Fault(
        setting("staging.start_timeout_s", f"{PLAIN}1:30"),
        (r"staging\.start_timeout_s: 1:30 would be read as the number 90",),
    ),
    "no such day": Fault(
        setting("splits.salt", f"{PLAIN}2026-02-30"),
        (r"splits\.salt: 2026-02-30 cannot be read: .*quote it",),
    ),
    "date": Fault(
        setting("base_model.revision", f"{PLAIN}2026-01-02"), (r"base_model\.revision: .*quote it",)
    ),
    "yes and no": Fault(
        setting("contract.labels", [YES, not YES]),
        (r"contract\.labels\.0: .*quote the word", r"contract\.labels\.1: .*quote the word"),
    ),
    "languages": Fault(
        setting("contract.languages", ["english", "en", "zz"]),
        (r"contract\.languages\.0: 'english' is no", r"contract\.languages\.2: 'zz' is no"),
    ),
    "slices": Fault(
        setting("evaluation.slices.where", {"long": "length >", "far": "near("}),
        (
            r"evaluation\.slices\.where\.long: slice 'long'",
            r"evaluation\.slices\.where\.far: slice 'far'",
        ),
    ),
    "yes for a number": Fault(
        setting("training.learning_rate", YES), (r"training\.learning_rate: a number is needed",)
    ),
    "NaN": Fault(
        setting("drift.false_discovery_rate", float("nan")),
        (r"drift\.false_discovery_rate: .*finite",),
    ),
    "infinite": Fault(
        setting("training.max_grad_norm", float("inf")), (r"training\.max_grad_norm: .*finite",)
    ),
    "bounds in disorder": Fault(
        both(setting("contract.min_text_length", 9), setting("contract.max_text_length", 5)),
        (r"contract\.min_text_length: .*9 exceeds max_text_length 5",),
    ),
    "reason of no column": Fault(
        setting("contract.max_quarantine_share_by_reason", {"missing txt": 0.1}),
        (r"contract\..*missing txt: .*did you mean 'missing text'\?",),
    ),
    "tokens of no base model": Fault(
        both(setting("contract.min_tokens", 3), setting("base_model.scratch.architecture", "bert")),
        (r"contract\.min_tokens: .*counts tokens of a pretrained base model",),
    ),
    "width of heads": Fault(
        both(
            setting("base_model.scratch.architecture", "bert"),
            setting("base_model.scratch.hidden_size", 100),
            setting("base_model.scratch.heads", 3),
        ),
        (r"base_model\.scratch: hidden_size 100",),
    ),
    "a column twice": Fault(
        setting("source.columns", {"text": "t", "label": "t"}), (r"source: a column is named",)
    ),
    "a column of ours": Fault(
        setting("source.cluster_column", "row_id"), (r"source: column\(s\) \['row_id'\]",)
    ),
    "delimiter": Fault(setting("source.delimiter", "::"), (r"source\.delimiter: ",)),
    "shares": Fault(setting("splits.train", 0.9), (r"splits: .*must sum to 1",)),
    "misspelt bound of a gate": Fault(
        gate(metric="quality.accuracy", at_lest=1),
        (r"policy\.gates\.\d+\.at_lest: unknown setting",),
    ),
    "gate of two bounds": Fault(
        gate(metric="quality.accuracy", at_least=0, at_most=1), (r"policy\.gates\.\d+: gate ",)
    ),
    "gate of no groups": Fault(
        gate(metric="fairness.country.accuracy_difference", at_most=0.1),
        (r"policy\.gates\.\d+\.metric: .*'country', which is not assessed",),
    ),
    "gate of no swaps": Fault(
        gate(metric="counterfactual.religion.flip_rate", at_most=0.1),
        (r"policy\.gates\.\d+\.metric: .*flip_rate is not measured",),
    ),
    "gate of no metric": Fault(
        gate(metric="quality.macro_f11", at_least=0.5),
        (r"policy\.gates\.\d+\.metric: .*macro_f11 is not .*did you mean quality\.macro_f1\?",),
    ),
    "gate of another task type": Fault(
        gate(metric="baseline.rmse_gain", at_least=0.5),
        (r"policy\.gates\.\d+\.metric: .*rmse is a metric of regression",),
    ),
    "gate in percent": Fault(
        gate(metric="quality.balanced_accuracy", at_least=85),
        (r"policy\.gates\.\d+\.at_least: .*lies between 0 and 1; did you mean 0\.85\?",),
    ),
    "gate that all pass": Fault(
        gate(metric="quality.macro_recall", at_least=0),
        (r"policy\.gates\.\d+\.at_least: .*every model passes at least 0",),
    ),
    "gate on the better side": Fault(
        gate(metric="quality.pr_auc", at_most=0.5),
        (r"policy\.gates\.\d+\.at_most: .*higher is better .*did you mean at_least\?",),
    ),
    "gate twice": Fault(
        gate(metric="quality.macro_f1", at_least=0.1), (r"policy\.gates: quality\.macro_f1 has 2",)
    ),
    "no decay": Fault(
        both(setting("training.method", "lora"), setting("training.layer_decay", 0.5)),
        (r"training: layer_decay 0\.5 has no effect",),
    ),
    "warm-up": Fault(
        both(setting("training.schedule", "on_plateau"), setting("training.warmup_ratio", 0.1)),
        (r"training: warmup_ratio 0\.1 has no effect",),
    ),
    "stride": Fault(setting("tokenization.stride", 400), (r"tokenization: stride 400 leaves",)),
    "pair that nothing assesses": Fault(
        setting("fairness.intersections", [["gender", "region"]]),
        (r"fairness\.intersections or fairness\.groups name \['region'\]",),
    ),
}  # fmt: skip


def refusal(folder: Path, faults: set[str]) -> str:
    """What is said of a file with these faults."""
    content: dict[str, Any] = {
        "line": "reviews",
        "source": {"format": "csv", "path": "rows.csv"},
        "policy": {
            "gates": [
                {"metric": "quality.macro_f1", "at_least": 0.5},
                {"metric": "staging.same_predictions", "at_least": 1.0},
            ]
        },
    }
    for name in sorted(faults):
        FAULTS[name].plant(content)
    path = folder / "line.yaml"
    text = yaml.safe_dump(content, allow_unicode=True).replace(PLAIN, "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_config(path)
    return str(refused.value)


@settings(deadline=None)
@given(st.sets(st.sampled_from(sorted(FAULTS)), min_size=1))
def test_any_faults_are_all_said_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, faults: set[str]
) -> None:
    message = refusal(tmp_path_factory.getbasetemp(), faults)
    expected = [words for name in faults for words in FAULTS[name].said]
    lines = message.splitlines()
    for words in expected:
        assert any(re.match(rf"  {words}", line) for line in lines), (words, message)
    assert f"has {len(expected)} wrong setting(s)" in lines[0], message


def test_all_faults_together(tmp_path: Path) -> None:
    assert refusal(tmp_path, set(FAULTS)).count("\n") >= len(FAULTS)


@pytest.mark.parametrize(
    ("place", "text", "meant"),
    [
        ("training.learning_rate", "1e-5", 1e-5),
        ("training.learning_rate", ".5", 0.5),
        ("training.learning_rate", "'1e-5'", 1e-5),
        ("training.checkpoint_every_s", "1_000", 1000.0),
        ("training.checkpoint_every_s", "0x1F", 31.0),
        ("training.epochs", "1_0", 10),
        ("training.epochs", "3.0", 3),
        ("contract.max_tokens", "~", None),
        ("splits.salt", "1e-5", "1e-5"),
        ("splits.salt", "12:3e4", "12:3e4"),
    ],
)
def test_a_number_is_what_its_writer_meant(
    tmp_path: Path, place: str, text: str, meant: object
) -> None:
    section, name = place.split(".")
    assert getattr(getattr(load_config(written(tmp_path, place, text)), section), name) == meant


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        ("training.epochs", "1e1", "(value seen: '1e1'; write 10)"),
        ("training.epochs", "0o17", "(value seen: '0o17'; write 15)"),
        ("training.epochs", "1,000", "(value seen: '1,000'; write 1000)"),
        ("training.epochs", "~", "write a number, or leave it out"),
        ("training.epochs", "", "write a number, or leave it out"),
        ("training.epochs", "2026-01-01", "YAML reads it as a date: write a number"),
        ("training.epochs", "on", "a number is needed here; YAML reads yes, no, on"),
        ("training.epochs", "1:30", "1:30 would be read as the number 90"),
        ("training.epochs", "[012]", "012 would be read as the number 10"),
        ("training.learning_rate", "'0,5'", "(value seen: '0,5'; write 0.5)"),
        ("training.learning_rate", "5%", "(value seen: '5%'; write 0.05)"),
        ("training.learning_rate", "'0x1F'", "(value seen: '0x1F'; write 31)"),
        ("training.learning_rate", "1:30.5", "1:30.5 would be read as the number 90.5"),
        ("training.learning_rate", ".nan", "should be a finite number"),
        ("training.learning_rate", "-.INF", "should be a finite number"),
        ("training.learning_rate", "inf", "should be a finite number"),
        ("training.learning_rate", "many", "unable to parse string as a number"),
        ("contract.max_quarantine_share_by_reason", "{language: yes}", "a number is needed here"),
        ("splits.salt", "2026-01-01 10:00:00", "quote it, so that it is read as text"),
        ("splits.salt", "~", "quote the word, as in 'null'"),
        ("splits.salt", "0b101", "quote it, so that it is read as text"),
    ],
)
def test_a_number_that_is_read_otherwise_is_one_message(
    tmp_path: Path, place: str, text: str, said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_config(written(tmp_path, place, text))
    assert "has 1 wrong setting(s)" in str(refused.value) or text == "[012]"
    assert f"  {place}" in str(refused.value)
    assert said in str(refused.value)


def written(folder: Path, place: str, text: str) -> Path:
    """A line's file with one more setting, as somebody writes it."""
    section, name = place.split(".")
    path = folder / "line.yaml"
    path.write_text(
        f"line: a\nsource: {{format: csv, path: a.csv}}\n{section}:\n  {name}: {text}\n"
    )
    return path
