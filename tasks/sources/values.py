"""One value of a source as the kind of value that its column holds."""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

from tasks.protected_groups.group_names import join_groups
from tasks.sources.shards import (
    BROKEN_JSON,
    HALF_SURROGATE,
    INEXACT_NUMBER,
    NAMED_TWICE,
    NESTED_TOO_DEEP,
    TOOL_CALL,
    WRONG_TYPE,
)
from tasks.task_types.rows import Kind

Value = object
_INT64 = range(-(2**63), 2**63)
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE_NUMBER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_LISTS: Final = frozenset({"labels", "texts", "tags", "turns"})
# Up to here a double tells each whole number from the next (IEEE 754).
_EXACT: Final = 2**53
INEXACT_TOLD: Final = (
    "is a floating-point number so large that its last digits are lost; keep the column as whole "
    "numbers or as text"
)
_NAMES_SHOWN: Final = 5
# Keys of a turn in the form of ShareGPT, and how that calls the two who speak.
_SHAREGPT_KEYS: Final = ("from", "value")
_SHAREGPT_ROLES: Final = {"human": "user", "gpt": "assistant"}
# Keys of a turn that calls a tool (OpenAI's form of messages).
TOOL_KEYS: Final = ("tool_calls", "function_call")
MUST_BE: Final[dict[Kind, str]] = {
    "text": "text",
    "label": "text, a number, a truth value or a date",
    "groups": "text, a number, a truth value or a date, or lists of these",
    "labels": "lists of text",
    "texts": "lists of text",
    "tags": "lists of text",
    "number": "numbers",
    "integer": "whole numbers",
    "turns": "lists of turns, each with role and content",
    "prompt": "text, or lists of turns, each with role and content",
}
_FIELD_MUST_BE: Final[dict[Kind, str]] = {
    "labels": 'a list in JSON, such as ["a", "b"]',
    "texts": 'a list in JSON, such as ["a", "b"]',
    "tags": 'a list in JSON, such as ["O", "B-PER"]',
    "number": "digits with a decimal point, such as 1234.5",
    "integer": "a whole number in digits",
    "turns": 'a list in JSON, such as [{"role": "user", "content": "..."}, ...]',
    "prompt": 'text, or a list in JSON, such as [{"role": "user", "content": "..."}, ...]',
}


class WrongValueError(ValueError):
    """A value that its column cannot hold; its text is the reason why the row breaks.

    Attributes:
        told: what was found and what would be right, without the value; may be empty.

    """

    def __init__(self, reason: str, told: str = "") -> None:
        super().__init__(reason)
        self.told = told


