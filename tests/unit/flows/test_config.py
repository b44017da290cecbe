"""The settings of a line: the shipped ones load, and wrong ones are refused whole."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from flows.config import RetrainConfig, load_config, load_data_config, load_line
from flows.settings_page import PAGE, render_settings_page
from infra.digests import digest_of
from infra.errors import SettingsError
from tasks.registry.fairness_gates import gates_fairness
from tasks.task_types.row_shapes import ROW_SHAPES

PROJECT = Path(__file__).parents[3]
SHIPPED = sorted((PROJECT / "configs").glob("*.yaml"))
MINIMAL = {
    "line": "reviews",
    "source": {"format": "csv", "path": "rows.csv", "columns": {"text": "t", "label": "l"}},
}


def written(folder: Path, content: object) -> Path:
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_line_loads(path: Path) -> None:
    assert load_config(path).line == path.stem


def test_there_are_two_shipped_lines() -> None:
    assert [path.stem for path in SHIPPED] == ["bbc-news", "zh-reviews"]


def test_local_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, MINIMAL))
    assert config.source.path == str(tmp_path / "rows.csv")


@pytest.mark.parametrize("path", ["s3://bucket/rows.csv", "/data/rows.csv"])
def test_absolute_and_store_addresses_stay(tmp_path: Path, path: str) -> None:
    content = MINIMAL | {"source": {**MINIMAL["source"], "path": path}}  # type: ignore[dict-item]
    assert load_config(written(tmp_path, content)).source.path == path


def test_a_deployment_gets_what_differs_from_the_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    given = load_line(str(path), "reviews")["config"]
    assert set(given) == {"line", "source"}
    assert RetrainConfig.model_validate(given) == load_config(path)


@pytest.mark.parametrize("how", ["refuse", "restore", "accept"])
def test_rollback_and_promote_are_deployed_with_what_their_line_decides(
    how: str, tmp_path: Path
) -> None:
    path = written(tmp_path, MINIMAL | {"registry": {"on_outside_move": how}})
    assert load_line(str(path), "reviews")["on_outside_move"] == how
    assert load_line(str(written(tmp_path, MINIMAL)), "reviews")["on_outside_move"] == "refuse"


def test_a_deployment_of_another_line_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    with pytest.raises(SettingsError, match=r"is of the line reviews, and .* gives it to ratings"):
        load_line(str(path), "ratings")


def test_settings_have_a_stable_digest(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    assert digest_of(load_config(path)) == digest_of(load_config(path))


def test_all_errors_come_at_once_each_with_its_key(tmp_path: Path) -> None:
    content = MINIMAL | {"training": {"epochs": 0, "learning_rates": 1}, "nonsense": 1}
    with pytest.raises(SettingsError) as refused:
        load_config(written(tmp_path, content))
    message = str(refused.value)
    assert "training.epochs" in message
    assert "did you mean learning_rate?" in message
    assert "nonsense" in message


@pytest.mark.parametrize(
    ("content", "said", "not_said"),
    [
        pytest.param(
            {"contract": {"labels": [True, False]}},
            ["contract.labels.0", "contract.labels.1", "quote the word, as in 'yes'"],
            ["default factory", "PydanticUndefined", "at least 2 items"], id="yes and no",
        ),
        pytest.param(
            {"contract": {"labels": [1, 2.5, date(2024, 1, 2)]}, "seed": 1},
            ["quote it, so that it is read as text", "labels.2", "seed: unknown setting"],
            ["PydanticUndefined"], id="numbers and dates",
        ),
        pytest.param({"contract": {"labels": ["a"]}}, ["at least 2 items"], [], id="one label"),
        pytest.param({"line": "Neue Fälle"}, ["did you mean neue-falle?"], [], id="capitals"),
        pytest.param({"line": "x" * 70}, [f"did you mean {'x' * 63}?"], [], id="long"),
        pytest.param(
            {"line": "测试"}, ["letters a to z", "'测试'"], ["did you mean"], id="Chinese"
        ),
    ],
)  # fmt: skip
def test_an_error_says_what_would_be_right_and_nothing_that_only_follows(
    tmp_path: Path, content: dict[str, object], said: list[str], not_said: list[str]
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_config(written(tmp_path, MINIMAL | content))
    assert all(words in str(refused.value) for words in said), refused.value
    assert not any(words in str(refused.value) for words in not_said), refused.value


def test_a_gate_on_groups_that_are_not_assessed_is_refused(tmp_path: Path) -> None:
    gates = [
        {"metric": "quality.macro_f1", "at_least": 0.5},
        {"metric": "staging.same_predictions", "at_least": 1.0},
        {"metric": "fairness.country.accuracy_difference", "at_most": 0.1},
    ]
    with pytest.raises(SettingsError, match="'country', which is not assessed"):
        load_config(written(tmp_path, MINIMAL | {"policy": {"gates": gates}}))
    grouped = {**MINIMAL["source"], "group_columns": ["country"]}  # type: ignore[dict-item]
    content = MINIMAL | {"policy": {"gates": gates}, "source": grouped}
    assert len(load_config(written(tmp_path, content)).policy.gates) == 3


def test_a_gate_on_words_that_nobody_swaps_is_refused(tmp_path: Path) -> None:
    gates = [
        {"metric": "quality.macro_f1", "at_least": 0.5},
        {"metric": "staging.same_predictions", "at_least": 1.0},
        {"metric": "counterfactual.religion.flip_rate", "at_most": 0.1},
    ]
    content = MINIMAL | {"policy": {"gates": gates}}
    with pytest.raises(SettingsError, match=r"religion\.flip_rate is not measured"):
        load_config(written(tmp_path, content))
    swapped = content | {"counterfactuals": {"swaps": ["religion"]}}
    assert len(load_config(written(tmp_path, swapped)).policy.gates) == 3
    gates[2]["metric"] = "counterfactual.religion.flips"
    with pytest.raises(SettingsError, match=r"counterfactual\.religion\.flips is not measured"):
        load_config(written(tmp_path, swapped))


def test_more_counterfactual_gates_than_can_be_corrected_are_refused(tmp_path: Path) -> None:
    gates = [
        {"metric": "quality.macro_f1", "at_least": 0.5},
        {"metric": "staging.same_predictions", "at_least": 1.0},
    ]
    names = ["age", "disability", "gendered_words", "names_by_gender", "names_by_race",
             "nationality", "race"]  # fmt: skip
    measures = ("flip_rate", "score_shift", "largest_shift")
    gates += [
        {"metric": f"counterfactual.{name}.{one}", "at_most": 0.1}
        for name in names for one in measures
    ]  # fmt: skip
    content = MINIMAL | {"counterfactuals": {"swaps": names}, "policy": {"gates": gates}}
    with pytest.raises(SettingsError, match="the family counterfactual has 21 gates"):
        load_config(written(tmp_path, content))


def test_word_lists_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "teams.csv").touch()
    (tmp_path / "teams.yaml").touch()
    words = {"swaps": ["religion", "teams.csv"], "templates": ["teams.yaml", "gender"]}
    found = load_config(written(tmp_path, MINIMAL | {"counterfactuals": words})).counterfactuals
    assert found.swaps == ("religion", str(tmp_path / "teams.csv"))
    assert found.templates == (str(tmp_path / "teams.yaml"), "gender")
    assert found.families == ("religion", "teams", "templates_teams", "templates_gender")
    (tmp_path / "teams.csv").unlink()
    with pytest.raises(SettingsError, match=r"teams\.csv' is no swap list; shipped are"):
        load_config(written(tmp_path, MINIMAL | {"counterfactuals": words}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("label_map: {yes: good, no: bad}", r"label_map: True is no label; .*quote the word"),
        ("label_map: {2020-01-01: good}", "2020-01-01 is no label; quote it"),
        (
            "label_map: {yes: good, 012: bad, ok: off}",
            r"has 3 wrong setting(?s:.*)True is no label(?s:.*)012 is no label(?s:.*)False is no",
        ),
        ("label_map: {pos: good, pos: bad}", "the key 'pos' stands here"),
        ("labl_map: {pos: good}", "did you mean label_map"),
        ("label_map: {pos: goood}", "gives 'goood', which contract.labels does not name; did you"),
        ("normalise_labels: lower", "valid tuple"),
    ],
)
def test_a_wrong_label_map_is_refused_before_anything_is_read(
    settings: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(
        "line: reviews\nsource:\n  format: csv\n  path: rows.csv\n"
        f"  {settings}\ncontract: {{labels: [good, bad]}}\n"
    )
    with pytest.raises(SettingsError, match=said):
        load_config(path)


def test_a_label_map_of_numbers_is_the_same_as_a_deployment_has_it(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(
        "line: reviews\nsource: {format: csv, path: a.csv, label_map: {1: bad, 5.0: 4, x: null}}\n"
    )
    config = load_config(path)
    assert config.source.label_map == {"1": "bad", "5": "4", "x": None}
    assert RetrainConfig.model_validate(load_line(str(path), "reviews")["config"]) == config


SHOP = {"format": "csv", "path": "shop.csv"}
FORUM = {"format": "jsonl", "path": "forum.jsonl", "weight": 0.3}


def test_several_sources_stand_in_place_of_one(tmp_path: Path) -> None:
    several = {"shop": SHOP | {"weight": 0.7}, "forum": FORUM}
    path = written(tmp_path, {"line": "reviews", "sources": several})
    config = load_config(path)
    assert config.source.sources["forum"].path == str(tmp_path / "forum.jsonl")  # type: ignore[union-attr]
    assert load_data_config(path).source == config.source
    given = load_line(str(path), "reviews")["config"]
    assert RetrainConfig.model_validate(given) == config
    as_source = {"line": "reviews", "source": {"format": "mixed", "sources": several}}
    assert load_config(written(tmp_path, as_source)) == config


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"sources": {"shop": SHOP, "forum": FORUM}}, "sources shop have no weight"),
        ({"sources": {"shop": SHOP}}, "at least 2"),
        ({"sources": [SHOP, FORUM]}, "valid dictionary"),
        ({"sources": {"my shop": SHOP, "forum": SHOP}}, "should match pattern"),
        ({"sources": {"readmitted": SHOP, "forum": SHOP}}, "names the rows that were taken back"),
        ({"source": SHOP, "sources": {"a": SHOP, "b": SHOP}}, "both source and sources are given"),
        ({"source": SHOP | {"weight": 0.5}}, "source.weight is of several sources"),
        ({"sources": {"a": SHOP, "b": SHOP | {"columns": {"txt": "x"}}}},
         r"sources\.b: source\.columns: classification has no column 'txt'"),
        ({"sources": {"a": SHOP, "b": SHOP | {"label_map": {"x": "goood"}}},
          "contract": {"labels": ["good", "bad"]}}, r"sources\.b: .*gives 'goood'"),
        ({"sources": {"a": SHOP | {"unmapped_labels": "quarantine", "label_map": {"x": "y"}},
                      "b": SHOP}}, "unmapped_labels differs"),
    ],
)  # fmt: skip
def test_wrong_sources_are_refused(content: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        load_config(written(tmp_path, {"line": "reviews"} | content))


def test_all_that_is_wrong_beside_several_sources_is_said(tmp_path: Path) -> None:
    gate = {"metric": "fairness.country.accuracy_difference", "at_most": 0.1}
    content = {
        "line": "reviews",
        "sources": {"shop": SHOP, "forum": SHOP | {"format": "conll"}},
        "training": {"epochs": 0},
        "policy": {"gates": [gate]},
    }
    with pytest.raises(SettingsError) as refused:
        load_config(written(tmp_path, content))
    for said in ("training.epochs: ", "policy.gates.0.metric: ", "sources.forum: "):
        assert f"\n  {said}" in str(refused.value)


def test_a_wrong_setting_of_one_of_several_sources_is_named_as_the_file_has_it(
    tmp_path: Path,
) -> None:
    wrong = {"strip_html": 5, "keep_row": "stars > 3"}
    content = {"line": "reviews", "sources": {"shop": SHOP | wrong, "forum": SHOP}}
    with pytest.raises(SettingsError) as refused:
        load_config(written(tmp_path, content))
    assert "\n  sources.shop.strip_html: " in str(refused.value)
    assert "\n  sources.shop.keep_row: unknown setting" in str(refused.value)
    assert "did you mean keep_rows?" in str(refused.value)


def test_a_label_that_one_of_several_sources_can_bear_is_within_reach(tmp_path: Path) -> None:
    lower = SHOP | {"normalise_labels": ["lower"]}
    content = {"line": "reviews", "contract": {"labels": ["Good", "bad"]}}
    assert load_config(written(tmp_path, content | {"sources": {"a": lower, "b": SHOP}}))
    with pytest.raises(SettingsError, match="'Good', and no row can bear it"):
        load_config(written(tmp_path, content | {"sources": {"a": lower, "b": lower}}))


def test_the_settings_page_is_that_of_the_models() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_settings_page(), (
        "write it anew: python -m flows.settings_page"
    )


def test_a_line_of_any_task_type_loads(tmp_path: Path) -> None:
    source = {"format": "conll", "path": "train.conll"}
    path = written(tmp_path, {"line": "names", "task_type": "tagging", "source": source})
    assert load_data_config(path).task_type == load_config(path).task_type == "tagging"


def test_a_check_of_data_takes_the_data_settings_alone(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL | {"training": {"epochs": 3}})
    assert set(load_line(str(path), "reviews")["data"]) == {"line", "source"}
    wrong = written(tmp_path, MINIMAL | {"training": {"epochs": 0}})
    with pytest.raises(SettingsError, match=r"training\.epochs"):
        load_data_config(wrong)


def test_benchmarks_and_hub_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    source = {"format": "hub", "dataset": "./data"}
    benchmarks = [{"name": "held-out", "path": "held-out.txt"}]
    content = {"line": "reviews", "source": source, "leakage": {"benchmarks": benchmarks}}
    config = load_data_config(written(tmp_path, content))
    assert config.source.dataset == str(tmp_path / "data")  # type: ignore[union-attr]
    assert config.leakage.benchmarks[0].path == str(tmp_path / "held-out.txt")


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "configs" / "examples").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_example_loads(path: Path) -> None:
    assert load_config(path).line == path.stem


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "configs").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_no_shipped_policy_refuses_all_or_lets_small_losses_add_up(path: Path) -> None:
    policy = load_config(path).policy
    asked = [*policy.gates, *policy.fairness_where_decidable]
    assert gates_fairness(asked) or policy.fairness_not_gated
    gated = {gate.metric for gate in policy.gates}
    gains = {metric for metric in gated if metric.startswith("champion.")}
    assert gains
    assert {metric.replace("champion.", "anchor.", 1) for metric in gains} <= gated


def test_every_task_type_has_a_line_that_shows_it() -> None:
    paths = [*SHIPPED, *(PROJECT / "configs" / "examples").glob("*.yaml")]
    assert {load_config(path).task_type for path in paths} == set(ROW_SHAPES.names)
