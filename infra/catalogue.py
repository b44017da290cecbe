"""Things that a run chooses by name, each loaded only where it is chosen.

A stage's key counts the chosen entry of a catalogue and no other (see `infra.code_digest`), so
that a change to one of them repeats nothing for those who use another. That is why a catalogue is
written as a call with literal names: the key reads it from the source, without importing it.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from infra.errors import SettingsError

Entry = TypeVar("Entry")


class Catalogue(Generic[Entry]):
    """Entries by name, as ``package.module:attribute``.

    Args:
        chosen_by: name of the setting or record field whose value is the name of an entry.
        entries: where each entry is defined.
        group: entry points of other distributions that add entries; see
            https://packaging.python.org/en/latest/specifications/entry-points/.
        part: what an entry point names is then an object of several parts, one a catalogue of this
            group; its attribute of this name says where the entry is defined.

    """

    def __init__(
        self,
        *,
        chosen_by: str,
        entries: Mapping[str, str],
        group: str | None = None,
        part: str | None = None,
    ) -> None:
        self.chosen_by = chosen_by
        self._entries = entries
        self._group = group
        self._part = part

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all entries: the shipped ones, then those of other distributions."""
        return (*self._entries, *sorted(set(self._added) - set(self._entries)))

    def load(self, name: str) -> Entry:
        """Import an entry.

        Raises:
            SettingsError: there is none of this name, and the message lists those that there are;
                or what another distribution names cannot be imported.

        """
        if name in self._entries:
            entry: Entry = _attribute(self._entries[name])
            return entry
        place = self._added.get(name)
        if place is None:
            known = ", ".join(sorted(self.names))
            raise SettingsError(f"{self.chosen_by} {name!r} is unknown; known: {known}")
        try:
            added: Entry = _attribute(place)
            if self._part is not None:
                added = _attribute(getattr(added, self._part))
            return added
        except (ImportError, AttributeError, ValueError) as error:
            raise SettingsError(
                f"{self.chosen_by} {name!r} cannot be loaded: {error}; it is what the entry point "
                f"{name} = {place} of the group {self._group} names. Mend that distribution, or "
                "remove it"
            ) from error

    def names_part(self, name: str) -> bool:
        """Whether there is such an entry: another distribution may leave a part out.

        Raises:
            SettingsError: its entry point cannot be imported.

        """
        place = None if name in self._entries else self._added.get(name)
        if place is None or self._part is None:
            return name in self.names
        try:
            return bool(getattr(_attribute(place), self._part, ""))
        except (ImportError, AttributeError, ValueError) as error:
            raise SettingsError(f"{self.chosen_by} {name!r} cannot be loaded: {error}") from error

    @property
    def _added(self) -> Mapping[str, str]:
        return entries_of(self._group) if self._group else {}


def _attribute(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(import_module(module), attribute)


@cache
def entries_of(group: str) -> dict[str, str]:
    """What installed distributions add under an entry-point group, by name."""
    return {point.name: point.value for point in entry_points(group=group)}
