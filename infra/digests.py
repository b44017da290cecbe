"""Digests of values: equal for what is equal, and the same on every machine."""

import dataclasses
import hashlib
import json
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON.

    Args:
        value: see `as_json`.

    Raises:
        TypeError: the value holds something else, whose digest would not be stable.

    """
    canonical = json.dumps(as_json(value), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def as_json(value: object) -> Any:
    """A value as plain JSON, in which two equal values are equal.

    Args:
        value: records, settings, enumerations, paths, JSON scalars, and lists, tuples or string
            keyed mappings of these. Fields marked ``metadata={"identity": False}`` (times, run
            ids) are left out.

    Raises:
        TypeError: the value holds something else.

    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: as_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.metadata.get("identity", True)
        }
    if isinstance(value, BaseModel):
        return as_json(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {_json_key(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, Enum | Path):
        return str(value.value if isinstance(value, Enum) else value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"no stable digest for a {type(value).__name__}: {value!r}")


def _json_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"no stable digest for a mapping key of type {type(key).__name__}")
    return key
