"""Which settings stand where: the models and kinds that the fields of a settings model admit."""

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import BaseModel

_GATHERING: Final = (tuple, list, dict)
_UNIONS: Final = (typing.Union, types.UnionType)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The settings models that a field's type admits."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in {*_UNIONS, Annotated, *_GATHERING}:
        return [model for part in typing.get_args(annotation) for model in models_in(part)]
    return []


def kinds_of(model: type[BaseModel], name: str) -> frozenset[Any]:
    """The plain types that a setting admits, none among them; empty where there is no such one.

    Args:
        model: whose setting it is.
        name: dotted, for example training.learning_rate.

    """
    *sections, last = name.split(".")
    models = [model]
    for section in sections:
        fields = [one.model_fields[section] for one in models if section in one.model_fields]
        models = [found for field in fields for found in models_in(field.annotation)]
    return frozenset(
        kind
        for one in models
        if last in one.model_fields
        for kind in _kinds_in(one.model_fields[last].annotation)
    )


def _kinds_in(annotation: Any) -> Iterator[Any]:
    if typing.get_origin(annotation) in {*_UNIONS, Annotated}:
        for part in typing.get_args(annotation):
            yield from _kinds_in(part)
    else:
        yield typing.get_origin(annotation) or annotation
