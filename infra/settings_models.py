"""What every settings model derives from: all that is wrong is said at once, each with its key.

pydantic runs the checks between fields (``model_validator(mode="after")``) only where every field
is valid, and stops at the first that fails; so one wrong number would hide all that is wrong
between the others until it is mended. Here each check runs whose own inputs are valid, on a model
that holds the valid fields alone: reading another one ends that check, and nothing is said of it.
"""

import typing
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

_BUILT_IN: Final = frozenset(typing.get_args(ErrorType))
# Under this name a model of valid fields alone keeps the valid items of a list that is not valid.
_ITEMS: Final = "valid items of lists"


class WrongSetting(NamedTuple):
    """One thing that is wrong: where, seen from the model that refuses it, why, and the value."""

    place: tuple[str | int, ...]
    message: str
    value: Any


class _UnreadableFieldError(Exception):
    """A check has read a field that is not valid."""


@dataclass
class _Validation:
    """The validation of one model, as far as it has come.

    Attributes:
        valid: pydantic's own mapping of the fields that are valid, defaults included, which grows
            while it goes on; empty where no field that is given is valid.
        parts: the models inside of it, each with what it was made of.
    """

    valid: Mapping[str, Any] = field(default_factory=dict)
    parts: list[tuple[Any, "SettingsModel"]] = field(default_factory=list)


_VALIDATION: Final = ContextVar[_Validation | None]("validation of settings", default=None)


