"""Prefect's server checks a valid schema once, and refuses another one each time."""

from typing import Any

import jsonschema
import pytest
from jsonschema.validators import Draft202012Validator, create
from prefect.utilities.schema_tools import validation

from infra.local.checked_schemas import PREFECTS_OWN, check_schemas_once, remember_valid

VALID = {"type": "object", "properties": {"rows": {"type": "integer", "minimum": 1}}}
INVALID = {"type": "object", "properties": {"rows": {"type": "whole number"}}}


def counting_validator(looks: list[Any]) -> Any:
    """A validator whose meta-schema asks a keyword that counts how often it is asked."""

    def counted(_validator: Any, _value: Any, instance: Any, _schema: Any) -> Any:
        looks.append(instance)
        if instance == INVALID:
            yield jsonschema.ValidationError("is not valid")

    return create(meta_schema={"counted": True}, validators={"counted": counted})


def test_a_valid_schema_is_looked_at_once() -> None:
    looks: list[Any] = []
    validator = counting_validator(looks)
    remember_valid(validator)
    for _ in range(3):
        validator.check_schema(VALID)
        validator.check_schema(dict(reversed(VALID.items())))
    assert looks == [VALID]
    validator.check_schema({**VALID, "title": "other"})
    assert len(looks) == 2


def test_one_that_is_not_valid_is_refused_each_time() -> None:
    looks: list[Any] = []
    validator = counting_validator(looks)
    remember_valid(validator)
    for _ in range(2):
        with pytest.raises(jsonschema.SchemaError, match="is not valid"):
            validator.check_schema(INVALID)
    assert looks == [INVALID, INVALID]


@pytest.mark.parametrize("kept", [0, 2])
def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr("infra.local.checked_schemas.KEPT", kept)
    looks: list[Any] = []
    validator = counting_validator(looks)
    remember_valid(validator)
    for title in ("a", "b", "c", "a"):
        validator.check_schema({"title": title})
    assert [look["title"] for look in looks] == ["a", "b", "c", "a"]


def test_the_validators_of_prefect_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for validator in (Draft202012Validator, vars(validation)[PREFECTS_OWN]):
        monkeypatch.setattr(validator, "check_schema", validator.check_schema)
    check_schemas_once()
    for values in ({"rows": 1}, {"rows": 2}):
        validation.validate(values, VALID, raise_on_error=True)
    with pytest.raises(validation.ValidationError, match="minimum of 1"):
        validation.validate({"rows": 0}, VALID, raise_on_error=True)
    with pytest.raises(jsonschema.SchemaError, match="whole number"):
        jsonschema.validate({"rows": 1}, INVALID)
    with pytest.raises(ValueError, match="whole number"):
        validation.is_valid_schema(INVALID)
