"""The policy: which settings leave the door open, and which gates are asked."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from infra.store import Artifact
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores, GoldenSetScores
from tasks.records.registry import Judgement, Staged
from tasks.registry.policy import NO_ANCHOR, NO_CHAMPION, NOT_STAGED, judge_policy
from tasks.registry.promotion import why_refused
from tasks.registry.settings import PolicySettings, StagingSettings, default_policy
from tasks.resampling import estimate_of_proportion
from tasks.verdicts import Estimate, Gate, Verdict, exact, undetermined

SAME = Gate(metric="staging.same_predictions", at_least=1.0)
WHY = "who the rows are about is of no account here"
SHIPPED = default_policy("macro_f1").model_copy(update={"fairness_not_gated": WHY})
GOOD = {
    "baseline.macro_f1_gain": 0.05,
    "champion.macro_f1_gain": 0.01,
    "anchor.macro_f1_gain": 0.005,
    "staging.same_predictions": 1.0,
    "staging.latency_p95_ms": 20.0,
    "staging.size_mb": 90.0,
}
FAIRNESS = Fairness(groups=(), estimates=(), min_group_rows=30)


def scores(champion: int | None = 1, **changed: Estimate) -> Scores:
    compared = () if champion is None else ("champion", "anchor")
    families = ("quality", "baseline", *compared)
    estimates = {
        name: exact(name, value, 600)
        for name, value in GOOD.items()
        if name.split(".")[0] in families
    }
    estimates |= {estimate.name: estimate for estimate in changed.values()}
    return Scores(
        artifact=Artifact("s3://b/scores", "0" * 64, 1),
        labels=("a", "b"),
        rows=600,
        estimates=tuple(estimates.values()),
        confusion=((300, 0), (0, 300)),
        calibration=(),
        champion_version=champion,
        champion_note="",
    )


def staged(**changed: Estimate) -> Staged:
    estimates = {
        name: exact(name, value, 64) for name, value in GOOD.items() if name.startswith("staging.")
    }
    estimates |= {estimate.name: estimate for estimate in changed.values()}
    return Staged(
        version=2, estimates=tuple(estimates.values()), requirements=(), answers_sha256="a" * 64
    )


def asked(judgement: Judgement) -> set[str]:
    return {gate.metric for gate in judgement.gates}


def test_the_shipped_gates_pass_what_is_good_and_ask_everything() -> None:
    judgement = judge_policy(SHIPPED, scores(), FAIRNESS, staged())
    assert judgement.verdict is Verdict.PASS
    assert asked(judgement) == set(GOOD)
    assert judgement.notes == ()
    assert why_refused(judgement, None) == ""


@pytest.mark.parametrize("metric", sorted(GOOD))
@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNDETERMINED])
def test_each_shipped_gate_alone_keeps_the_door_shut(metric: str, verdict: Verdict) -> None:
    worst = {"staging.latency_p95_ms": 5_000.0, "staging.size_mb": 5_000.0}.get(metric, -0.9)
    broken = (
        exact(metric, worst, 600)
        if verdict is Verdict.FAIL
        else undetermined(metric, 3, "too few rows")
    )
    in_staging = metric.startswith("staging.")
    judgement = judge_policy(
        SHIPPED,
        scores() if in_staging else scores(x=broken),
        FAIRNESS,
        staged(x=broken) if in_staging else staged(),
    )
    assert judgement.verdict is verdict
    assert metric in why_refused(judgement, None)


def test_a_gate_whose_number_nobody_measured_is_undetermined() -> None:
    policy = PolicySettings(
        gates=(*SHIPPED.gates, Gate(metric="fairness.gender.accuracy_gap", at_most=0.1))
    )
    judgement = judge_policy(policy, scores(), FAIRNESS, staged())
    assert judgement.verdict is Verdict.UNDETERMINED


def test_without_a_champion_its_gates_are_left_out_and_that_is_said() -> None:
    judgement = judge_policy(SHIPPED, scores(champion=None), FAIRNESS, staged())
    assert judgement.verdict is Verdict.PASS
    assert "champion.macro_f1_gain" not in asked(judgement)
    assert "anchor.macro_f1_gain" not in asked(judgement)
    assert judgement.notes == (NO_CHAMPION, NO_ANCHOR)


def test_where_there_is_a_champion_an_anchor_that_nobody_measured_is_undetermined() -> None:
    made = scores()
    forgotten = tuple(e for e in made.estimates if not e.name.startswith("anchor."))
    judgement = judge_policy(SHIPPED, replace(made, estimates=forgotten), FAIRNESS, staged())
    assert judgement.verdict is Verdict.UNDETERMINED
    assert "anchor.macro_f1_gain" in why_refused(judgement, None)


def test_a_champion_that_could_not_be_compared_is_still_asked_for() -> None:
    silent = undetermined("champion.macro_f1_gain", 600, "it knows other labels")
    judgement = judge_policy(SHIPPED, scores(x=silent), FAIRNESS, staged())
    assert judgement.verdict is Verdict.UNDETERMINED
    nothing = scores(champion=None, x=silent)  # a record that contradicts itself
    assert judge_policy(SHIPPED, nothing, FAIRNESS, staged()).verdict is not Verdict.PASS


def test_what_has_no_gates_is_not_said_to_be_left_out() -> None:
    bare = PolicySettings(gates=(SAME, Gate(metric="quality.macro_f1", at_least=0.5)))
    assert judge_policy(bare, scores(champion=None), FAIRNESS, None).notes == (NOT_STAGED,)
    assert judge_policy(bare, scores(champion=None), FAIRNESS, staged()).notes == ()
    both = judge_policy(SHIPPED, scores(champion=None), FAIRNESS, None)
    assert both.notes == (NO_CHAMPION, NO_ANCHOR, NOT_STAGED)
    assert asked(both) == {"baseline.macro_f1_gain"}


def test_before_staging_its_gates_are_left_out_and_nothing_can_be_promoted() -> None:
    judgement = judge_policy(SHIPPED, scores(), FAIRNESS, None)
    assert judgement.verdict is Verdict.PASS
    assert judgement.notes == (NOT_STAGED,)
    assert "not proven to serve" in why_refused(judgement, None)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ((), "proves no quality"),
        ((SAME,), "proves no quality"),
        ((SAME, Gate(metric="quality.calibration_error", at_most=0.1)), "proves no quality"),
        ((Gate(metric="quality.macro_f1", at_least=0.5),), "staging.same_predictions"),
        (
            (
                Gate(metric="quality.macro_f1", at_least=0.5),
                Gate(metric="staging.same_predictions", at_least=0.0),
            ),
            "between 0.99 and 1",
        ),
        (
            (
                Gate(metric="quality.macro_f1", at_least=0.5),
                Gate(metric="staging.same_predictions", at_most=1.0),
            ),
            "between 0.99 and 1",
        ),
        (
            (
                SAME,
                Gate(metric="quality.macro_f1", at_least=0.5),
                Gate(metric="quality.macro_f1", at_least=0.6),
            ),
            "keep the strictest",
        ),
        (
            (
                SAME,
                Gate(metric="quality.macro_f1", at_least=0.5),
                *(Gate(metric=f"fairness.gender.m{i}", at_most=0.1) for i in range(21)),
            ),
            "at most 20",
        ),
    ],
)
def test_a_policy_that_leaves_the_door_open_is_refused(
    gates: tuple[Gate, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        PolicySettings(gates=gates)


def test_a_gate_may_have_both_sides_and_a_family_its_twenty() -> None:
    policy = PolicySettings(
        gates=(
            SAME,
            Gate(metric="quality.macro_f1", at_least=0.5),
            Gate(metric="quality.macro_f1", at_most=0.999),
            *(Gate(metric=f"fairness.gender.m{i}", at_most=0.1) for i in range(20)),
        )
    )
    assert len(policy.gates) == 23


def test_too_few_requests_to_bound_a_percentile_are_refused_at_once() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 72"):
        StagingSettings(latency_requests=71)


def test_a_judgement_is_not_believed_against_its_own_gates() -> None:
    honest = judge_policy(SHIPPED, scores(x=exact("baseline.macro_f1_gain", -0.1, 600)),
                          FAIRNESS, staged())  # fmt: skip
    forged = Judgement(honest.gates, Verdict.PASS)
    assert "baseline.macro_f1_gain" in why_refused(forged, None)
    assert why_refused(Judgement((), Verdict.PASS), None)


def test_each_gate_that_is_judged_has_its_power() -> None:
    ladder = tuple((-0.01 * width, 0.03 * width) for width in range(1, 21))
    gain = Estimate("champion.macro_f1_gain", 0.01, 600, ladder, "drawn")
    judgement = judge_policy(SHIPPED, scores(gain=gain), FAIRNESS, None)
    assert [one.metric for one in judgement.power] == [gate.metric for gate in judgement.gates]
    (of_gain,) = (one for one in judgement.power if one.metric == gain.name)
    # As good as the champion is a gain of 0, wherever this candidate came out.
    assert (of_gain.equal_at, of_gain.better_at, of_gain.n) == (0.0, 0.01, 600)
    assert of_gain.equal is not None
    assert of_gain.better is not None
    assert 0 < of_gain.equal < of_gain.better < 1


def golden(*estimates: Estimate) -> GoldenScores:
    rows = Artifact("s3://b/golden", "0" * 64, 1)
    return GoldenScores((GoldenSetScores("golden", "team", rows, 60, 0, estimates, None, ""),))


OF_GOLDEN = PolicySettings(
    gates=(
        Gate(metric="quality.macro_f1", at_least=0.0),
        Gate(metric="golden.team.macro_f1", at_least=0.5),
        Gate(metric="golden.team.macro_f1_gain", at_least=-0.1),
        Gate(metric="behaviour.suite.negation.pass_rate", at_least=0.9),
        SAME,
    ),
    fairness_not_gated="no row of this test is of a group",
)


@pytest.mark.parametrize("measured", [None, golden()])
def test_gates_on_golden_sets_that_were_not_measured_are_undetermined(
    measured: GoldenScores | None,
) -> None:
    good = scores(x=exact("quality.macro_f1", 0.9, 60))
    judgement = judge_policy(OF_GOLDEN, good, FAIRNESS, staged(), golden=measured)
    verdicts = {gate.metric: gate.verdict for gate in judgement.gates}
    assert verdicts["golden.team.macro_f1"] is Verdict.UNDETERMINED
    assert verdicts["golden.team.macro_f1_gain"] is Verdict.UNDETERMINED
    assert verdicts["behaviour.suite.negation.pass_rate"] is Verdict.UNDETERMINED
    assert judgement.verdict is Verdict.UNDETERMINED


def test_a_gain_on_a_golden_set_is_not_asked_where_there_is_no_champion() -> None:
    found = golden(
        exact("golden.team.macro_f1", 0.9, 60), exact("behaviour.suite.negation.pass_rate", 1, 9)
    )
    good = scores(champion=None, x=exact("quality.macro_f1", 0.9, 60))
    judgement = judge_policy(OF_GOLDEN, good, FAIRNESS, staged(), golden=found)
    assert "golden.team.macro_f1_gain" not in asked(judgement)
    assert judgement.notes == (NO_CHAMPION,)
    assert judgement.verdict is Verdict.PASS


def test_a_label_that_is_named_like_a_gain_is_asked_for_in_a_first_run_too() -> None:
    label = Gate(metric="golden.team.f1.capital_gain", at_least=0.5)
    fresh = Gate(metric="fresh.f1.capital_gain", at_least=0.5)
    policy = OF_GOLDEN.model_copy(update={"gates": (*OF_GOLDEN.gates, label, fresh)})
    good = scores(champion=None, x=exact("quality.macro_f1", 0.9, 60))
    judgement = judge_policy(policy, good, FAIRNESS, staged(), golden=golden())
    assert {label.metric, fresh.metric} <= set(asked(judgement))
    assert "golden.team.macro_f1_gain" not in asked(judgement)


def test_a_behaviour_that_is_too_rare_fails_the_candidate() -> None:
    found = golden(
        exact("golden.team.macro_f1", 0.9, 60), exact("golden.team.macro_f1_gain", 0.0, 60),
        estimate_of_proportion("behaviour.suite.negation.pass_rate", 30, 60),
    )  # fmt: skip
    good = scores(x=exact("quality.macro_f1", 0.9, 60))
    assert judge_policy(OF_GOLDEN, good, FAIRNESS, staged(), golden=found).verdict is Verdict.FAIL


def test_a_label_that_is_named_like_a_gain_is_asked_without_a_champion() -> None:
    asks = Gate(metric="golden.team.recall.weight_gain", at_least=0.5)
    named = OF_GOLDEN.model_copy(update={"gates": (OF_GOLDEN.gates[0], asks, SAME)})
    found = golden(exact("golden.team.recall.weight_gain", 0.2, 600))
    good = scores(champion=None, x=exact("quality.macro_f1", 0.9, 60))
    judgement = judge_policy(named, good, FAIRNESS, staged(), golden=found)
    (of_label,) = (one for one in judgement.gates if one.metric.endswith("weight_gain"))
    assert of_label.verdict is Verdict.FAIL
    assert judgement.verdict is Verdict.FAIL


def test_gates_for_staging_decide_who_is_served_and_no_more() -> None:
    lax = Gate(metric="baseline.macro_f1_gain", at_least=0.0)
    strict = Gate(metric="baseline.macro_f1_gain", at_least=0.5)
    policy = PolicySettings(gates=(strict, SAME), staging_gates=(lax,), fairness_not_gated=WHY)
    before = judge_policy(policy, scores(), FAIRNESS, None)
    assert [gate.rule for gate in before.gates] == ["at least 0"]
    assert before.verdict is Verdict.PASS
    # Whatever passed before staging: for production every gate is asked, and nothing is promoted
    # on the judgement of before.
    assert why_refused(before, None)
    assert judge_policy(policy, scores(), FAIRNESS, staged()).verdict is Verdict.FAIL


def test_gates_for_staging_keep_out_who_fails_them() -> None:
    strict = Gate(metric="baseline.macro_f1_gain", at_least=0.5)
    policy = SHIPPED.model_copy(update={"staging_gates": (strict,)})
    assert judge_policy(policy, scores(), FAIRNESS, None).verdict is Verdict.FAIL


def test_a_judgement_says_who_lets_the_candidate_in() -> None:
    policy = SHIPPED.model_copy(update={"approval": "by a person"})
    assert judge_policy(policy, scores(), FAIRNESS, staged()).approval == "by a person"
    assert judge_policy(SHIPPED, scores(), FAIRNESS, staged()).approval == "automatic"


def test_gates_on_a_teacher_are_asked_whatever_was_measured_of_it() -> None:
    gates = (
        Gate(metric="teacher.macro_f1_gain", at_least=-0.02),
        Gate(metric="teacher.speed_up", at_least=1.5),
    )
    policy = SHIPPED.model_copy(update={"gates": (*SHIPPED.gates, *gates)})
    gain = exact("teacher.macro_f1_gain", -0.01, 600)
    faster = (exact("teacher.speed_up", 2.0, 9),)
    whole = replace(scores(gain=gain), timed=faster)
    assert judge_policy(policy, whole, FAIRNESS, staged()).verdict is Verdict.PASS
    slower = replace(whole, timed=(exact("teacher.speed_up", 1.2, 9),))
    assert judge_policy(policy, slower, FAIRNESS, staged()).verdict is Verdict.FAIL
    # A run without a teacher, or one whose rows are unknown, passes no gate on it.
    assert judge_policy(policy, scores(), FAIRNESS, staged()).verdict is Verdict.UNDETERMINED
