"""New rows: how many, of whom, with which label, and none that is a text there was."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import SettingsError
from tasks.augmentation.augmenting import (
    AS_PARENT,
    HELD_OUT,
    KNOWN,
    NEGATED,
    Made,
    check_methods,
    make_rows,
    shown,
    why_left_out,
)
from tasks.augmentation.known_texts import KnownTexts, form_of
from tasks.augmentation.methods import attribute_labels, why_not
from tasks.augmentation.preview import preview
from tasks.augmentation.settings import METHOD_NAMES, AugmentationSettings
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tasks.task_types.rows import PAIR, Column, RowShape
from tasks.text_normalisation import normalise

SHAPE = shape_of("classification")
WORDS = {"sport": "match was won late goal team", "business": "shares fell bank raised rates she"}
ALL = {
    "word_swap": {"share": 0.3}, "word_deletion": {"share": 0.2}, "word_insertion": {"share": 0.2},
    "keyboard_noise": {"share": 0.4}, "spelling_noise": {"share": 0.2},
    "counterfactual": {"share": 0.2},
}  # fmt: skip


def rows_of(count: int, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = sorted(WORDS)[number % 2]
        text = " ".join([*random.choice(WORDS[label].split(), 8), f"n{number}"])
        rows.append(
            {"row_id": f"{number:064x}", "text": text, "label": label, "split": "train",
             "gender": "female", "cluster": f"author {number % 7}"}
        )  # fmt: skip
    return pa.Table.from_pylist(rows)


def settings_of(**methods: Any) -> AugmentationSettings:
    return AugmentationSettings.model_validate(methods)


def made_of(
    train: pa.Table, settings: AugmentationSettings, held_out: tuple[str, ...] = ()
) -> list[Made]:
    known = KnownTexts(train["text"].to_pylist(), held_out)
    return make_rows(train, SHAPE, settings, known)


def told(made: list[Made]) -> list[tuple[str, str, str]]:
    return sorted(
        (row["parent_id"], row["method"], row["text"]) for one in made for row in one.rows
    )


def test_shares_are_met_where_the_rows_give_as_many() -> None:
    made = made_of(rows_of(60), settings_of(**ALL))
    by_method = {one.method: one for one in made}
    for method in ("word_swap", "word_deletion", "word_insertion", "keyboard_noise"):
        wanted = round(ALL[method]["share"] * 60)
        assert len(by_method[method].rows) == by_method[method].asked == wanted
    assert [one.method for one in made] == [name for name in METHOD_NAMES if name in ALL]


def test_a_share_above_one_changes_rows_several_times_each_time_otherwise() -> None:
    (made,) = made_of(rows_of(20), settings_of(word_swap={"share": 2.5, "strength": 0.3}))
    parents = Counter(row["parent_id"] for row in made.rows)
    assert len(made.rows) == made.asked == 50
    assert set(parents.values()) <= {1, 2, 3}
    assert len({normalise(row["text"]) for row in made.rows}) == 50


@given(st.integers(1, 40), st.integers(0, 5), st.permutations(range(12)))
@settings(max_examples=20, deadline=None)
def test_neither_the_file_s_order_nor_other_rows_of_it_move_the_draws(
    count: int, seed: int, order: list[int]
) -> None:
    asked = settings_of(seed=seed, **ALL)
    train = rows_of(max(count, 12))
    shuffled = train.take([*order, *range(12, train.num_rows)]).sort_by("row_id")
    assert told(made_of(train, asked)) == told(made_of(shuffled, asked))
    assert told(made_of(train, asked)) == told(made_of(train, asked))


def test_another_seed_makes_other_rows() -> None:
    train = rows_of(40)
    first, other = (told(made_of(train, settings_of(seed=seed, **ALL))) for seed in (0, 1))
    assert first != other


@given(st.integers(0, 30), st.lists(st.integers(0, 200), max_size=30))
@settings(max_examples=25, deadline=None)
def test_parents_labels_and_clusters_are_right_and_no_text_is_known(
    seed: int, held_out_places: list[int]
) -> None:
    train, asked = rows_of(30, seed), settings_of(seed=seed, **ALL)
    free = [row["text"] for one in made_of(train, asked) for row in one.rows]
    # Held out are texts that would have been made, in other letters.
    held_out = tuple(free[n].upper() + "!" for n in held_out_places if n < len(free))
    made = made_of(train, asked, held_out)
    parents = {row["row_id"]: row for row in train.to_pylist()}
    forms = [normalise(row["text"]) for one in made for row in one.rows]
    assert len(set(forms)) == len(forms)
    assert not set(forms) & {normalise(text) for text in held_out}
    assert not set(forms) & {normalise(text) for text in train["text"].to_pylist()}
    for one in made:
        for row in one.rows:
            parent = parents[row["parent_id"]]
            assert row["label"] == parent["label"]
            assert row["cluster"] == parent["cluster"]
            assert row["split"] == "train"
            assert row["method"] == one.method
            swapped = one.method == "counterfactual"
            assert row["gender"] == (None if swapped else "female")
    dropped = sum(one.left_out[HELD_OUT] for one in made)
    assert dropped >= bool(held_out)


def test_why_a_row_is_left_out() -> None:
    parent = {"text": "Shares were not down"}
    known = KnownTexts(["goal"], ["a held out text"])

    def why(text: str) -> str:
        return why_left_out(parent, {"text": text}, SHAPE, known)

    assert why("shares, were NOT down!") == AS_PARENT
    assert why("a HELD out text!") == HELD_OUT
    assert why("Goal") == KNOWN
    assert why("Shares were down") == NEGATED
    assert why("Shares wree not down") == ""
    assert why_left_out(parent, None, SHAPE, known) == "nothing to change"


def test_forms_are_those_of_leakage() -> None:
    assert form_of("Good, bad") == form_of("GOOD bad!")
    assert form_of("good") != form_of("god")


def test_words_come_from_rows_with_the_same_label() -> None:
    train = rows_of(40)
    (made,) = made_of(train, settings_of(word_insertion={"share": 1, "strength": 0.3}))
    for row in made.rows:
        others = set(WORDS["sport" if row["label"] == "business" else "business"].split())
        assert not others & set(row["text"].split())


@pytest.mark.parametrize("task_type", ROW_SHAPES.names)
def test_methods_are_for_rows_whose_label_holds(task_type: str) -> None:
    """Of spans, tags and texts that are written none; of numbers all but inserted words."""
    allowed = {name for name in METHOD_NAMES if not why_not(name, shape_of(task_type))}
    every = set(METHOD_NAMES)
    expected = {
        "classification": every, "multi_label": every, "regression": every - {"word_insertion"},
    }  # fmt: skip
    assert allowed == expected.get(task_type, set())


def test_of_several_texts_one_changes_and_nobody_is_swapped() -> None:
    pair = (Column("first", "text", is_input=True), Column("second", "text", is_input=True))
    shape = RowShape(
        task_type="pairs", columns=(*pair, Column("same", "label")), leading="accuracy",
        label_column="same",
    )  # fmt: skip
    assert why_not("word_swap", shape) == ""
    assert "several texts" in why_not("counterfactual", shape)
    train = pa.Table.from_pylist(
        [
            {"row_id": f"{n:064x}", "first": f"one two {n}", "second": f"three four {n}",
             "same": "yes", "split": "train"}
            for n in range(20)
        ]
    )  # fmt: skip
    known = KnownTexts([], [])
    (made,) = make_rows(train, shape, settings_of(word_swap={"share": 1}), known)
    changed = Counter()
    for row in made.rows:
        n = int(row["parent_id"], 16)
        texts = (row["first"] != f"one two {n}", row["second"] != f"three four {n}")
        assert sum(texts) == 1
        changed[texts.index(True)] += 1
    assert set(changed) == {0, 1}
    assert "places in a text" in why_not("word_swap", shape_of("tagging"))
    assert PAIR[0].name == "source"


def test_a_label_that_is_the_swapped_group_is_refused() -> None:
    assert attribute_labels(["gendered_words"], ["male", "Female", "other"]) == {
        "gendered_words": ["male", "Female"]
    }
    assert attribute_labels(["gendered_words"], ["sport"]) == {}

    class Data:
        labels = ("christian", "muslim")

    asked = settings_of(counterfactual={"share": 0.1, "swaps": ["religion"]})
    with pytest.raises(SettingsError, match="names religion, whose groups"):
        check_methods(asked, SHAPE, Data())  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="word_swap is not for task_type tagging"):
        check_methods(settings_of(word_swap={"share": 0.1}), shape_of("tagging"), Data())  # type: ignore[arg-type]


def test_a_person_sees_what_a_run_would_make() -> None:
    texts = ["She said the bank fell", "The match was won late"]
    found = list(preview(texts, settings_of(**ALL), SHAPE))
    assert len(found) == len(ALL) * 2
    by_name = {(one.method, one.before): one for one in found}
    assert by_name["counterfactual", texts[0]].after == "He said the bank fell"
    assert by_name["counterfactual", texts[1]].reason == "nothing to change"
    assert all((one.after == "") == (one.reason != "") for one in found)
    with pytest.raises(SettingsError, match="not of one text"):
        list(preview(texts, settings_of(**ALL), shape_of("question_answering")))


def test_examples_are_shown_where_they_differ() -> None:
    pair = shown("a" * 400 + "b" + "c" * 400, "a" * 400 + "d" + "c" * 400)
    assert "b" in pair.before
    assert "d" in pair.after
    assert len(pair.before) < 210
    assert shown("one", "two").after == "two"


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({}, "names no method"),
        ({"seed": 3, "compare": False}, "names no method"),
        ({"word_swap": {"share": 0}}, "greater than 0"),
        ({"word_swap": {"share": 5}}, "less than or equal to 4"),
        ({"word_swap": {"share": 0.1, "strength": 0.9}}, "less than or equal to 0.5"),
        ({"counterfactual": {"share": 0.1, "swaps": ["nobody"]}}, "'nobody' is no swap list"),
        ({"word_sawp": {"share": 0.1}}, "word_sawp"),
    ],
)
def test_settings_have_bounds(methods: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings_of(**methods)
