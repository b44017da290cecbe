"""Units that rows are drawn in: by definition, and in chunks that memory holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks import resampling_units
from tasks.resampling import generator
from tasks.resampling_units import MAX_CELLS, Units, units_of_cells, units_of_rows


def units(masses: list[float], **changes: object) -> Units:
    return Units(np.arange(len(masses)), np.array(masses), len(masses), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("masses", [[1.0] * 7, [1.0, 2.0, 5.0, 9.0, 1.0, 1.0, 30.0]])
@pytest.mark.parametrize("kind", ["factors", "signs"])
def test_chunks_bound_the_memory_and_change_no_draw(
    masses: list[float], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw() -> list[np.ndarray]:
        return list(getattr(units(masses), kind)(100, generator(0, "x")))

    (whole,) = draw()
    assert whole.shape == (100, 7)
    for budget, size in ((21, 3), (6, 1), (700, 100), (1, 1)):
        monkeypatch.setattr(resampling_units, "CHUNK_WEIGHTS", budget)
        chunks = draw()
        assert [len(chunk) for chunk in chunks] == [size] * (100 // size) + [100 % size] * (
            100 % size > 0
        )
        assert np.array_equal(np.concatenate(chunks), whole)


def test_factors_have_the_mean_1_and_the_variance_of_a_mean_of_so_many_rows() -> None:
    masses = [1.0, 2.0, 10.0]
    (drawn,) = units(masses).factors(40_000, generator(0, "x"))
    assert drawn.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.03)
    assert drawn.var(axis=0) == pytest.approx([1, 1 / 2, 1 / 10], rel=0.05)
    (alone,) = units([1.0, 1.0]).factors(40_000, generator(0, "x"))
    assert (alone.mean(), alone.var()) == pytest.approx((1, 1), rel=0.05)


def test_signs_are_fair_coins() -> None:
    (drawn,) = units([1.0, 5.0]).signs(10_000, generator(0, "x"))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.02)


def test_units_say_what_is_drawn() -> None:
    assert units([1.0]).method(9) == "Bayesian bootstrap, 9 repeats"
    clusters = units_of_rows([*"abcde"], ["x", "x", "y", "y", "y"])
    assert clusters.method(9) == "Bayesian bootstrap of 2 clusters, 9 repeats"
    assert (clusters.count, clusters.atoms, clusters.rows_per_atom) == (2, 2, 2.5)
    assert units_of_rows([*"abcde"]).rows_per_atom == 1
    assert units_of_rows([]).count == 0


@given(st.lists(st.tuples(st.text("ab1", min_size=1), st.sampled_from([None, "a", "b"]))))
def test_units_are_numbered_by_name_whatever_the_order_of_rows(
    rows: list[tuple[str, str | None]],
) -> None:
    ids = [f"{number} {row}" for number, (row, _) in enumerate(rows)]
    alone = units_of_rows(ids)
    assert [ids[k] for k in np.argsort(alone.of_row)] == sorted(ids)
    assert alone.count == alone.atoms == len(ids)
    assert (alone.masses == 1).all()
    clusters = [cluster for _, cluster in rows]
    together = units_of_rows(ids, clusters)
    assert together.clustered == any(cluster is not None for cluster in clusters)
    if together.clustered:
        names = [f"cluster {c}" if c else f"row {r}" for r, c in zip(ids, clusters, strict=True)]
        assert together.of_row.tolist() == [sorted(set(names)).index(name) for name in names]
        assert together.atoms == together.count == len(set(names))


@pytest.mark.parametrize("rows", [9, 10, 11, 35])
def test_many_rows_are_dealt_evenly_into_blocks(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling_units, "MAX_UNITS", 10)
    ids = [f"{k:02d}" for k in range(rows)]
    made, again, other = (units_of_rows(ids, seed=seed) for seed in (0, 0, 1))
    assert made.count == min(rows, 10)
    assert made.atoms == rows
    sizes = np.bincount(made.of_row, minlength=made.count)
    assert sizes.max() - sizes.min() <= 1
    assert made.drawn == ("" if rows <= 10 else f"10 blocks of {rows} rows")
    assert np.array_equal(made.of_row, again.of_row)
    assert np.array_equal(made.of_row, other.of_row) == (rows <= 10)
    assert (made.masses == 1).all()
    clustered = units_of_rows(ids, [f"c{k}" for k in range(rows)])
    assert clustered.clustered
    assert clustered.drawn == (
        f"{rows} clusters" if rows <= 10 else f"10 blocks of {rows} clusters"
    )


@given(
    hnp.arrays(
        np.int64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.integers(0, 4)
    )
)
def test_cells_hold_rows_that_agree_in_all_columns(rows: np.ndarray) -> None:
    found = units_of_cells(list(rows.T))
    assert found is not None
    distinct, place, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    assert np.array_equal(found.of_row, place.reshape(-1))
    assert np.array_equal(found.masses, counts)
    assert (found.atoms, found.count) == (len(rows), len(distinct))


def test_columns_that_hold_one_value_cost_no_room() -> None:
    found = units_of_cells([np.zeros(3, dtype=np.int64)] * 45)
    assert found is not None
    assert (found.of_row.tolist(), found.masses.tolist()) == ([0, 0, 0], [3])


def test_as_many_cells_as_are_allowed_are_made_and_no_more() -> None:
    assert units_of_cells([np.arange(MAX_CELLS)]) is not None
    assert units_of_cells([np.arange(MAX_CELLS + 1)]) is None
