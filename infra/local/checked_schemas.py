"""A schema of parameters that was found valid is not checked again by the same server.

Prefect's server holds the schema of a deployment's parameters against JSON Schema's own, twice as
it is registered and once for every run that is asked for. That of a line's settings has 140 KB,
which takes a second each time, and every line has the same one. A schema that is not valid is
remembered by nobody: it is refused as before, with the same words.
"""

import hashlib
import json
from typing import Any, Final

from jsonschema.validators import Draft202012Validator
from prefect.utilities.schema_tools import validation

# The validator with which Prefect's server checks what a run is asked for with.
PREFECTS_OWN: Final = "_VALIDATOR"
# Of a server with a hundred lines there are some two thousand.
KEPT: Final = 10_000


def check_schemas_once() -> None:
    """Have this process check each schema once, by the validators that Prefect uses."""
    for validator in (Draft202012Validator, vars(validation)[PREFECTS_OWN]):
        remember_valid(validator)


def remember_valid(validator: Any) -> None:
    """Have a validator of jsonschema answer at once where it has found the same schema valid.

    Args:
        validator: a class of `jsonschema.validators.create`.

    """
    check = validator.check_schema
    valid: dict[bytes, None] = {}

    def check_once(schema: Any, **options: Any) -> None:
        key = hashlib.sha256(json.dumps(schema, sort_keys=True, default=repr).encode()).digest()
        if key in valid:
            return
        check(schema, **options)
        if len(valid) >= KEPT:
            valid.clear()
        valid[key] = None

    validator.check_schema = staticmethod(check_once)
