"""Sentences with slots, filled for one group after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Annotated, Final, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from infra.errors import SettingsError
from infra.local_files import check_regular
from infra.settings import explain_validation
from infra.settings_models import SettingsModel
from infra.yaml_files import parse_yaml

TEMPLATES_FOLDER: Final = Path(__file__).parent / "template_files"

Terms = Annotated[list[str], Field(min_length=1)]


@dataclass(frozen=True)
class Filled:
    """A template for each group, all else being equal.

    Attributes:
        name: the template with its neutral slots filled.
        texts: the filled text by group.

    """

    name: str
    texts: dict[str, str]


class TemplateFile(SettingsModel):
    """Sentences with slots in braces, and what fills them.

    Attributes:
        templates: the sentences.
        groups: by group, the term of each slot that names it.
        neutral: by slot, the terms that are tried for all groups alike.

    """

    templates: Terms
    groups: dict[str, dict[str, str]] = Field(min_length=2)
    neutral: dict[str, Terms] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _slots_have_terms(self) -> Self:
        for group, terms in self.groups.items():
            if twice := sorted(set(terms) & set(self.neutral)):
                raise ValueError(f"the slots {twice} stand under neutral and under {group!r}")
            for template in self.templates:
                if missing := sorted(slots_of(template) - set(terms) - set(self.neutral)):
                    raise ValueError(f"{template!r}: no term of {group!r} for the slots {missing}")
        return self


def read_templates(path: Path) -> list[Filled]:
    """Read and fill a YAML file in the form of `TemplateFile`.

    Raises:
        SettingsError: it is missing, is no such file, or a slot has no term.

    """
    try:
        check_regular(path)
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"the template file {path} cannot be read: {error}") from error
    try:
        file = TemplateFile.model_validate(content)
    except ValidationError as error:
        raise SettingsError(explain_validation(error, f"the template file {path}")) from error
    return [filled for template in file.templates for filled in _fill(template, file)]


def shipped_templates() -> tuple[str, ...]:
    """Names of the files that come with this project, sorted."""
    return tuple(sorted(path.stem for path in TEMPLATES_FOLDER.glob("*.yaml")))


def slots_of(template: str) -> set[str]:
    """Names of the slots of a template.

    Raises:
        ValueError: a brace has no partner, or a slot is no plain name.

    """
    try:
        slots = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise ValueError(f"{template!r}: {error}") from error
    if wrong := sorted(slot for slot in slots if not slot.isidentifier()):
        raise ValueError(f"{template!r}: {wrong} are no names of slots, for example {{work}}")
    return slots


def _fill(template: str, file: TemplateFile) -> Iterator[Filled]:
    tried = [slot for slot in file.neutral if slot in slots_of(template)]
    for values in product(*(file.neutral[slot] for slot in tried)):
        chosen = dict(zip(tried, values, strict=True))
        texts = {group: template.format(**chosen, **terms) for group, terms in file.groups.items()}
        shown = template
        for slot, value in chosen.items():
            shown = shown.replace(f"{{{slot}}}", value)
        yield Filled(shown, texts)
