"""Things that a run chooses by name, each loaded only where it is chosen.

A stage's key counts the chosen entry of a catalogue and no other (see `infra.code_digest`), so
that a change to one of them repeats nothing for those who use another. That is why a catalogue is
written as a call with literal names: the key reads it from the source, without importing it.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from infra.errors import SettingsError


class Catalogue:
    """Entries by name, as ``package.module:attribute``.

    Args:
        chosen_by: name of the setting or record field whose value is the name of an entry.
        entries: where each entry is defined.
        group: entry points of other distributions that add entries; see
            https://packaging.python.org/en/latest/specifications/entry-points/.

    """

    def __init__(
        self, *, chosen_by: str, entries: Mapping[str, str], group: str | None = None
    ) -> None:
        self.chosen_by = chosen_by
        self._entries = entries
        self._group = group

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all entries: the shipped ones, then those of other distributions."""
        added = {} if self._group is None else entries_of(self._group)
        return (*self._entries, *sorted(set(added) - set(self._entries)))

    def load(self, name: str) -> Any:
        """Import an entry.

        Raises:
            SettingsError: there is none of this name; the message lists those that there are.

        """
        added = entries_of(self._group) if self._group else {}
        place = {**added, **self._entries}.get(name)
        if place is None:
            known = ", ".join(sorted(self.names))
            raise SettingsError(f"{self.chosen_by} {name!r} is unknown; known: {known}")
        module, attribute = place.split(":")
        return getattr(import_module(module), attribute)


@cache
def entries_of(group: str) -> dict[str, str]:
    """What installed distributions add under an entry-point group, by name."""
    return {point.name: point.value for point in entry_points(group=group)}