class JsonObject(dict[str, Value]):
    """An object of JSON that knows which names it was given twice."""

    __slots__ = ("twice",)

    def __init__(self, pairs: list[tuple[str, Value]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice: frozenset[str] = frozenset()
        if len(self) < len(names):
            self.twice = frozenset(name for name in names if names.count(name) > 1)

    def value(self, name: str) -> Value:
        """The value of a name, None where it is absent.

        Raises:
            WrongValueError: the name is given twice.

        """
        if name in self.twice:
            raise WrongValueError(NAMED_TWICE, f"{name!r} is there twice; keep one")
        return self.get(name)


def convert(value: Value, kind: Kind) -> Value:
    """A value of JSON or of a database as one of this kind; None stays None.

    A label or group may be a number, a truth value or a date: it becomes text. Groups may be a list
    of these: they become one text. NaN is how Python writes a number that is missing.

    Raises:
        WrongValueError: it is of another kind.

    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "prompt":
        return _prompt(value)
    if kind in _LISTS:
        if not isinstance(value, list):
            raise WrongValueError(WRONG_TYPE)
        return [_present(_item(item, kind)) for item in value]
    if kind == "groups":
        return _groups(value)
    if kind == "number":
        return _number(value)
    return _whole_number(value) if kind == "integer" else _text_or_label(value, kind)


def convert_named(value: Value, name: str, kind: Kind) -> Value:
    """As `convert`; where it is of another kind, the error tells the column and what it must be."""
    try:
        return convert(value, kind)
    except WrongValueError as error:
        if str(error) == INEXACT_NUMBER:
            raise WrongValueError(INEXACT_NUMBER, f"column {name!r} {INEXACT_TOLD}") from None
        raise _told_of(error, f"column {name!r} holds {what_is(value)}", MUST_BE[kind]) from None


def convert_named_field(text: str, name: str, kind: Kind) -> Value:
    """As `convert_field`; the error tells the column and how it must be written."""
    try:
        return convert_field(text, kind)
    except WrongValueError as error:
        raise _told_of(error, f"column {name!r} holds other text", _FIELD_MUST_BE[kind]) from None


def _told_of(error: WrongValueError, found: str, must_be: str) -> WrongValueError:
    if str(error) not in {WRONG_TYPE, BROKEN_JSON} or error.told.startswith("turn"):
        return error
    return WrongValueError(str(error), f"{found}; it must be {must_be}")


def what_is(value: Value) -> str:
    """What kind of value this is, in words that do not quote it."""
    if isinstance(value, Mapping):
        names = ", ".join(repr(str(name)[:20]) for name in list(value)[:_NAMES_SHOWN])
        return f"an object with {names}" if names else "an empty object"
    if isinstance(value, list):
        return f"a list that begins with {what_is(value[0])}" if value else "an empty list"
    words = {bool: "a truth value", str: "text", type(None): "nothing", bytes: "bytes"}
    return words.get(type(value), "a number" if isinstance(value, int | float | Decimal) else "a "
                     f"value of type {type(value).__name__}")  # fmt: skip


def convert_field(text: str, kind: Kind) -> Value:
    """A field of a CSV file as a value of this kind; lists are written in it as JSON.

    Raises:
        WrongValueError: it is of another kind.

    """
    if kind in {"text", "label", "groups"}:
        return text
    stripped = text.strip()
    if not stripped:
        return None
    if kind == "prompt":
        return _prompt_of_field(text)
    if kind in _LISTS:
        return convert(parse_json(stripped), kind)
    pattern = _NUMBER if kind == "number" else _WHOLE_NUMBER
    if not pattern.fullmatch(stripped):
        raise WrongValueError(WRONG_TYPE)
    return convert(float(stripped) if kind == "number" else int(stripped), kind)


def parse_json(text: str) -> Value:
    """The value that a JSON text holds, objects as `JsonObject`.

    Raises:
        WrongValueError: it is broken JSON, or nested so deep that Python gives up.

    """
    try:
        return _load(text)
    except RecursionError:
        raise WrongValueError(NESTED_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        said = f"{error.msg[:1].lower()}{error.msg[1:]}".removesuffix(" at")
        told = f"{said} at character {error.pos + 1:,}"
        raise WrongValueError(BROKEN_JSON, told) from error
    except ValueError as error:
        raise WrongValueError(BROKEN_JSON) from error


def _load(text: str) -> Value:
    try:
        return json.loads(text, object_pairs_hook=JsonObject)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a whole number of more digits than Python turns into an int
        return json.loads(text, object_pairs_hook=JsonObject, parse_int=Decimal)


def _prompt(value: Value) -> Value:
    """Turns as they are, or the one turn of a user who says this text; None where it is empty."""
    if isinstance(value, list):
        return convert(value, "turns")
    said = _text_or_label(value, "text")
    return [{"role": "user", "content": said}] if said and said.strip() else None


def _prompt_of_field(text: str) -> Value:
    """The same of a field; a text that only begins like a list is text."""
    if text.lstrip().startswith("["):
        with suppress(WrongValueError):
            return convert(parse_json(text.strip()), "turns")
    return _prompt(text)


def _item(value: Value, kind: Kind) -> Value:
    if kind == "turns":
        return _turn(value)
    return _text_or_label(value, "text" if kind == "texts" else "label")


def _present(value: Value) -> Value:
    if value is None:
        raise WrongValueError(WRONG_TYPE)
    return value


def _turn(value: Value) -> dict[str, Value]:
    if not isinstance(value, Mapping):
        raise WrongValueError(WRONG_TYPE)
    turn = value if isinstance(value, JsonObject) else JsonObject(list(value.items()))
    if any(turn.value(key) for key in TOOL_KEYS):
        raise WrongValueError(
            TOOL_CALL, "turns that call a tool are not read; write what is said, or leave them out"
        )
    keys = ("role", "content")
    if not turn.keys() & set(keys) and turn.keys() >= set(_SHAREGPT_KEYS):
        keys = _SHAREGPT_KEYS
    role, content = (_text_of_turn(turn, key) for key in keys)
    return {"role": _SHAREGPT_ROLES.get(role or "", role), "content": content}


def _text_of_turn(turn: JsonObject, key: str) -> str | None:
    value = turn.value(key)
    try:
        return _text_or_label(value, "text")
    except WrongValueError as error:
        if str(error) != WRONG_TYPE:
            raise
        raise WrongValueError(
            WRONG_TYPE, f"turns with {what_is(value)} as {key!r} are not read; it must be text"
        ) from None


def _text_or_label(value: Value, kind: Kind) -> str | None:
    if isinstance(value, str):
        if has_half_surrogate(value):
            raise WrongValueError(HALF_SURROGATE)
        return value
    if value is None:
        return None
    if kind != "label":
        raise WrongValueError(WRONG_TYPE)
    return label_text(value)


def _groups(value: Value) -> Value:
    """A name, or the names of a list joined into one; None where the list is empty."""
    if not isinstance(value, list):
        return _text_or_label(value, "label")
    names = [str(_present(_text_or_label(item, "label"))) for item in value]
    try:
        return join_groups(names)
    except ValueError as error:
        raise WrongValueError(str(error)) from None


def label_text(value: Value) -> str:
    """A number, truth value or date as the text of a label: one text, however it was stored.

    What pandas writes of the number 1 depends on whether another row of the file lacks one: 1, or
    1.0. So a number is the same in all types, and so is a day that a database calls its midnight.

    Raises:
        WrongValueError: it is none of these, or a double so large that it stands for several whole
            numbers, as an id does that pandas kept beside a missing one.

    """
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and math.isfinite(value) and abs(value) > _EXACT:
        raise WrongValueError(INEXACT_NUMBER, INEXACT_TOLD)
    if isinstance(value, int | float | Decimal):
        return number_text(value)
    if isinstance(value, datetime) and value.timetz() == time():
        value = value.date()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise WrongValueError(WRONG_TYPE)


def number_text(value: float | Decimal) -> str:
    """A number in digits, without an exponent or zeros at its end: 1, 1.0 and 1e0 are ``1``.

    Raises:
        WrongValueError: it is not finite.

    """
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not exact.is_finite():
        raise WrongValueError(WRONG_TYPE)
    if not exact:
        return "0"
    written = format(exact, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def has_half_surrogate(text: str) -> bool:
    """Whether a text holds a code point that is no character."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _number(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise WrongValueError(WRONG_TYPE)
    try:
        number = float(value)
    except OverflowError:
        raise WrongValueError(WRONG_TYPE) from None
    if not math.isfinite(number):
        raise WrongValueError(WRONG_TYPE)
    return number


def _whole_number(value: Value) -> int:
    if isinstance(value, float | Decimal):
        if not math.isfinite(value) or value != int(value):
            raise WrongValueError(WRONG_TYPE)
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in _INT64:
        raise WrongValueError(WRONG_TYPE)
    return value
