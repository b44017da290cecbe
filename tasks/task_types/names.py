"""The setting ``task_type``: a name that is checked against the catalogue."""

from difflib import get_close_matches
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from tasks.task_types.row_shapes import ROW_SHAPES


class _Names:
    """Puts the known names into the JSON schema, so that a form can offer them."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": list(ROW_SHAPES.names)}


def known_name(name: str) -> str:
    """The name of a task type.

    Raises:
        ValueError: there is none of this name.

    """
    known = ROW_SHAPES.names
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"{name!r} is no task type{meant} Known are {', '.join(known)}")
    return name


TaskTypeName: TypeAlias = Annotated[str, AfterValidator(known_name), _Names()]
