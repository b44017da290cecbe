"""Which base model is recommended: the rule by brute force, and none where none can be told."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.base_models.choosing import _judge, _Measured, _standing
from tasks.evaluation.base_models.ground import ChoiceGround
from tasks.evaluation.base_models.recommendation import notes_on, place_of, recommend
from tasks.evaluation.base_models.settings import ProbeSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.choice import Candidate, Number, ProbedModel, Standing
from tasks.resampling_units import units_of_rows
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import mean_of

NUMBER = Number(0.9, 0.85, 0.95)


def model(
    name: str, parameters: int, standing: Standing = "", value: float | None = 0.9
) -> Candidate:
    quality = Number(value, 0, 1) if value is not None else Number(None, reason="too few rows")
    return Candidate(
        name, is_own=False, licence="mit", parameters=parameters, standing=standing, quality=quality
    )


def taken(*candidates: Candidate) -> tuple[str, str]:
    return recommend(candidates, "macro_f1", 0.02, "")


def test_the_smallest_of_those_that_are_shown_to_be_as_good_is_taken() -> None:
    best, good = model("big", 100, "best"), model("middle", 50, "as good")
    assert taken(best, good)[0] == "middle"
    assert "at most 0.02 behind the best in macro_f1" in taken(best, good)[1]
    # What cannot be told from the best, or is worse, is not taken for being small.
    assert taken(best, good, model("small", 10, "not told"))[0] == "middle"
    assert taken(best, model("small", 10, "worse"))[0] == "big"
    assert taken(best, model("small", 10, "not told"))[0] == "big"
    assert taken(best, model("small", 10, "not told"))[1] == (
        "the best in macro_f1, and no smaller one is shown to be at most 0.02 behind it"
    )
    # Of equal sizes the first name.
    assert taken(model("b", 10, "best"), model("a", 10, "as good"))[0] == "a"


def test_what_cannot_be_told_is_said() -> None:
    name, why = taken(model("a", 1, value=None), model("b", 2, value=None))
    assert name == ""
    assert why == "none is recommended, since macro_f1 cannot be told: too few rows"
    broken = replace(model("a", 1, "best"), reason="broken")
    assert taken(broken) == ("", "none is recommended: none of them can be taken")
    assert recommend([model("a", 1, "best")], "x", 0.02, "no probe") == (
        "", "none is recommended: no probe",
    )  # fmt: skip
    assert taken(model("a", 1, "best"), broken)[1] == "it is the only one that can be taken"


def test_a_standing_is_told_by_both_ends() -> None:
    for low, high, standing in (
        (-0.01, 0.03, "as good"), (-0.02, 0.0, "as good"), (-0.015, -0.005, "as good"),
        (-0.03, 0.01, "not told"), (-0.03, 0.0, "not told"), (-0.2, -0.01, "worse"),
    ):  # fmt: skip
        assert _standing(Number((low + high) / 2, low, high), 0.02) == standing, (low, high)
    assert _standing(Number(None, reason="why"), 0.02) == "not told"
    assert _standing(None, 0.02) == "not told"


def test_what_can_be_taken_comes_first_then_the_better_then_the_smaller() -> None:
    best, other = model("z", 9, value=0.9), model("y", 1, value=0.8)
    same, untold = model("x", 10, value=0.9), model("a", 1, value=None)
    broken = replace(best, name="b", reason="broken")
    ordered = sorted(
        [broken, untold, other, same, best], key=lambda one: place_of(one, rising=True)
    )
    assert [one.name for one in ordered] == ["z", "x", "y", "a", "b"]
    ordered = sorted([best, other], key=lambda one: place_of(one, rising=False))
    assert [one.name for one in ordered] == ["y", "z"]


def test_notes_name_what_a_reader_would_overlook() -> None:
    best, small = model("big", 100, "best"), model("small", 10, "not told")
    notes = list(notes_on([best, small], "big", Number(0.5, 0.4, 0.6), rising=True))
    assert len(notes) == 1
    assert "small is smaller" in notes[0]
    unlicensed = replace(best, licence="")
    notes = list(notes_on([unlicensed], "big", Number(0.95, 0.9, 1), rising=True))
    assert "states no licence" in notes[0]
    assert "a bag of words is ahead of every probe" in notes[1]
    assert not list(notes_on([best], "big", Number(0.95, 0.9, 1), rising=False))
    assert not list(notes_on([best], "big", Number(None, reason="none"), rising=True))
    # A larger one that cannot be told is no matter.
    assert not list(notes_on([best, model("huge", 900, "not told")], "big", None, rising=True))


STANDINGS = st.sampled_from(["as good", "worse", "not told", ""])


@given(
    st.lists(st.tuples(st.integers(1, 5), STANDINGS, st.booleans()), max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_matter_and_the_rule_is_kept(
    others: list[tuple[int, Standing, bool]], random: object
) -> None:
    candidates = [model("best", 3, "best")] + [
        replace(model(f"m{place}", size, standing), reason="broken" if broken else "")
        for place, (size, standing, broken) in enumerate(others)
    ]
    name, _ = taken(*candidates)
    random.shuffle(candidates)  # type: ignore[attr-defined]
    assert taken(*candidates)[0] == name
    by_name = {one.name: one for one in candidates}
    good = [one for one in candidates if not one.reason and one.standing in {"best", "as good"}]
    assert by_name[name] in good
    assert by_name[name].parameters == min(one.parameters for one in good)


WORLDS = 150
ROWS = 400
MARGIN = 0.05


def standings(truths: dict[str, float], seed: int) -> dict[str, Standing]:
    """How models stand whose share of right answers is known, on rows that some find harder."""
    random = np.random.default_rng(seed)
    ease = random.normal(scale=0.1, size=ROWS)
    scores = {
        name: (random.random(ROWS) < truth + ease - ease.mean()).astype(np.float64)
        for name, truth in truths.items()
    }
    units = units_of_rows([f"{row:064x}" for row in range(ROWS)])
    by_name = {name: mean_of("accuracy", own) for name, own in scores.items()}
    measured = _Measured(by_name, {}, "no words", units, ROWS, ROWS)
    data: Any = None
    evaluation = EvaluationSettings(repeats=4_000, margin=MARGIN, seed=seed)
    ground = ChoiceGround(
        "x", data, "classification", TokenLimits(8), ProbeSettings(), evaluation, 1, None
    )
    plain = [Candidate(name, is_own=False, parameters=1) for name in truths]
    probed = dict.fromkeys(truths, ProbedModel())
    return {one.name: one.standing for one in _judge(plain, probed, measured, ground)}


def test_what_lies_a_margin_behind_is_seldom_taken_for_as_good() -> None:
    """At the margin itself, where a false word is likeliest; the best is picked by its luck."""
    truths = {"a": 0.75, "b": 0.75, "c": 0.75 - MARGIN, "d": 0.75 - MARGIN}
    found = [standings(truths, seed) for seed in range(WORLDS)]
    wrong = [
        one
        for one in found
        if {one["a"], one["b"]} & {"best"} and "as good" in {one["c"], one["d"]}
    ]
    assert len(wrong) / WORLDS < 0.05
    # Nor is what is as good often called worse than one that was lucky.
    unlucky = [one for one in found if "worse" in {one["a"], one["b"]}]
    assert len(unlucky) / WORLDS < 0.05


def test_with_rows_enough_the_same_are_as_good() -> None:
    found = standings({"a": 2.0, "b": 2.0, "c": 0.5}, 0)
    assert found == {"a": "best", "b": "as good", "c": "worse"}
