"""Slices by feature and expression, and the search for the worst of them."""

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from numpy.typing import NDArray

from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.evaluation.slice_results import measure_slices
from tasks.evaluation.slice_search import search_slices
from tasks.evaluation.slices import slices_of
from tasks.records.evaluation import SliceResult
from tasks.resampling_units import units_of_rows
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Estimate

SHAPE = shape_of("classification")
LABELS = ("bad", "good")
WORDS = ("film", "plot", "actor", "scene", "music")


def rows_with(seed: int, rows: int = 1_000) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Rows of random words, and which of them have both ``film`` and ``plot``."""
    random = np.random.default_rng(seed)
    has = random.random((rows, len(WORDS))) < 0.35
    texts = [
        " ".join([w for w, there in zip(WORDS, row, strict=True) if there] + [f"n{k}"])
        for k, row in enumerate(has)
    ]
    table = pa.table(
        {
            "row_id": [f"{seed}-{row:06d}" for row in range(rows)],
            "text": texts,
            "label": [LABELS[label] for label in random.integers(0, 2, rows)],
            "length": random.integers(1, 100, rows),
            "region": random.choice(["north", "south", "mars"], rows, p=[0.6, 0.39, 0.01]),
        }
    )
    return table, has[:, 0] & has[:, 1]


def measured_on(
    table: pa.Table, right: NDArray[np.bool_], **changes: object
) -> tuple[dict[str, Estimate], list[SliceResult]]:
    truth = np.array([LABELS.index(label) for label in table["label"].to_pylist()])
    predicted = np.where(right, truth, 1 - truth)
    measured = measure_classes(table, pa.table({"predicted": predicted}), LABELS)
    chosen = EvaluationSettings(repeats=4_000, slices=SliceSettings.model_validate(changes))
    units = units_of_rows(table["row_id"].to_pylist())
    estimates, results = measure_slices(table, SHAPE, measured, units, chosen)
    return {one.name: one for one in estimates}, list(results)


def test_ranges_hold_every_row_once() -> None:
    table, _ = rows_with(0)
    chosen = SliceSettings(by=("length", "region", "label"), bins=4)
    found = slices_of(table, chosen)
    names = [one.name for one in found]
    assert names[:4] == ["length.q1", "length.q2", "length.q3", "length.q4"]
    assert names[4:6] == ["region.north", "region.south"]  # mars has too few rows
    assert {*names[6:]} == {"label.bad", "label.good"}
    by_length = np.stack([one.members for one in found[:4]])
    assert (by_length.sum(axis=0) == 1).all()
    assert by_length.sum(axis=1).tolist() == pytest.approx([250] * 4, abs=25)
    length = table["length"].to_numpy()
    assert found[0].description == f"length {length.min()} to {length[by_length[0]].max()} tokens"


def test_ties_and_gaps_make_fewer_ranges() -> None:
    table = pa.table({"row_id": [*"abcdef"], "x": [0, 0, 0, 0, 7, None]})
    found = slices_of(table, SliceSettings(by=("x",)))
    assert [(one.name, one.members.sum()) for one in found] == [("x.q1", 4), ("x.q2", 1)]
    nothing = pa.table({"row_id": ["a"], "x": pa.array([None], pa.float64())})
    assert slices_of(nothing, SliceSettings(by=("x",))) == []


def test_what_cannot_be_a_slice_says_why() -> None:
    table, _ = rows_with(0, 50)
    table = table.append_column("tags", pa.array([["x"]] * 50))
    chosen = SliceSettings(by=("width", "tags", "language"), where={"wide": "width > 3"})
    found = slices_of(table, chosen)
    assert [one.name for one in found] == ["width", "tags", "wide"]  # no language is no mistake
    assert "no column 'width'" in found[0].reason
    assert "lists" in found[1].reason
    assert "no column ['width']" in found[2].reason
    assert not any(one.members.any() for one in found)
    estimates, results = measured_on(
        table, np.ones(50, np.bool_), by=chosen.by, where=chosen.where, search=False
    )
    assert all(one.value is None for one in estimates.values())
    assert [one.reason for one in results] == [one.reason for one in found]


def test_values_are_those_of_the_rows_alone() -> None:
    table, hard = rows_with(1)
    random = np.random.default_rng(0)
    right = random.random(1_000) < np.where(hard, 0.5, 0.95)
    estimates, results = measured_on(
        table, right, by=("region",), where={"long": "length > 50"}, search=False
    )
    truth = np.array([LABELS.index(label) for label in table["label"].to_pylist()])
    predicted = np.where(right, truth, 1 - truth)
    for name, inside in (
        ("region.north", np.array(table["region"].to_pylist()) == "north"),
        ("long", table["length"].to_numpy() > 50),
    ):
        f1 = sk.f1_score(truth[inside], predicted[inside], average="macro")
        assert estimates[f"slice.{name}.macro_f1"].value == pytest.approx(f1)
        assert estimates[f"slice.{name}.accuracy"].value == pytest.approx(right[inside].mean())
        gap = estimates[f"slice.{name}.score_gap"]
        assert gap.value == pytest.approx(right[inside].mean() - right[~inside].mean())
        assert gap.low < gap.value < gap.high  # type: ignore[operator]
        result = next(one for one in results if one.name == name)
        assert (result.rows, result.gap) == (inside.sum(), gap)
        assert result.score == pytest.approx(right[inside].mean())


def test_a_slice_of_one_label_has_no_macro_f1() -> None:
    table, _ = rows_with(0, 200)
    estimates, _ = measured_on(table, np.ones(200, np.bool_), by=("label",), search=False)
    assert estimates["slice.label.good.macro_f1"].value is None
    assert estimates["slice.label.good.accuracy"].value == 1


def test_a_small_slice_is_not_judged() -> None:
    table, _ = rows_with(0, 200)
    estimates, results = measured_on(
        table, np.ones(200, np.bool_), by=(), where={"few": "length < 5", "most": "length > 4"},
        search=False, min_rows=40,
    )  # fmt: skip
    assert [one.reason for one in results] == [
        f"the slice has {results[0].rows} rows; 40 are asked for",
        f"all other rows are {results[0].rows} rows; 40 are asked for",
    ]
    assert estimates["slice.few.score_gap"].value is None
    assert results[0].p_adjusted is None


def test_a_planted_slice_is_found_and_confirmed() -> None:
    table, hard = rows_with(0)
    right = np.random.default_rng(0).random(1_000) < np.where(hard, 0.4, 0.95)
    estimates, results = measured_on(table, right, by=("length", "label"))
    found = [one for one in results if one.origin == "search"]
    assert found[0].name == "has 'film' and has 'plot'"
    assert found[0].p_adjusted is not None
    assert found[0].p_adjusted < 0.05
    worst = estimates["slice.worst_found.score_gap"]
    assert worst == found[0].gap
    assert worst.low <= -0.55 <= worst.high  # type: ignore[operator]
    assert found[0].rows < hard.sum()  # the half that was not searched


@pytest.mark.slow
def test_the_worst_of_nothing_but_noise_is_seldom_confirmed() -> None:
    """Without a worse slice, the interval of the worst found holds 0 at its rate."""
    seen = rejected = naive = 0
    for seed in range(40):
        table, _ = rows_with(seed, 400)
        right = np.random.default_rng(1_000 + seed).random(400) < 0.8
        estimates, results = measured_on(table, right, by=("length", "region"), found=3)
        worst = estimates["slice.worst_found.score_gap"]
        if worst.value is not None:
            seen += 1
            rejected += not worst.low <= 0 <= worst.high  # type: ignore[operator]
            settings = SliceSettings(by=("length", "region"))
            rows = slices_of(table, settings)
            search = search_slices(
                table, SHAPE, rows, right.astype(float), table["row_id"].to_pylist(), settings
            )
            half = ~search.confirming
            inside = search.found[0].members & half
            gap = right[inside].mean() - right[half & ~inside].mean()
            naive += gap < -2 * np.sqrt(0.16 * (1 / inside.sum() + 1 / (half & ~inside).sum()))
        assert all(one.p_adjusted is None or one.p_adjusted > 0.001 for one in results)
    assert seen >= 20
    assert rejected <= 0.15 * seen, (rejected, seen)
    # On the rows that chose it, the worst slice looks bad far more often.
    assert naive > 0.3 * seen, (naive, seen)


def test_the_halves_do_not_depend_on_the_order_and_keep_clusters_whole() -> None:
    table, _ = rows_with(0, 200)
    table = table.append_column("cluster", pa.array([f"c{k // 4}" for k in range(200)]))
    scores = np.ones(200)
    scores[::7] = 0
    chosen = SliceSettings(min_rows=5)
    names = table["cluster"].to_pylist()
    first = search_slices(table, SHAPE, slices_of(table, chosen), scores, names, chosen)
    for cluster in range(50):
        assert len(set(first.confirming[4 * cluster : 4 * cluster + 4])) == 1
    order = np.random.default_rng(0).permutation(200)
    turned = table.take(order)
    again = search_slices(
        turned, SHAPE, slices_of(turned, chosen), scores[order], [names[k] for k in order], chosen
    )
    assert np.array_equal(again.confirming, first.confirming[order])
    assert [one.name for one in again.found] == [one.name for one in first.found]


def test_rows_that_cannot_be_judged_are_left_out() -> None:
    table, _ = rows_with(0, 300)
    scores = np.ones(300)
    scores[:50] = np.nan
    chosen = SliceSettings()
    search = search_slices(
        table, SHAPE, slices_of(table, chosen), scores, table["row_id"].to_pylist(), chosen
    )
    assert not search.confirming[:50].any()
    assert search.found == ()  # all the others score alike


def test_chinese_words_are_pairs_of_signs() -> None:
    texts = ["质量很好" if k % 3 else "质量很差" for k in range(120)]
    table = pa.table(
        {"row_id": [str(k) for k in range(120)], "text": texts, "label": ["good"] * 120}
    )
    scores = np.array([0.0 if "很差" in text and k % 2 else 1.0 for k, text in enumerate(texts)])
    chosen = SliceSettings(by=(), min_rows=5)
    search = search_slices(table, SHAPE, [], scores, table["row_id"].to_pylist(), chosen)
    assert search.found[0].name == "has '很差'"
