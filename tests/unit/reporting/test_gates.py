"""The gates in words, and the sentence over all of them."""

from dataclasses import replace

import pytest

from tasks.records.registry import Judgement
from tasks.reporting.evidence import Evidence
from tasks.reporting.gates import Threshold, gate_table, headline, threshold_of
from tasks.reporting.number_format import number
from tasks.verdicts import Gate, Verdict, combine, exact, judge


def test_each_row_says_what_its_gate_says(refused: Evidence) -> None:
    gates = refused.judgement.gates
    rows = gate_table(refused.judgement)
    assert [row.metric for row in rows] == [gate.metric for gate in gates]
    for row, gate in zip(rows, gates, strict=True):
        assert (row.verdict, row.reason, row.n) == (gate.verdict.value, gate.reason, str(gate.n))
        assert row.number == number(gate.value)
        assert row.threshold == gate.rule
    assert {row.symbol for row in rows if row.verdict == "undetermined"} == {"?"}


def test_units_stand_at_number_interval_and_threshold(passed: Evidence) -> None:
    row = next(r for r in gate_table(passed.judgement) if r.metric == "staging.latency_p95_ms")
    assert (row.number, row.interval, row.threshold) == (
        "83.42 ms", "[74.02, 92.82] ms", "at most 250 ms",
    )  # fmt: skip


def test_a_gate_without_a_number_has_no_confidence(refused: Evidence) -> None:
    row = next(r for r in gate_table(refused.judgement) if r.metric == "champion.macro_f1_gain")
    assert (row.number, row.interval, row.confidence) == ("none", "none", "")


@pytest.mark.parametrize("limit", [0.9, -0.01, 250.0, 1e-7, 1.0])
def test_a_threshold_reads_back_from_the_rule_that_a_gate_writes(limit: float) -> None:
    assert threshold_of(Gate(metric="a.b", at_least=limit).rule) == Threshold(
        limit, passes_above=True
    )
    assert threshold_of(Gate(metric="a.b", at_most=limit).rule) == Threshold(
        limit, passes_above=False
    )


@pytest.mark.parametrize("rule", ["", "about 3", "at least many", "between 1 and 2"])
def test_another_rule_is_no_threshold(rule: str) -> None:
    assert threshold_of(rule) is None


def judgement_of(*values: float) -> Judgement:
    """Gates `at least 1`: above passes, below fails, NaN is undetermined."""
    gates = [Gate(metric=f"a.g{index}", at_least=1) for index, _ in enumerate(values)]
    estimates = [exact(gate.metric, value, 9) for gate, value in zip(gates, values, strict=True)]
    results = judge(gates, estimates)
    return Judgement(results, combine(result.verdict for result in results))


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        ((2.0,), Verdict.PASS, "earns production: its one gate passes."),
        ((2.0, 2.0), Verdict.PASS, "earns production: all 2 gates pass."),
        ((0.0, 2.0), Verdict.FAIL, "does not earn production: 1 of 2 gates fails."),
        ((0.0, 0.0, 2.0), Verdict.FAIL, "does not earn production: 2 of 3 gates fail."),
        ((0.0, float("nan"), 2.0), Verdict.FAIL, "1 of 3 gates fails and 1 is undetermined."),
        ((float("nan"), 2.0), Verdict.UNDETERMINED, "1 of 2 gates is undetermined."),
        ((), Verdict.UNDETERMINED, "does not earn production: no gate was judged."),
    ],
)
def test_the_sentence_counts(values: tuple[float, ...], verdict: Verdict, words: str) -> None:
    found = headline("my-line", 7, judgement_of(*values))
    assert found.verdict == verdict.value
    assert found.sentence.startswith("my-line version 7 ")
    assert found.sentence.endswith(words)


def test_only_a_pass_is_called_earned(refused: Evidence) -> None:
    for verdict in Verdict:
        title = headline("a", 1, replace(refused.judgement, verdict=verdict)).title
        assert (title == "Earns production") == (verdict is Verdict.PASS)
