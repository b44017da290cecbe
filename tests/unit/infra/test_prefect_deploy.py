"""Schemas that are made once are those that Prefect makes."""

import inspect
from typing import Any

from prefect.utilities import callables

from flows.monitor import monitor
from flows.retrain import retrain
from infra.local.prefect_deploy import made_once


def test_each_schema_is_made_once_and_is_prefects() -> None:
    made: list[inspect.Signature] = []

    def counted(signature: inspect.Signature, docstrings: dict[str, str]) -> Any:
        made.append(signature)
        return callables.generate_parameter_schema(signature, docstrings)

    schema_of = made_once(counted)
    for flow in (retrain, monitor, retrain, monitor):
        signature = inspect.signature(flow.fn, eval_str=True)
        docstrings = callables.parameter_docstrings(inspect.getdoc(flow.fn))
        assert schema_of(signature, docstrings) == callables.parameter_schema(flow.fn)
    assert len(made) == 2


def test_another_default_name_type_or_description_is_another_schema() -> None:
    def first(rows: int = 1) -> None: ...
    def other_default(rows: int = 2) -> None: ...
    def other_name(row: int = 1) -> None: ...
    def other_type(rows: float = 1) -> None: ...

    schema_of = made_once(callables.generate_parameter_schema)
    for function in (first, other_default, other_name, other_type):
        signature = inspect.signature(function)
        for docstrings in ({}, {"rows": "how many"}):
            expected = callables.generate_parameter_schema(signature, docstrings)
            assert schema_of(signature, docstrings) == expected


def test_who_changes_a_schema_changes_its_own() -> None:
    def line(rows: int) -> None: ...

    schema_of = made_once(callables.generate_parameter_schema)
    signature = inspect.signature(line)
    schema_of(signature, {}).properties["rows"]["title"] = "changed"
    assert schema_of(signature, {}) == callables.generate_parameter_schema(signature, {})
