"""Great Expectations at work: a suite over a frame, and what each expectation found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

_RULE = "rule"


@dataclass(frozen=True)
class Finding:
    """What one expectation found.

    Attributes:
        failing: position and value of each row that fails; empty for an aggregate expectation.
        observed: what was seen, in words.

    """

    passed: bool
    failing: tuple[tuple[int, Any], ...]
    observed: str


@dataclass(frozen=True)
class Checked:
    """Findings by rule, and the whole result as Great Expectations has it."""

    findings: dict[str, Finding]
    result: ExpectationSuiteValidationResult


def check(suite_name: str, expectations: Mapping[str, Any], frame: pd.DataFrame) -> Checked:
    """Judge a frame by expectations, each under its rule's name.

    Raises:
        RuntimeError: an expectation could not be computed, which is a defect of this project.

    """
    for rule, expectation in expectations.items():
        expectation.meta = {_RULE: rule}
    suite = gx.ExpectationSuite(suite_name, expectations=list(expectations.values()))
    result = _batch_of(frame).validate(
        suite,
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["position"],
            "return_unexpected_index_query": False,
        },
    )
    found = {one.expectation_config.meta[_RULE]: _read(one) for one in result.results}
    return Checked({rule: found[rule] for rule in expectations}, result)


def _batch_of(frame: pd.DataFrame) -> Any:
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("snapshot").add_dataframe_asset("rows")
    definition = asset.add_batch_definition_whole_dataframe("all rows")
    return definition.get_batch({"dataframe": frame})


def _read(one: Any) -> Finding:
    error = one.exception_info
    if error.get("raised_exception", True):
        raise RuntimeError(f"{one.expectation_config.type} could not be computed: {error}")
    config, seen = one.expectation_config, one.result
    failing = tuple(
        (int(entry["position"]), entry.get(config.kwargs["column"]))
        for entry in seen.get("unexpected_index_list") or ()
    )
    if "unexpected_count" in seen:
        observed = f"{seen['unexpected_count']:,} of {seen['element_count']:,} rows fail"
    else:
        observed = str(seen.get("observed_value"))
    return Finding(bool(one.success), failing, observed)
