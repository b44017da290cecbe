"""The line of a deployment, as its parameter schema holds it."""

from typing import Any

import jsonschema
import pytest
from prefect.utilities.callables import parameter_schema

from flows.choose import choose
from flows.data import check_data, readmit
from flows.monitor import monitor
from flows.promote import promote, reconcile, rollback
from flows.retrain import retrain
from flows.sweep import sweep
from flows.watch_source import watch_source
from infra.local.line_forms import with_fixed_line

CONFIG = {"source": {"format": "csv", "path": "/a.csv", "columns": {"text": "a", "label": "b"}}}
ASKED: dict[Any, dict[str, Any]] = {
    retrain: {}, check_data: {}, readmit: {"path": "/rows.parquet"},
    rollback: {}, promote: {"version": 3, "by": "Ada", "reason": "so"},
    reconcile: {"on_outside_move": "restore", "by": "Ada", "reason": "so"},
    monitor: {}, sweep: {}, choose: {}, watch_source: {},
}  # fmt: skip


@pytest.mark.parametrize("flow", ASKED, ids=lambda flow: flow.name)
def test_every_flow_admits_its_own_line_alone(flow: Any) -> None:
    schema = parameter_schema(flow).model_dump_for_openapi()
    before = str(schema)
    fixed = with_fixed_line(schema, "reviews")
    assert str(schema) == before
    for line, admitted in (("reviews", True), ("other", False)):
        own = (
            {"config": {**CONFIG, "line": line}}
            if "config" in fixed["properties"]
            else {"line": line}
        )
        validator = jsonschema.Draft202012Validator(fixed)
        assert validator.is_valid({**own, **ASKED[flow]}) is admitted
        assert jsonschema.Draft202012Validator(schema).is_valid({**own, **ASKED[flow]})


@pytest.mark.parametrize("flow", [monitor, sweep, choose, watch_source, readmit])
def test_settings_that_no_form_changes_stand_in_no_schema(flow: Any) -> None:
    schema = parameter_schema(flow).model_dump_for_openapi()
    assert len(str(schema)) < 10_000  # of a retraining: 146,000
    assert "properties" not in schema["properties"]["config"]  # Prefect's form shows it as JSON


def test_the_form_of_a_retraining_asks_first_whether_it_is_a_dry_run() -> None:
    properties = parameter_schema(retrain).model_dump_for_openapi()["properties"]
    assert sorted(properties, key=lambda name: properties[name]["position"]) == [
        "dry_run", "config",
    ]  # fmt: skip


def test_a_schema_without_a_line_stays_as_it_is() -> None:
    schema = {"properties": {"config": {"$ref": "#/definitions/Other"}, "n": {"type": "integer"}}}
    assert with_fixed_line(schema, "reviews") == schema
