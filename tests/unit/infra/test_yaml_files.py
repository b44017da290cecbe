"""Settings files that are too deep, too large in the end, or give a key twice."""

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.config import load_config
from infra.errors import SettingsError
from infra.yaml_files import MAX_BYTES, MAX_DEPTH, parse_yaml
from tasks.protected_groups.templates import read_templates

BOMB = "line: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
ROOT = Path(__file__).parents[3]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(JSON)
def test_what_is_within_the_limits_is_read_as_by_safe_load(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("path", [*ROOT.glob("configs/*.yaml"), ROOT / "prefect.yaml"])
def test_the_files_of_this_project_are_within_the_limits(path: Path) -> None:
    text = path.read_text("utf-8")
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(BOMB, "more than 100,000 values", id="aliases of aliases"),
        pytest.param("line: " + "[" * 100_000, f"more than {MAX_DEPTH} values", id="deep list"),
        pytest.param("- " * 100_000 + "x", f"more than {MAX_DEPTH} values", id="deep block"),
        pytest.param("{a: " * 100_000, f"more than {MAX_DEPTH} values", id="deep mapping"),
        pytest.param("a: &x [1, *x]", "inside of what it stands for", id="itself"),
        pytest.param("a: &x {b: [*x]}", "inside of what it stands for", id="itself, deeper"),
        pytest.param("a: " + "x" * MAX_BYTES, "right are at most 1,000,000", id="large"),
        pytest.param("line: one\npolicy: {}\nline: two\n", "'line'", id="twice"),
        pytest.param("a: {b: 1, 'b': 2}", "'b'", id="twice, inside"),
        pytest.param("a: 012", "012 would be read as the number 10", id="octal"),
        pytest.param("a: [1:30]", "1:30 would be read as the number 90", id="base 60"),
        pytest.param("a: 2026-13-01", "cannot be read", id="no date"),
        pytest.param("a: " + "9" * 5_000, "cannot be read", id="no number that Python reads"),
    ],
)
def test_what_is_beyond_them_is_refused_at_once(tmp_path: Path, text: str, said: str) -> None:
    started = time.process_time()
    with pytest.raises(yaml.YAMLError, match=said):
        parse_yaml(text)
    path = tmp_path / "line.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said) as settings:
        load_config(path)
    with pytest.raises(SettingsError, match=said):
        read_templates(path)
    assert time.process_time() - started < 5
    assert len(str(settings.value)) < 2_000


def test_both_places_of_a_key_are_named() -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        parse_yaml("line: a\npolicy:\n  gates: []\nsource: {}\npolicy:\n  gates: [x]\n")
    assert "line 2, column 1" in str(refused.value)
    assert "line 5, column 1" in str(refused.value)


def test_what_a_merge_brings_may_be_given_anew() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {z: 3}\nown: {<<: [*b, *o], x: 4}\n"
    assert parse_yaml(text)["own"] == {"x": 4, "y": 2, "z": 3}
