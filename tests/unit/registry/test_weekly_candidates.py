"""Planted: fifty-two weekly candidates on one test split, each worse by exactly the margin."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from infra.store import Artifact
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.looks import HeldOut, Look
from tasks.records.registry import Judgement, Staged
from tasks.registry.policy import judge_policy
from tasks.registry.promotion import why_refused
from tasks.registry.settings import LookSettings, PolicySettings
from tasks.reporting.looks import level_rows, look_sentences
from tasks.verdicts import ALPHA, Estimate, Gate, Verdict, exact
from tests.simulation.looks_worlds import GATE, WEEKS, WORSE, Year, YearTally, candidates, judged

# One of the years in which two of the fifty-two pass at 95%.
SEED = [7, 2]
GATES = (
    GATE,
    Gate(metric="quality.accuracy", at_least=0.5),
    Gate(metric="staging.same_predictions", at_least=1.0),
)
WHY = "no row of this test is of a group"
ROWS = HeldOut(Artifact("s3://a/held-out", "0" * 64, 5_000), 625)
STAGED = Staged(2, (exact("staging.same_predictions", 1.0, 64),), (), "a" * 64)


@pytest.fixture(scope="module")
def gains() -> list[Estimate]:
    return candidates(Year("a year", 625, [WORSE] * WEEKS), np.random.default_rng(SEED))


def week(gain: Estimate, since_pass: int, policy: PolicySettings) -> Judgement:
    fresh = HeldOut(ROWS.hashes, 0)
    look = Look(
        "reviews", since_pass, f"w{since_pass}", ROWS, fresh, since_pass - 1, since_pass, (), "", ""
    )
    scores = Scores(
        artifact=Artifact("s3://a/scores", "0" * 64, 1), labels=("a", "b"), rows=625,
        estimates=(gain, exact("quality.accuracy", 0.93, 625)), confusion=(), calibration=(),
        champion_version=1, champion_note="",
    )  # fmt: skip
    return judge_policy(policy, scores, Fairness((), (), 30), STAGED, look)


def year(gains: Sequence[Estimate], policy: PolicySettings) -> Iterator[Judgement]:
    since = 1
    for gain in gains:
        yield (made := week(gain, since, policy))
        since = 1 if made.verdict is Verdict.PASS else since + 1


def test_at_95_percent_each_some_pass_and_the_gate_on_the_champion_refuses_them_all(
    gains: list[Estimate],
) -> None:
    free = PolicySettings(gates=GATES, fairness_not_gated=WHY, looks=LookSettings(spending="none"))
    assert sum(one.verdict is Verdict.PASS for one in year(gains, free)) >= 2
    paid = list(year(gains, PolicySettings(gates=GATES, fairness_not_gated=WHY)))
    assert all(one.verdict is not Verdict.PASS for one in paid)
    for number, one in enumerate(paid, start=1):
        assert why_refused(one, None).startswith("champion.accuracy_gain ")
        assert one.gates[0].confidence == pytest.approx(1 - ALPHA / (number * (number + 1)))
        assert one.gates[2].confidence == 0.95


def test_what_looks_cost_and_that_they_cost_nothing_is_said(gains: list[Estimate]) -> None:
    paid = week(gains[0], 7, PolicySettings(gates=GATES, fairness_not_gated=WHY))
    counted, level, fresh = look_sentences(paid)
    assert "looked at 6 times before; this is the 7th look since a candidate last passed" in counted
    assert "judged at 99.911%" in level
    assert fresh.startswith("0 of these rows")
    assert [row.confidence for row in level_rows(paid)] == ["99.911%", "99.984%", "99.9986%"]
    free = week(
        gains[0],
        7,
        PolicySettings(gates=GATES, fairness_not_gated=WHY, looks=LookSettings(spending="none")),
    )
    assert "policy.looks.spending: none" in look_sentences(free)[1]
    assert "this is look 7" in look_sentences(free)[1]
    assert level_rows(free) == []
    assert look_sentences(Judgement((), Verdict.PASS)) == []


def test_a_year_is_tallied_by_who_should_have_passed() -> None:
    tally = YearTally()
    world = Year("a year", 625, [WORSE, 0.01, 0.01])
    for passed in ([True, False, True], [False, True, True], [False, False, False]):
        tally.add(world, passed)
    assert (tally.years, tally.false, tally.good, tally.passes, tally.first_good) == (3, 1, 2, 4, 1)
    assert tally.plus(tally).passes == 8


def test_a_pass_gives_the_next_look_its_level_back() -> None:
    def told(value: float) -> Estimate:
        ends = [(value - 0.01 - k / 1000, value + 0.01 + k / 1000) for k in range(20)]
        return Estimate(GATE.metric, value, 625, tuple(ends))

    levels: list[int] = []

    def level(since: int) -> int:
        levels.append(since)
        return since * (since + 1)

    assert judged([told(v) for v in (-0.02, -0.02, 0.1, -0.02)], level) == [
        False, False, True, False,
    ]  # fmt: skip
    assert levels == [1, 2, 3, 1]
