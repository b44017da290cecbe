"""Writes docs/settings.md from the settings models: ``python -m flows.settings_page``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """# Settings of a line

One YAML file a line, holding only what differs from these defaults. Written by
`python -m flows.settings_page` from the models that read them; a test holds the two together.
"""
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "minItems": "{} or more",
    "pattern": "like `{}`",
}


def render_settings_page() -> str:
    """The page in Markdown: one table a stage."""
    from flows.config import RetrainConfig

    schema = RetrainConfig.model_json_schema()
    parts = [HEAD, "## Top level\n", *_table(schema, schema)]
    for name, field in schema["properties"].items():
        named = (*_referenced(field, schema), *_referenced(field.get("items", {}), schema))
        models = [model for model in named if "properties" in model]
        if models:
            parts.append(f"\n## {name}\n\n{field.get('description', '')}\n")
        for model in models:
            if len(models) > 1:
                parts.append(f"\n### {_text(model)}\n")
            parts += _table(model, schema)
            parts += _tables_of_items(name, model, schema)
    return "\n".join(parts) + "\n"


def _tables_of_items(name: str, model: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """A table for each of the settings, and each list of settings, inside a stage's."""
    for field_name, field in model["properties"].items():
        # Of a mapping to one of several models, such as sources, the tables stand elsewhere.
        named = field.get("patternProperties", {}).values()
        by_name = [one for each in named if "$ref" in each for one in _referenced(each, schema)]
        of_list = _referenced(field.get("items", {}), schema)
        for item in (*_referenced(field, schema), *of_list, *by_name):
            if "properties" in item:
                yield f"\n### {name}.{field_name}\n\n{_text(item)}\n"
                yield from _table(item, schema)


def _table(model: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    yield "| setting | type | default | bounds | what it is |\n|---|---|---|---|---|"
    required = set(model.get("required", ()))
    for name, field in model["properties"].items():
        default = "required" if name in required else _default(field)
        # pydantic leaves out the words of a field that are those of its model.
        said = _text(field) or " ".join(map(_text, _referenced(field, schema)))
        cells = (f"`{name}`", _type(field, schema), default, _bounds(field), said)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _text(field: dict[str, Any]) -> str:
    return str(field.get("description", "")).replace("\n", " ")


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if isinstance(default, dict | list) and default:
        return "see below"
    if default is None:
        return "none"
    return f"`{default}`" if str(default).isprintable() else f"`{default!r}`"


def _bounds(field: dict[str, Any]) -> str:
    places = [field, *field.get("anyOf", ())]
    found = [text.format(p[key]) for p in places for key, text in BOUNDS.items() if key in p]
    return ", ".join(found)


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field:
        return "settings" if "properties" in _resolve(field["$ref"], schema) else "choice"
    if "anyOf" in field:
        return " or ".join(_type(option, schema) for option in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), schema)}"
    return str(field.get("type", "any"))


def _referenced(field: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for option in [field, *field.get("anyOf", ()), *field.get("oneOf", ())]:
        if "$ref" in option:
            yield _resolve(option["$ref"], schema)


def _resolve(reference: str, schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][reference.rsplit("/", 1)[1]]
    return found


if __name__ == "__main__":
    PAGE.write_text(render_settings_page(), encoding="utf-8")