class SettingsModel(BaseModel):
    """Settings: no key is unknown, no number is NaN or infinite, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    if not typing.TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise _UnreadableFieldError(name)
            return super().__getattr__(name)

    @field_validator("*", mode="after")
    @classmethod
    def _note_what_is_valid(cls, value: Any, info: ValidationInfo) -> Any:
        if validation := _VALIDATION.get():
            validation.valid = info.data
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_at_once(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        validation, outer = _Validation(), _VALIDATION.get()
        token = _VALIDATION.set(validation)
        error = None
        try:
            model = handler(data)
        except ValidationError as refused:
            error, model = refused, cls._of_valid_fields(data, validation, refused)
        finally:
            _VALIDATION.reset(token)
        if outer is not None:
            outer.parts.append((data, model))
        found = [cls._with_own_key(item) for item in error.errors()] if error else []
        if isinstance(data, dict):
            found += cls._booleans_for_numbers(data)
            known = {_what(item) for item in found}
            found += [item for item in _failed_checks(model, data) if _what(item) not in known]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return model

    @classmethod
    def _of_valid_fields(cls, data: Any, validation: _Validation, error: ValidationError) -> Self:
        given = data if isinstance(data, dict) else {}
        model = typing.cast("Self", cls.model_construct(**validation.valid))
        for item in error.errors():
            if item["type"] != "extra_forbidden" or len(item["loc"]) > 1:
                continue
            # It may be this one that was meant, which then has no default that checks may read.
            unknown, unset = str(item["loc"][0]), cls.model_fields.keys() - given.keys()
            for meant in get_close_matches(unknown, unset, 1):
                model.__dict__.pop(meant, None)
        items: dict[str, list[tuple[int, SettingsModel]]] = {}
        for name in cls.model_fields.keys() & given.keys() - validation.valid.keys():
            model.__dict__.pop(name, None)
            value = given[name]
            places = enumerate(value) if isinstance(value, list) else ()
            items[name] = [
                (place, part)
                for place, item in places
                for made_of, part in validation.parts
                if made_of is item
            ]
            whole = [part for made_of, part in validation.parts if made_of is value]
            if len(whole) == 1:
                model.__dict__[name] = whole[0]
        model.__dict__[_ITEMS] = items
        return model

    @classmethod
    def _with_own_key(cls, item: Any) -> InitErrorDetails:
        """An error without the name of the model that was chosen, which is no key of the user's."""
        name, *inside = item["loc"] or ("",)
        known = cls.model_fields.get(str(name))
        if known is not None and known.discriminator is not None and inside:
            item = {**item, "loc": (name, *inside[1:])}
        elif known is not None and _items_are_chosen(known.annotation) and len(inside) > 1:
            item = {**item, "loc": (name, inside[0], *inside[2:])}
        return _as_raised(item)

    @classmethod
    def _booleans_for_numbers(cls, data: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
        """Find yes and no where a number is needed, which pydantic takes for 1 and 0."""
        for name in data.keys() & cls.model_fields.keys():
            value = data[name]
            kind = cls.model_fields[name].annotation
            named: dict[tuple[str, ...], Any] = {(name,): value}
            if typing.get_origin(kind) is dict and isinstance(value, dict):
                kind = typing.get_args(kind)[1]
                named = {(name, str(key)): one for key, one in value.items()}
            for place, one in named.items():
                if isinstance(one, bool) and _is_number(kind):
                    yield _value_error(
                        place,
                        "a number is needed here; YAML reads yes, no, on, off, true and false as "
                        "true or false",
                        one,
                    )


def refuse(found: Iterable[WrongSetting]) -> None:
    """Refuse what is wrong, all of it at once; nothing happens where nothing is.

    Raises:
        ValidationError: something is.

    """
    errors = [_value_error(*wrong) for wrong in found]
    if errors:
        raise ValidationError.from_exception_data("settings", errors)


def items_of(model: SettingsModel, name: str, *fields: str) -> list[tuple[int, Any]]:
    """Items of a list of settings, each with its place, for a check of single items.

    A check of the list as a whole reads the field itself, and so is left out where an item is
    wrong: what is said of the rest would not hold of the whole.

    Args:
        model: whose field it is.
        name: of the field.
        fields: of an item that the check reads; an item in which one is not valid is left out.

    """
    try:
        items = list(enumerate(getattr(model, name)))
    except _UnreadableFieldError:
        items = model.__dict__[_ITEMS].get(name, [])
    return [(place, item) for place, item in items if are_valid(item, *fields)]


def are_valid(model: SettingsModel, *names: str) -> bool:
    """Whether a check that goes through several groups of fields can read these."""
    return all(name in model.__dict__ for name in names)


def _items_are_chosen(annotation: Any) -> bool:
    """Whether a field is a mapping whose values name the model that they are of."""
    if typing.get_origin(annotation) is not dict:
        return False
    about = getattr(typing.get_args(annotation)[1], "__metadata__", ())
    return any(getattr(one, "discriminator", None) is not None for one in about)


def _is_number(annotation: Any) -> bool:
    """Whether a field takes a number, and neither text nor yes and no."""
    alternatives = typing.get_args(annotation) or (annotation,)
    kinds = {getattr(kind, "__origin__", kind) for kind in alternatives} - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def _failed_checks(model: SettingsModel, data: Any) -> Iterator[InitErrorDetails]:
    """Run every check between fields; one that reads a field that is not valid says nothing."""
    for check in type(model).__pydantic_decorators__.model_validators.values():
        if check.info.mode != "after":
            continue
        try:
            getattr(model, check.cls_var_name)()
        except _UnreadableFieldError:
            continue
        except ValidationError as refused:
            yield from map(_as_raised, refused.errors())
        except ValueError as refused:
            yield _value_error((), str(refused), data)


def _value_error(place: tuple[str | int, ...], message: str, value: Any) -> InitErrorDetails:
    error = {"error": ValueError(message)}
    return {"type": "value_error", "loc": place, "input": value, "ctx": error}


def _what(error: InitErrorDetails) -> tuple[Any, str]:
    """Where an error is and what a check said, to tell whether two are the same."""
    return error.get("loc"), str(error.get("ctx", {}).get("error"))


def _as_raised(item: Any) -> InitErrorDetails:
    """An error that pydantic tells, as it takes one."""
    kind = item["type"]
    return {
        "type": kind if kind in _BUILT_IN else PydanticCustomError(kind, item["msg"]),
        "loc": item["loc"],
        "input": item["input"],
        "ctx": item.get("ctx", {}),
    }
