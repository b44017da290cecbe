"""Which parameters of a deployment Prefect's form shows and does not let anybody change."""

import copy
from collections.abc import Mapping
from typing import Any

LINE = "line"


def with_fixed_line(schema: Mapping[str, Any], line: str) -> dict[str, Any]:
    """A deployment's parameter schema that admits one line alone.

    JSON Schema's ``const`` makes the field of Prefect's form read-only, and Prefect's server
    refuses a run with another value.

    Args:
        schema: as Prefect derives it from the flow's function; models stand in ``definitions``.
        line: that the deployment is of.

    Returns:
        The schema with the constant on each ``line``: of the flow itself, and of its settings.
        Settings that have a line and list no properties keep their form, which is one of JSON; they
        get the constant as a pattern.

    """
    fixed = copy.deepcopy(dict(schema))
    parts = [fixed]
    for parameter in fixed.get("properties", {}).values():
        if "properties" not in parameter and LINE in parameter.get("required", ()):
            parameter["patternProperties"] = {f"^{LINE}$": {"const": line}}
        for reference in (parameter, *parameter.get("allOf", ())):
            name = str(reference.get("$ref", "")).removeprefix("#/definitions/")
            if name in fixed.get("definitions", {}):
                parts.append(fixed["definitions"][name])
    for part in parts:
        if LINE in part.get("properties", {}):
            part["properties"][LINE]["const"] = line
    return fixed
