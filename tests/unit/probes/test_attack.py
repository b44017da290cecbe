"""The greedy search: it finds what chance misses, keeps to its budget, and says what it asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from tasks.probes.robustness.attack import Ask, asked_of, attack_rows
from tasks.probes.robustness.judging import AnsweredRows
from tasks.probes.robustness.settings import AttackSettings
from tests.unit.probes.conftest import rows_of

Known = Callable[..., AnsweredRows]
FILLER = " ".join(f"{word}ing" for word in ("walk", "talk", "read", "play", "sing", "work") * 5)


def by_one_word(text: str) -> float:
    """Good where the one word stands as it is."""
    return 0.9 if "wonderful" in text else 0.2


def rows(count: int = 40) -> pa.Table:
    return rows_of([(f"{FILLER} wonderful {FILLER} {n}", "good") for n in range(count)])


def counted(ask: Ask) -> tuple[Ask, list[int]]:
    """How many texts of each step were asked."""
    seen: list[int] = []

    def asks(texts: Sequence[tuple[int, str]]) -> pa.Table:
        seen.append(len(texts))
        return ask(texts)

    return asks, seen


def test_the_one_word_is_found_within_the_budget(known: Known) -> None:
    asked = known(rows(), by_one_word, attack={})
    settings = AttackSettings(rows=35, queries_per_row=140, max_changed=0.05)
    ask, seen = counted(asked_of(asked, Path()))
    found = attack_rows(asked, settings, ask)
    assert found.rows == 35
    assert found.flip_rate.value == 1
    assert found.flip_rate.name == "robustness.attack.flip_rate"
    assert found.flip_rate.low is not None
    assert found.flip_rate.low > 0.85
    assert found.queries == sum(seen) <= 35 * 140
    assert found.changed_words is not None
    assert 1 / 61 <= found.changed_words <= 3 / 61
    moved = found.moved[0]
    assert (moved.before, moved.after) == ("good", "bad")
    assert moved.text_before != moved.text_after
    assert moved.shift > 0
    assert attack_rows(asked, settings, asked_of(asked, Path())) == found


def test_a_model_that_abstains_is_moved_where_it_would_say_another_label(known: Known) -> None:
    def withhold(answers: pa.Table) -> pa.Table:
        """As a threshold above all scores makes them."""
        told = [json.loads(one) for one in answers["answer"].to_pylist()]
        given = [json.dumps({**a, "label": "abstain", "likeliest": a["label"]}) for a in told]
        return answers.set_column(0, "answer", pa.array(given, pa.string()))

    asked = known(rows(), by_one_word, attack={})
    settings = AttackSettings(rows=35, queries_per_row=140, max_changed=0.05)
    ask = asked_of(asked, Path())
    found = attack_rows(
        replace(asked, answers=withhold(asked.answers)),
        settings,
        lambda texts: withhold(ask(texts)),
    )
    assert found == attack_rows(asked, settings, ask)


def test_a_model_that_nothing_moves_is_not_moved(known: Known) -> None:
    def steady(text: str) -> float:
        return 0.9 if len(text) > 20 else 0.1

    asked = known(rows(), steady, attack={})
    settings = AttackSettings(rows=30, queries_per_row=20)
    ask, seen = counted(asked_of(asked, Path()))
    found = attack_rows(asked, settings, ask)
    assert (found.flip_rate.value, found.changed_words, found.moved) == (0, None, ())
    assert seen[0] == 30 * 10  # half of the queries rank the words
    assert found.queries == sum(seen) <= 30 * 20


def test_rows_that_are_wrong_already_are_left_alone(known: Known) -> None:
    texts = [(f"{FILLER} wonderful {n}", "good" if n % 2 else "bad") for n in range(40)]
    asked = known(rows_of(texts), by_one_word, attack={})
    found = attack_rows(asked, AttackSettings(rows=40), asked_of(asked, Path()))
    assert found.rows == 20
    assert found.flip_rate.value is None
    assert "20 rows were attacked" in found.flip_rate.reason


def test_negations_placeholders_and_short_words_are_never_changed(known: Known) -> None:
    texts = [(f"wonderful [MAIL] not 12 {n} 不[MAIL] never", "good") for n in range(30)]
    asked = known(rows_of(texts), by_one_word, attack={})
    plain, seen = asked_of(asked, Path()), list[str]()

    def ask(given: Sequence[tuple[int, str]]) -> pa.Table:
        seen.extend(text for _, text in given)
        return plain(given)

    found = attack_rows(asked, AttackSettings(rows=30), ask)
    assert found.flip_rate.value == 1
    assert seen
    assert all("[MAIL] not 12 " in text and text.endswith("不[MAIL] never") for text in seen)
    assert json.loads(asked.answers["answer"][0].as_py())["label"] == "good"


def test_of_a_chinese_text_single_characters_are_changed(known: Known) -> None:
    def by_character(text: str) -> float:
        return 0.9 if "好" in text else 0.2

    rows = rows_of([(f"这个商店很好，东西不贵 {n}", "good") for n in range(30)])  # noqa: RUF001
    found = attack_rows(
        known(rows, by_character, attack={}),
        AttackSettings(rows=30),
        asked_of(known(rows, by_character, attack={}), Path()),
    )
    assert found.flip_rate.value == 1
    assert all("不" in one.text_after for one in found.moved)


def test_answers_without_labels_or_probabilities_are_not_searched(known: Known) -> None:
    asked = known(rows(), by_one_word, attack={})
    unsure = replace(asked, answers=asked.answers.drop_columns(["probabilities"]))
    scored = pa.array(['{"grade": "a"}'] * 40)
    place = asked.answers.column_names.index("answer")
    unnamed = replace(asked, answers=asked.answers.set_column(place, "answer", scored))
    for other, why in ((unsure, "no probabilities"), (unnamed, "no label")):
        found = attack_rows(other, AttackSettings(), asked_of(other, Path()))
        assert (found.rows, found.queries, found.flip_rate.value) == (0, 0, None)
        assert why in found.flip_rate.reason
