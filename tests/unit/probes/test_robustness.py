"""Robustness probes: planted faults are found, and what is robust passes its gates."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.probes.robustness.drawing import Reading, Row, draw_changes
from tasks.probes.robustness.judging import AnsweredRows, judge_changes
from tasks.probes.robustness.probing import ask_changed, in_order_of
from tasks.records.robustness import Perturbed
from tasks.verdicts import Gate, Verdict, judge
from tests.unit.probes.conftest import rows_of

Known = Callable[..., AnsweredRows]


def by_case(text: str) -> float:
    """Reads the sentiment, but only of words in small letters."""
    return 0.9 if "wonderful" in text else 0.1 if "terrible" in text else 0.45


def by_shortcut(text: str) -> float:
    """Takes a text for good if it has the word, and a full stop anywhere."""
    return 0.8 if "." in text and "wonder" in text.lower() else 0.2


def constant(text: str) -> float:
    return 0.7


def probe(known: AnsweredRows, reads: object = None) -> dict[str, Perturbed]:
    rows = known.test.to_pylist()
    more = {"reads": reads} if reads else {}
    drawn = draw_changes(rows, known.shape, known.settings, **more)  # type: ignore[arg-type]
    answers = ask_changed(Path(), known.test, rows, drawn, known)
    return {one.family: judge_changes(known, one, after) for one, after in answers}


def test_a_model_that_reads_case_alone_is_found(reviews: pa.Table, known: Known) -> None:
    found = probe(known(reviews, by_case, kinds=["upper_case", "lower_case"], texts_per_row=4))
    upper, lower = found["robustness.upper_case"], found["robustness.lower_case"]
    assert upper.changed == lower.changed == 200
    # Of capitals it says bad whatever they say: the good half flips.
    assert upper.flip_rate.value == 0.5
    assert upper.flip_rate.method.startswith("exact")
    assert upper.score_shift.value == pytest.approx(0.4)
    assert lower.flip_rate.value == 0
    drop = next(one for one in upper.drops if one.name.endswith("accuracy_drop"))
    assert (drop.name, drop.value) == ("robustness.upper_case.accuracy_drop", 0.5)
    assert drop.low is not None
    assert 0.4 < drop.low < 0.5
    gates = [
        Gate(metric=f"robustness.{kind}.flip_rate", at_most=0.05)
        for kind in ("upper_case", "lower_case")
    ]
    verdicts = [
        one.verdict for one in judge(gates, [e for one in found.values() for e in one.estimates])
    ]
    assert verdicts == [Verdict.FAIL, Verdict.PASS]
    moved = upper.moved[0]
    assert (moved.before, moved.after) == ("good", "bad")
    assert "wonderful" in moved.text_before
    assert "WONDERFUL" in moved.text_after
    assert moved.shift == pytest.approx(0.45)


def test_a_shortcut_over_punctuation_is_found(reviews: pa.Table, known: Known) -> None:
    settings = {"kinds": ["punctuation"], "strengths": [0.2, 1.0], "texts_per_row": 4}
    found = probe(known(reviews, by_shortcut, **settings))
    weak, strong = found["robustness.punctuation.at_20"], found["robustness.punctuation"]
    assert weak.changed == strong.changed == 200
    assert strong.flip_rate.value == 0.5
    assert weak.flip_rate.value == 0  # one mark of three is lost, and a full stop stays


def test_a_model_that_no_change_moves_passes_every_gate(reviews: pa.Table, known: Known) -> None:
    asked = known(reviews, constant, texts_per_row=100)
    found = probe(asked)
    gated = [one for one in found.values() if one.keeps_answer and one.changed]
    assert {one.kind for one in gated} == {
        "typos", "keyboard", "lower_case", "upper_case", "punctuation", "whitespace", "ocr",
        "paraphrase", "length",
    }  # fmt: skip
    gates = [Gate(metric=one.flip_rate.name, at_most=0.05) for one in gated]
    estimates = [each for one in found.values() for each in one.estimates]
    assert {one.verdict for one in judge(gates, estimates)} == {Verdict.PASS}
    assert all(drop.value == 0 for one in gated for drop in one.drops if drop.value is not None)


def test_kinds_of_another_language_change_nothing_and_stay_undetermined(
    reviews: pa.Table, known: Known
) -> None:
    found = probe(known(reviews, constant, kinds=["homophones", "traditional", "accents"]))
    for one in found.values():
        assert (one.changed, one.tried) == (0, 200)
        assert one.flip_rate.value is None
        assert "changes 0 of the 200 test rows" in one.flip_rate.reason
        assert [drop.value for drop in one.drops] == [None] * len(one.drops) != []
        (result,) = judge([Gate(metric=one.flip_rate.name, at_most=0.5)], one.estimates)
        assert result.verdict is Verdict.UNDETERMINED


def test_what_may_turn_the_answer_is_told_apart(reviews: pa.Table, known: Known) -> None:
    found = probe(known(reviews, by_case, kinds=["negation", "numbers", "entities"]))
    for one in found.values():
        assert not one.keeps_answer
        assert not one.drops
        assert one.flip_rate.value == 0
        assert one.changed > 100


def test_kinds_share_the_texts_and_take_the_same_rows_at_each_strength(
    reviews: pa.Table, known: Known
) -> None:
    asked = known(reviews, constant, kinds=["typos", "upper_case", "accents"], texts_per_row=0.6)
    drawn = draw_changes(reviews.to_pylist(), asked.shape, asked.settings)
    rows = {one.family: [row.place for row in one.rows] for one in drawn}
    assert rows["robustness.typos"] == rows["robustness.typos.at_5"]
    typos, capitals = rows["robustness.typos"], rows["robustness.upper_case"]
    assert (len(typos), len(capitals)) == (42, 39)  # in turns of three, and typos come first
    assert not rows["robustness.accents"]
    assert sum(map(len, rows.values())) == 0.6 * 200 + 3
    assert typos[:39] == capitals
    again = draw_changes(reviews.to_pylist(), asked.shape, asked.settings)
    assert again == drawn


def test_few_texts_are_shared_by_all_kinds_too(reviews: pa.Table, known: Known) -> None:
    asked = known(reviews, constant, texts_per_row=0.2)
    drawn = draw_changes(reviews.to_pylist(), asked.shape, asked.settings)
    shared = [len(one.rows) for one in drawn if one.rows]
    assert len(shared) == 9 + 6 + 3  # kinds of English texts, six of them at two strengths
    assert sum(shared) in {40, 41}
    assert max(shared) - min(shared) <= 1


def test_the_order_of_the_rows_changes_nothing(reviews: pa.Table, known: Known) -> None:
    turned = reviews.take(pa.array(range(199, -1, -1)))
    settings = {"kinds": ["typos", "ocr"], "texts_per_row": 0.5}

    def made(rows: pa.Table) -> dict[str, set[tuple[str, str]]]:
        asked = known(rows, constant, **settings)
        listed = rows.to_pylist()
        return {
            one.family: {(listed[r.place]["row_id"], r.columns["text"]) for r in one.rows}
            for one in draw_changes(listed, asked.shape, asked.settings)
        }

    assert made(reviews) == made(turned)
    other = known(reviews, constant, **settings, seed=1)
    listed = reviews.to_pylist()
    drawn = draw_changes(listed, other.shape, other.settings)
    assert {(listed[r.place]["row_id"], r.columns["text"]) for r in drawn[1].rows} != (
        made(reviews)[drawn[1].family]
    )


def test_rows_that_are_read_as_before_are_free_and_count(reviews: pa.Table, known: Known) -> None:
    def uncased(changed: Sequence[Row], rows: Sequence[Row]) -> list[Reading]:
        return [
            Reading(same_tokens=one["text"].lower() == other["text"].lower())
            for one, other in zip(changed, rows, strict=True)
        ]

    asked = known(reviews, by_case, kinds=["upper_case"], texts_per_row=0.01)
    found = probe(asked, uncased)["robustness.upper_case"]
    # by_case would flip half of them; a model that reads them as before is not asked.
    assert (found.changed, found.same_tokens, found.flip_rate.value) == (200, 200, 0)


def test_changes_behind_the_cut_are_left_out(reviews: pa.Table, known: Known) -> None:
    def cut(changed: Sequence[Row], rows: Sequence[Row]) -> list[Reading]:
        return [Reading(same_tokens=True, behind_cut=True)] * len(changed)

    found = probe(known(reviews, by_case, kinds=["upper_case"]), cut)["robustness.upper_case"]
    assert (found.changed, found.tried) == (0, 200)
    assert found.flip_rate.value is None


def test_clusters_are_drawn_together(known: Known) -> None:
    texts = [(f"it was wonderful {n}" if n % 2 else f"it was nice {n}", "good") for n in range(120)]
    rows = rows_of(texts, cluster=[f"author {n // 4}" for n in range(120)])
    found = probe(known(rows, by_case, kinds=["upper_case"], texts_per_row=2))
    told = found["robustness.upper_case"].flip_rate
    assert told.value == 0.5
    assert "30 clusters" in told.method


def test_answers_are_put_in_the_order_of_the_rows() -> None:
    test = pa.table({"row_id": ["a", "b", "c"]})
    told = pa.table({"row_id": ["c", "a", "b"], "x": [3, 1, 2]})
    assert in_order_of(test, told)["x"].to_pylist() == [1, 2, 3]


def test_rows_without_an_answer_are_not_taken_for_steady_ones(
    reviews: pa.Table, known: Known
) -> None:
    asked = known(reviews, by_case, kinds=["upper_case"], texts_per_row=2)
    place = asked.answers.column_names.index("answer")
    told = asked.answers["answer"].to_pylist()
    silent = asked.answers.set_column(place, "answer", pa.array([None, *told[1:]], pa.string()))
    found = probe(replace(asked, answers=silent))["robustness.upper_case"]
    assert found.flip_rate.value is None
    assert found.flip_rate.reason == "1 answers to these rows were not given"
