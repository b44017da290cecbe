"""``prefect deploy``, with each flow's schema made once: ``python -m infra.local.prefect_deploy``.

Prefect makes the schema of a flow's parameters three to four times for each deployment, and every
line has a deployment of every flow. That of a line's settings takes a quarter of a second.
"""

import inspect
import sys
from collections.abc import Callable
from typing import Any

from prefect.utilities import callables

Make = Callable[[inspect.Signature, dict[str, str]], callables.ParameterSchema]


def main() -> None:
    """Deploy as Prefect's command does, by the arguments of this one."""
    vars(callables)["generate_parameter_schema"] = made_once(callables.generate_parameter_schema)
    from prefect.cli import app

    sys.argv = ["prefect", "--no-prompt", "deploy", *sys.argv[1:]]
    app()


def made_once(make: Make) -> Make:
    """A function that makes schemas of parameters, each once.

    Args:
        make: Prefect's own; a signature is the same one where its types are the same objects.

    """
    made: dict[Any, tuple[inspect.Signature, callables.ParameterSchema]] = {}

    def schema_of(
        signature: inspect.Signature, docstrings: dict[str, str]
    ) -> callables.ParameterSchema:
        parameters = signature.parameters.values()
        key = tuple(
            (one.name, one.kind, id(one.annotation), repr(one.default), docstrings.get(one.name))
            for one in parameters
        )
        if key not in made:
            # With the signature, since an id is another object's once its own is gone.
            made[key] = signature, make(signature, docstrings)
        return made[key][1].model_copy(deep=True)

    return schema_of


if __name__ == "__main__":
    main()
