"""Great Expectations at work: suites over frames, and what each expectation found."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import great_expectations as gx
import pandas as pd
from great_expectations.core import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.validator.v1_validator import Validator
from great_expectations.validator.validator import calc_validation_statistics

from tasks.records.data import Check
from tasks.validation.contract.expectations.rendering import Told
from tasks.validation.contract.suites import RowRule, SetRule

_RULE: Final = "rule"
# All failing rows by their place in the frame's index; no value is copied into the result.
_PLACES_ALONE: Final = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
    "return_unexpected_index_query": False,
}
_META: Final = {"great_expectations_version": gx.__version__}
# Data Docs name the most frequent values of a rule, counted among so many distinct ones.
_SHOWN_VALUES: Final = 20
_COUNTED_VALUES: Final = 1_000


@dataclass
class _Total:
    """What one row rule found in all frames up to now."""

    tells_faults: bool
    failing: int = 0
    judged: int = 0
    missing: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    faulty: list[Any] = field(default_factory=list)
    first: ExpectationValidationResult | None = None

    def add(self, one: ExpectationValidationResult) -> list[int]:
        self.first = self.first or one
        self.failing += one.result["unexpected_count"]
        self.judged += one.result["element_count"]
        self.missing += one.result.get("missing_count") or 0
        return list(one.result["unexpected_index_list"])

    def note(self, values: Sequence[str]) -> None:
        for value in values:
            if value in self.seen or len(self.seen) < _COUNTED_VALUES:
                self.seen[value] += 1


class RowSuite:
    """The row rules as one suite, which judges frame after frame."""

    def __init__(self, rules: Sequence[RowRule]) -> None:
        self._batches = define_batches()
        self._suite = _suite_of("rows", {rule.title: rule.expectation for rule in rules})
        self._totals = {rule.title: _Total(isinstance(rule.expectation, Told)) for rule in rules}

    def check(self, frame: pd.DataFrame) -> dict[str, list[int]]:
        """Places in the frame of the rows that fail, by the rule's title.

        Raises:
            RuntimeError: an expectation could not be computed, a defect of this project.

        """
        results = _judge(self._batches, self._suite, frame, _PLACES_ALONE).results
        found = {_title_of(one): self._totals[_title_of(one)].add(one) for one in results}
        return {title: found[title] for title in self._totals}

    def note_values(self, title: str, values: Sequence[str]) -> None:
        """Count values that failed a rule, for Data Docs to show."""
        self._totals[title].note(values)

    def tells_faults(self, title: str) -> bool:
        """Whether Data Docs show a sentence on a value of this rule, and not the value."""
        return self._totals[title].tells_faults

    def places_left(self, title: str) -> int:
        """For how many more values of such a rule Data Docs have room."""
        return _SHOWN_VALUES - len(self._totals[title].faulty)

    def note_faulty(self, title: str, values: Sequence[Any]) -> None:
        """Keep some values of such a rule, for its sentences."""
        self._totals[title].faulty.extend(values[: self.places_left(title)])

    def seen_values(self, title: str) -> list[str]:
        """Those of them that Data Docs show, most frequent first."""
        return [value for value, _ in self._totals[title].seen.most_common(_SHOWN_VALUES)]

    def checks(self) -> Iterator[Check]:
        """What each rule came to over all frames."""
        for title, total in self._totals.items():
            observed = f"{total.failing:,} of {total.judged:,} rows fail"
            yield Check(title, not total.failing, total.failing, observed)

    def result(self, spelling: Mapping[str, str]) -> ExpectationSuiteValidationResult:
        """The results over all frames as if one frame had been judged.

        Args:
            spelling: how Data Docs show a value that was noted, where not as it is.

        """
        merged = [_merge(total, spelling) for total in self._totals.values()]
        statistics = calc_validation_statistics(merged)
        return ExpectationSuiteValidationResult(
            success=statistics.success,
            results=merged,
            suite_name=self._suite.name,
            statistics={
                "evaluated_expectations": statistics.evaluated_expectations,
                "successful_expectations": statistics.successful_expectations,
                "unsuccessful_expectations": statistics.unsuccessful_expectations,
                "success_percent": statistics.success_percent,
            },
            meta=_META,
        )


def _merge(total: _Total, spelling: Mapping[str, str]) -> ExpectationValidationResult:
    if total.first is None:
        raise RuntimeError("no frame was judged")
    present = total.judged - total.missing
    result: dict[str, Any] = {
        "element_count": total.judged,
        "unexpected_count": total.failing,
        "unexpected_percent": _percent(total.failing, present),
    }
    if "missing_count" in total.first.result:
        result |= {
            "missing_count": total.missing,
            "missing_percent": _percent(total.missing, total.judged),
            "unexpected_percent_total": _percent(total.failing, total.judged),
            "unexpected_percent_nonmissing": _percent(total.failing, present),
        }
    if total.seen:
        result["partial_unexpected_counts"] = [
            {"value": spelling.get(value, value), "count": count}
            for value, count in total.seen.most_common(_SHOWN_VALUES)
        ]
    if total.faulty:
        result["partial_unexpected_list"] = total.faulty
    return ExpectationValidationResult(
        success=not total.failing,
        expectation_config=total.first.expectation_config,
        result=result,
        exception_info=total.first.exception_info,
    )


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


@dataclass(frozen=True)
class CheckedSet:
    """What the set rules found, by title, and the whole result as Great Expectations has it."""

    checks: dict[str, Check]
    result: ExpectationSuiteValidationResult


def check_set(rules: Sequence[SetRule], figures: pd.DataFrame) -> CheckedSet:
    """Judge the figures of the rows that are left.

    Raises:
        RuntimeError: an expectation could not be computed, a defect of this project.

    """
    suite = _suite_of("set", {rule.title: rule.expectation for rule in rules})
    result = _judge(define_batches(), suite, figures, {"result_format": "COMPLETE"})
    result.meta = _META  # and not the time of day, so that the same figures give the same page
    found = {_title_of(one): one for one in result.results}
    checks = {
        rule.title: Check(
            rule.title,
            bool(found[rule.title].success),
            0,
            str(found[rule.title].result.get("observed_value")),
        )
        for rule in rules
    }
    return CheckedSet(checks, result)


def _suite_of(name: str, expectations: Mapping[str, Any]) -> gx.ExpectationSuite:
    for title, expectation in expectations.items():
        expectation.meta = {_RULE: title}
    return gx.ExpectationSuite(name, expectations=list(expectations.values()))


def _title_of(one: ExpectationValidationResult) -> str:
    return str(one.expectation_config.meta[_RULE])


def define_batches() -> Any:
    """Great Expectations' way to a pandas frame, in a context that lives in memory alone."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("snapshot").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all rows")


def _judge(
    batches: Any, suite: gx.ExpectationSuite, frame: pd.DataFrame, result_format: dict[str, Any]
) -> ExpectationSuiteValidationResult:
    # As `Batch.validate` does, but for a second fingerprint of all cells.
    validator = Validator(batches, result_format, {"dataframe": frame})
    result = validator.validate_expectation_suite(suite)
    for one in result.results:
        if one.exception_info.get("raised_exception", True):
            raise RuntimeError(
                f"{one.expectation_config.type} could not be computed: {one.exception_info}"
            )
    return result
