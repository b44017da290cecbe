"""What gates can decide before training: by a version's numbers, by planning values, or never."""

from dataclasses import replace

import pytest

from tasks.power import power_of_gate
from tasks.records.measured_version import MeasuredVersion, estimates_bytes, read_estimates
from tasks.records.power import GatePower, GroupSize, HeldOut, PowerForecast
from tasks.registry.planned_power import foresee_power
from tasks.registry.settings import PolicySettings
from tasks.resampling import estimate_of_proportion
from tasks.verdicts import Estimate, Gate, undetermined
from tests.unit.test_power import normal

SAME = Gate(metric="staging.same_predictions", at_least=1.0)
NO_WORSE = Gate(metric="champion.macro_f1_gain", at_least=-0.02)
QUALITY = Gate(metric="quality.macro_f1", at_least=0.93)
FLIPS = Gate(metric="counterfactual.words.flip_rate", at_most=0.05)
GAP = Gate(metric="fairness.gender.accuracy_difference", at_most=0.1)
LABELS = {"a": 125, "b": 125, "c": 125, "d": 125, "e": 125}
WOMEN = GroupSize("gender", "female", 194, 41, None, {"a": 20, "b": 174})
MEN = GroupSize("gender", "male", 507, 354, None, {"a": 101, "b": 406})
ROWS = HeldOut(625, None, LABELS, (WOMEN, MEN))


def forecast(
    *gates: Gate, held_out: HeldOut = ROWS, measured: MeasuredVersion | None = None
) -> PowerForecast:
    policy = PolicySettings(gates=(QUALITY, *gates, SAME))
    return foresee_power(
        policy, held_out, measured, margin=0.02, margins={}, min_group_rows=30
    )  # fmt: skip


def of(told: PowerForecast, gate: Gate) -> GatePower:
    return next(one for one in told.power if one.metric == gate.metric)


def test_without_a_version_the_assumptions_are_said() -> None:
    told = forecast(NO_WORSE)
    assert [one.metric for one in told.power] == [QUALITY.metric, NO_WORSE.metric]
    assert told.warnings == ()
    said = " ".join(told.assumptions)
    assert "gets 5.0% of the rows wrong (0.02 better than the gate on quality.macro_f1" in said
    assert "evaluation.margin" in said
    champion = of(told, NO_WORSE)
    # An error of 5%, half of it shared: the audit of the shipped line came to 50%.
    assert (champion.equal_at, champion.basis) == (0.0, "planned")
    assert champion.equal == pytest.approx(0.53, abs=0.03)
    assert of(told, QUALITY).equal_at == pytest.approx(0.95)


def test_a_version_in_production_is_asked_first_and_scaled_to_the_rows_there_are() -> None:
    gain = normal(NO_WORSE.metric, -0.004, 0.008, 625)
    flips = estimate_of_proportion(FLIPS.metric, 3, 209)
    known = MeasuredVersion(7, 625, (gain, flips, normal(QUALITY.metric, 0.97, 0.007, 625)))
    told = forecast(NO_WORSE, FLIPS, measured=known)
    assert of(told, NO_WORSE) == power_of_gate(NO_WORSE, gain, 0.01)
    assert of(told, FLIPS) == power_of_gate(FLIPS, flips, 0.01)
    assert told.assumptions == (
        "the intervals of version 7, on 625 test rows, scaled to those there are",
    )
    larger = forecast(NO_WORSE, FLIPS, measured=known, held_out=replace(ROWS, rows=2_500))
    assert of(larger, NO_WORSE).n == 2_500
    assert of(larger, FLIPS).n == 836
    for gate in (NO_WORSE, FLIPS):
        before, after = of(told, gate), of(larger, gate)
        assert before.equal is not None
        assert after.equal is not None
        assert before.equal < after.equal
        # The rows that it takes do not depend on those there are, but for those of a whole row.
        assert after.rows_for_equal == pytest.approx(before.rows_for_equal, rel=0.02)


