"""Labels of a source as those of its line: in one form, then as source.label_map says."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import DataError, SettingsError
from tasks.records.data import SourceChanges
from tasks.sources.columns import did_you_mean
from tasks.sources.settings import LabelForm, SingleSource
from tasks.sources.visible import without_invisible
from tasks.task_types.rows import RowShape

MAX_UNMAPPED: Final = 10_000
OUTSIDE: Final = "O"
_WHOLE_NUMBER: Final = re.compile(r"([+-]?\d+)\.0+", re.ASCII)
_TAG: Final = re.compile(r"([BI]-)(.+)", re.DOTALL)


class LabelMap:
    """What becomes of each label of a source, and how often that was.

    A key of the settings and a label are the same where their texts are, in the forms of
    source.normalise_labels; a number that some file wrote as 1.0 is the key 1.
    """

    def __init__(self, settings: SingleSource, shape: RowShape) -> None:
        """Read the settings.

        Raises:
            SettingsError: there are no labels to map, two keys are one in the form of the labels,
                or a tag would be taken away.

        """
        self._has_tags = shape.has_tags
        self._forms = settings.normalise_labels
        self._puts_aside = settings.unmapped_labels == "quarantine"
        self._unmapped: set[str] = set()
        self.is_needed = bool(settings.label_map or settings.normalise_labels)
        if self.is_needed and shape.labels is None:
            name = "label_map" if settings.label_map else "normalise_labels"
            raise SettingsError(
                f"source.{name}: rows of task type {shape.task_type} have no labels; remove it"
            )
        self._is_list = shape.labels is not None and shape.labels.kind != "label"
        self._keys = self._by_form(settings.label_map)
        self._targets = {form: settings.label_map[key] for form, key in self._keys.items()}
        self._given = frozenset(one for one in self._targets.values() if one is not None)
        if self._has_tags and None in self._targets.values():
            raise SettingsError(
                "source.label_map: null takes a label away, and every token has a tag; write "
                f"{OUTSIDE} for the tags of no span"
            )

    def _by_form(self, keys: dict[str, str | None]) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, label in keys.items():
            other = found.setdefault(self._in_form(key), key)
            if keys[other] != label:
                raise SettingsError(
                    f"source.label_map names {other!r} and {key!r}, which are one label after "
                    f"source.normalise_labels ({', '.join(self._forms)}): keep one of them"
                )
        return found

    def apply(self, labels: pa.ChunkedArray) -> tuple[pa.Array, SourceChanges]:
        """Labels of some rows, or lists of labels, as those of the line.

        Raises:
            DataError: the labels that no map names are too many to be labels.

        """
        values = labels.combine_chunks()
        flat = values.flatten() if self._is_list else values
        encoded = flat.dictionary_encode()
        found = encoded.dictionary.to_pylist()
        told = [self._tell(label) for label in found]
        new = pa.array([label for label, _ in told], pa.string()).take(encoded.indices)
        times = np.bincount(encoded.indices.drop_null().to_numpy(), minlength=len(found)).tolist()
        changes = self._changes(found, told, times)
        return self._lists(values, new) if self._is_list else new, changes

    def _changes(
        self,
        found: Sequence[str],
        told: Sequence[tuple[str | None, str | None]],
        times: Sequence[int],
    ) -> SourceChanges:
        mapped = dict.fromkeys(self._keys.values(), 0)
        normalised = 0
        for old, (new, key), number in zip(found, told, times, strict=True):
            if key is not None:
                mapped[key] += number
            elif self._puts_aside and new and not self._is_given(new):
                self._unmapped.add(new)
            normalised += number * (bool(self._forms) and self._in_form(old) != old.strip())
        if len(self._unmapped) > MAX_UNMAPPED:
            raise DataError(
                f"source.label_map leaves more than {MAX_UNMAPPED:,} different labels unnamed, for "
                f"example {min(self._unmapped)[:60]!r}; name the column of labels in source.columns"
            )
        return SourceChanges(normalised, mapped, tuple(sorted(self._unmapped)))

    def check_given(self, labels: Sequence[str]) -> None:
        """Raise SettingsError where the map gives a label that a contract does not admit."""
        types = {match[2] for label in labels if (match := _TAG.fullmatch(label))}
        known = set(labels) | (types if self._has_tags else set())
        for label in sorted(self._given - known):
            raise SettingsError(
                f"source.label_map gives {label!r}, which contract.labels does not name"
                f"{did_you_mean(label, sorted(known))}: {', '.join(map(repr, labels))}"
            )

    def out_of_reach(self, labels: Sequence[str]) -> dict[str, str | None]:
        """Labels that no row of the source can bear, each with what is made of it."""
        told = {label: self._tell(label)[0] for label in labels}
        return {
            label: new for label, new in told.items() if new != label and not self._is_given(label)
        }

    def _is_given(self, label: str) -> bool:
        """Whether some key is mapped to the label."""
        tag = _TAG.fullmatch(label) if self._has_tags else None
        is_outside = self._has_tags and label == OUTSIDE
        return is_outside or label in self._given or (tag is not None and tag[2] in self._given)

    def _tell(self, label: str) -> tuple[str | None, str | None]:
        """The line's label for one of the source, and the key that says so, if one does."""
        form = self._in_form(label)
        for part, prefix in self._parts(form):
            key = self._key_of(part)
            if key is not None:
                target = self._targets[key]
                whole = target if target in {None, OUTSIDE} else f"{prefix}{target}"
                return whole, self._keys[key]
        return (form if self._forms else label), None

    def _parts(self, form: str) -> Iterator[tuple[str, str]]:
        """What a key may name of a label, and what stands before it."""
        yield form, ""
        if self._has_tags and (tag := _TAG.fullmatch(form)):
            yield tag[2], tag[1]

    def _key_of(self, form: str) -> str | None:
        if form in self._targets:
            return form
        number = _WHOLE_NUMBER.fullmatch(form)
        return number[1] if number and number[1] in self._targets else None

    def _in_form(self, label: str) -> str:
        if not self._has_tags:
            return in_form(label.strip(), self._forms)
        tag = _TAG.fullmatch(label)
        if tag is None:
            return label if label == OUTSIDE else in_form(label, self._forms)
        return tag[1] + in_form(tag[2], self._forms)

    def _lists(self, old: pa.Array, labels: pa.Array) -> pa.Array:
        """The labels in the lists that they stood in; of a set each once, and none that is null."""
        offsets = pc.subtract(old.offsets, old.offsets[0])
        lists = pa.ListArray.from_arrays(offsets, labels, mask=old.is_null())
        if self._has_tags:
            return lists
        pairs = zip(old.to_pylist(), lists.to_pylist(), strict=True)
        return pa.array([_as_set(*pair) for pair in pairs], old.type)


def _as_set(old: list[str] | None, new: list[str | None] | None) -> list[str] | None:
    if old is None or new is None:
        return None
    left = [label for label in new if label is not None]
    # Labels that the source itself gives twice are for the contract to judge.
    return list(dict.fromkeys(left)) if len(set(old)) == len(old) else left


def in_form(label: str, forms: Sequence[LabelForm]) -> str:
    """A label in some forms, whatever their order in the settings."""
    if "strip" in forms:
        label = _stripped(label)
    if "lower" in forms:
        label = label.lower()
    if "casefold" in forms:
        label = label.casefold()
    # Last, since small letters of a form may be in none.
    if "nfc" in forms:
        label = unicodedata.normalize("NFC", label)
    if "nfkc" in forms:
        label = unicodedata.normalize("NFKC", label)
        if "strip" in forms:  # of some signs the form begins with a blank
            label = _stripped(label)
    return label


def _stripped(label: str) -> str:
    """Without blanks at its ends, with one between words, and without what cannot be seen."""
    return " ".join(without_invisible(_blanks(label)).split())


def _blanks(label: str) -> str:
    """White space as blanks: tabs and line ends are characters that cannot be seen, too."""
    return "".join(" " if character.isspace() else character for character in label)
