import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pytest
from great_expectations.core import ExpectationSuiteValidationResult
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tasks.validation.contract.checking import RowSuite, check_set, define_batches
from tasks.validation.contract.counts import RowCounts
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.contract.suites import RowRule, row_rules, set_rules


def rules() -> list[RowRule]:
    known = gxe.ExpectColumnValuesToBeInSet(column="x", value_set=["a"])
    return [
        RowRule("missing", "there", gxe.ExpectColumnValuesToNotBeNull(column="x"), str),
        RowRule("unknown", "known", known, str),
        RowRule("long", "short", gxe.ExpectColumnValuesToBeBetween(column="n", max_value=5), str),
    ]


def frame(cells: list[tuple[str | None, int]]) -> pd.DataFrame:
    return pd.DataFrame(
        {"x": pd.Series([x for x, _ in cells], dtype="str"), "n": [n for _, n in cells]}
    )


def whole(cells: list[tuple[str | None, int]]) -> ExpectationSuiteValidationResult:
    """What Great Expectations itself says of all rows at once."""
    batch = define_batches().get_batch({"dataframe": frame(cells)})
    suite = gx.ExpectationSuite("s", expectations=[rule.expectation for rule in rules()])
    return batch.validate(suite, result_format="COMPLETE")


COUNTS = (
    "element_count", "unexpected_count", "unexpected_percent", "missing_count", "missing_percent",
    "unexpected_percent_total", "unexpected_percent_nonmissing",
)  # fmt: skip


CELLS = st.tuples(st.none() | st.sampled_from(["a", "b", "c"]), st.integers(0, 9))


@settings(max_examples=10, deadline=None)
@given(st.lists(CELLS, min_size=1), st.integers(1, 7))
def test_frames_one_after_another_come_to_what_one_frame_does(
    cells: list[tuple[str | None, int]], shard_rows: int
) -> None:
    suite = RowSuite(rules())
    failing: dict[str, list[int]] = {"there": [], "known": [], "short": []}
    for start in range(0, len(cells), shard_rows):
        found = suite.check(frame(cells[start : start + shard_rows]))
        for title, places in found.items():
            failing[title] += [start + place for place in places]
    expected = whole(cells)
    merged = suite.result({})
    assert merged.success is expected.success
    assert merged.statistics == expected.statistics
    for ours, theirs in zip(merged.results, expected.results, strict=True):
        assert ours.success is theirs.success
        for name in COUNTS:
            assert ours.result.get(name) == pytest.approx(theirs.result.get(name))
    indices = [one.result["unexpected_index_list"] for one in expected.results]
    assert list(failing.values()) == indices


def test_merged_results_hold_the_noted_values_and_no_others() -> None:
    suite = RowSuite(rules())
    for x in ("b", "b", "private"):
        suite.check(frame([(x, 1)]))
    suite.note_values("known", ["b", "b"])
    assert suite.seen_values("known") == ["b"]
    merged = suite.result({"b": "B"}).to_json_dict()
    known = merged["results"][1]["result"]
    assert known["partial_unexpected_counts"] == [{"value": "B", "count": 2}]
    assert known["unexpected_count"] == 3
    assert "private" not in str(merged)


def test_checks_say_how_many_rows_fail_in_all_frames() -> None:
    suite = RowSuite(rules())
    suite.check(frame([("a", 1), (None, 9)]))
    suite.check(frame([("b", 1)]))
    seen = {check.expectation: (check.passed, check.failed_rows) for check in suite.checks()}
    assert seen == {"there": (False, 1), "known": (False, 1), "short": (False, 1)}
    assert [check.observed for check in suite.checks()] == ["1 of 3 rows fail"] * 3


def test_an_expectation_that_cannot_be_computed_is_a_defect() -> None:
    suite = RowSuite([RowRule("r", "t", gxe.ExpectColumnValuesToNotBeNull(column="gone"), str)])
    with pytest.raises(RuntimeError, match="expect_column_values_to_not_be_null could not be"):
        suite.check(frame([("a", 1)]))


def test_the_row_rules_of_every_task_type_stand_in_one_suite() -> None:
    for shape in map(shape_of, ROW_SHAPES.names):
        found = row_rules(ContractSettings(), shape, ("a", "b"), ())
        assert len({rule.title for rule in found}) == len(found)
        RowSuite(found)


def test_figures_are_judged_with_what_was_observed() -> None:
    shape = shape_of("causal_lm")
    contract = ContractSettings(min_rows=10)
    found = check_set(set_rules(contract, shape, (), ["text"]), RowCounts(shape, ()).frame())
    (rows,) = [check for title, check in found.checks.items() if title.startswith("rows")]
    assert not rows.passed
    assert "0" in rows.observed
    assert not found.result.success
