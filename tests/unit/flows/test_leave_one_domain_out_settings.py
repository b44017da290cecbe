"""Which lines may leave a domain out, and gates on what that comes to."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_config import MINIMAL

ONE = {**MINIMAL["source"], "group_columns": ["shop", "sold"]}  # type: ignore[dict-item]
SEVERAL = {name: {**ONE, "path": f"/{name}.csv"} for name in ("forum", "shop")}
DROP = "leave_one_domain_out.shop.east.macro_f1_drop"


def settings(metric: str = "", **asked: Any) -> dict[str, Any]:
    gates: list[dict[str, Any]] = [
        {"metric": "baseline.macro_f1_gain", "at_least": 0.1},
        {"metric": "staging.same_predictions", "at_least": 1.0},
        *([{"metric": metric, "at_most": 0.1}] if metric else []),
    ]
    return {
        **MINIMAL, "source": ONE, "probes": {"leave_one_domain_out": asked},
        "policy": {"gates": gates, "fairness_not_gated": "of something else here"},
    }  # fmt: skip


def of_sources(metric: str = "", **asked: Any) -> dict[str, Any]:
    given = settings(metric, **asked)
    del given["source"]
    return {**given, "sources": SEVERAL}


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate(given)
    return str(refused.value)


def test_a_column_of_groups_or_several_sources_say_domains() -> None:
    RetrainConfig.model_validate(settings(column="shop"))
    RetrainConfig.model_validate(settings(column="sold", span="month", values=["2026-11"]))
    RetrainConfig.model_validate(of_sources(values=["forum"]))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (settings(), "it is source, and the line has one source: nothing would be left"),
        (settings(column="town"), "right would be one of source.group_columns (shop, sold), or"),
        (of_sources(values=["wiki"]), "it is none of the sources, which are forum, shop"),
        (of_sources(span="year"), "names of sources are no dates"),
        (settings(column="shop", values=["a", "a"]), "names a domain twice"),
        (settings(column="shop", values=["a|b"]), "'a|b' names no domain"),
        (settings(column="shop", values=[" "]), "' ' names no domain"),
        (settings(column="sold", span="year", values=["2026-11"]), "which is no year; right would"),
        (settings(column="sold", span="month", values=["2026-13"]), "be '2026-11'"),
        (settings(column="shop", max_trainings=21), "less than or equal to 20"),
        (settings(column="shop", min_rows=19), "greater than or equal to 20"),
    ],
)
def test_what_says_no_domain_is_refused_as_the_settings_are_read(
    given: dict[str, Any], told: str
) -> None:
    assert told in refusal(given)


@pytest.mark.parametrize(
    "others",
    [
        {"augmentation": {"word_swap": {"share": 0.1}}},
        {"pruning": {"neurons": 0.5}},
        {"compression": {"method": "onnx_int8"}},
        {"distillation": {"teacher": {"line": "large"}}},
        {"mitigation": {"reweighing": {"attribute": "shop"}}},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_candidate_that_is_made_otherwise_is_not_compared(others: dict[str, Any]) -> None:
    RetrainConfig.model_validate({**settings(), **others, "probes": {}})
    said = refusal({**settings(column="shop"), **others})
    assert f"leave {next(iter(others))} out, or probe a line without it" in said


def test_a_gate_may_be_on_a_domain_that_is_left_out_and_on_no_other() -> None:
    RetrainConfig.model_validate(settings(DROP, column="shop"))
    RetrainConfig.model_validate(settings(DROP, column="shop", values=["east"]))
    elsewhere = DROP.replace("east.", "east.elsewhere.")
    RetrainConfig.model_validate(settings(elsewhere, column="shop", values=["east"]))
    assert DROP in refusal(settings(DROP, column="shop", values=["west"]))
    assert DROP in refusal(settings(DROP, column="sold"))
    without = settings(DROP)
    del without["probes"]
    assert "probes.leave_one_domain_out is not set; set it to {}" in refusal(without)


def test_a_drop_that_every_model_keeps_to_is_no_threshold() -> None:
    given = settings(column="shop")
    given["policy"]["gates"].append({"metric": DROP, "at_most": 1.0})
    assert "every model passes" in refusal(given)
    config = RetrainConfig.model_validate(settings(column="shop", values=["east", "west"]))
    named = {one.form for one in measurable_of(config) if one.family == "leave_one_domain_out"}
    assert {DROP, DROP.removesuffix("_drop"), DROP.replace("east", "west.elsewhere")} <= named