def test_rare_labels_make_an_average_over_labels_less_certain() -> None:
    even = of(forecast(), QUALITY)
    rare = of(forecast(held_out=replace(ROWS, rows_by_label={"a": 600, "b": 25})), QUALITY)
    assert rare.equal is not None
    assert even.equal is not None
    assert rare.equal < even.equal


@pytest.mark.parametrize(
    ("gate", "rows", "why"),
    [
        (FLIPS, replace(ROWS, rows=60), "60 test rows, and even if all are right it takes 72"),
        (GAP, replace(ROWS, groups=(MEN, replace(WOMEN, rows=12))), "female has 12 rows"),
        (
            Gate(metric="fairness.gender.equalized_odds_difference", at_most=0.1), ROWS,
            "female with a has 20, female without b has 20 rows, and fewer than 30 are",
        ),
        (
            Gate(metric="fairness.gender.false_positive_rate_difference", at_most=0.1),
            replace(ROWS, groups=(MEN, replace(WOMEN, rows_by_label={"b": 180}))),
            "female without b has 14 rows",
        ),
        (GAP, replace(ROWS, groups=(MEN, replace(WOMEN, clusters=7))), "female has 7 clusters"),
        (
            Gate(metric="fairness.gender_exclusive.worst_group_accuracy", at_least=0.9),
            replace(ROWS, groups=(MEN, replace(WOMEN, exclusive=9))), "female has 9 rows",
        ),
        (NO_WORSE, replace(ROWS, rows=0, rows_by_label={}, groups=()), "there are no test rows"),
        (NO_WORSE, replace(ROWS, clusters=6), "6 clusters, and fewer than 10 tell nothing"),
        (
            Gate(metric="quality.perplexity", at_most=30), replace(ROWS, rows=80),
            "80 test rows, and perplexity takes 100 or more",
        ),
        (Gate(metric="quality.accuracy", at_least=1.0), ROWS, "no number of rows proves"),
    ],
)  # fmt: skip
def test_a_gate_that_nothing_passes_is_warned_of_with_the_rows_it_takes(
    gate: Gate, rows: HeldOut, why: str
) -> None:
    told = forecast(gate, held_out=rows)
    (warning,) = (one for one in told.warnings if one.startswith(gate.metric))
    assert why in warning
    assert "can pass no candidate" in warning
    assert why in of(told, gate).reason
    assert not [one for one in forecast(GAP).warnings if one.startswith(GAP.metric)]


def test_what_cannot_be_planned_says_so() -> None:
    told = forecast(FLIPS, Gate(metric="champion.perplexity_gain", at_least=-1))
    assert [one.reason for one in told.power] == [
        "",
        "how many rows it rests on is known once it is measured",
        "how perplexity varies is known once it is measured",
    ]


def test_a_version_that_told_nothing_of_a_gate_is_planned() -> None:
    nothing = MeasuredVersion(1, 625, (undetermined(NO_WORSE.metric, 625, "no champion"),))
    assert of(forecast(NO_WORSE, measured=nothing), NO_WORSE).basis == "planned"


def test_numbers_of_a_version_are_read_as_they_were_written() -> None:
    estimates: tuple[Estimate, ...] = (
        normal("quality.f1.R&D", 0.5, 0.1, 9),
        undetermined("quality.x", 3, "too few"),
    )
    read = read_estimates(4, estimates_bytes(9, estimates))
    assert read == MeasuredVersion(4, 9, estimates)
    for broken in (b"", b"[]", b'{"rows": 3}', b'{"rows": 1, "estimates": [{"name": 3}]}'):
        with pytest.raises(ValueError, match=r"."):
            read_estimates(1, broken)


def test_a_version_that_was_right_on_all_rows_is_not_taken_to_be_always_right() -> None:
    right = estimate_of_proportion("quality.accuracy", 625, 625)
    told = of(forecast(NO_WORSE, measured=MeasuredVersion(2, 625, (right,))), NO_WORSE)
    assert told.basis == "planned"
    assert told.equal is not None
    assert 0.9 < told.equal < 1
