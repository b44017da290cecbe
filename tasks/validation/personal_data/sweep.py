"""One sweep over a shard: search, redact, search again until nothing is found, and count."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import pyarrow as pa

from tasks.validation.personal_data.contents import Content
from tasks.validation.personal_data.findings import KINDS, Finding
from tasks.validation.personal_data.search import MAX_DIGIT_GROUPS, Search
from tasks.validation.personal_data.settings import PersonalDataKind, PrivacySettings

C = TypeVar("C", bound=Content)

NOT_SEARCHED: Final = f"phone (not searched: over {MAX_DIGIT_GROUPS:,} groups of digits)"


class Sweep:
    """What was found in the rows of one shard, and where.

    Attributes:
        findings: their number by kind.
        kinds: what was found in each row with any.
        cut: kinds whose placeholder cut the answer of a row in two.
        not_searched: rows with a text that has too many digits to search it for phone numbers.

    """

    def __init__(self, search: Search, settings: PrivacySettings) -> None:
        self._search = search
        self._settings = settings
        self.findings: Counter[PersonalDataKind] = Counter()
        self.kinds: dict[int, set[PersonalDataKind]] = defaultdict(set)
        self.cut: dict[int, set[PersonalDataKind]] = defaultdict(set)
        self.not_searched: set[int] = set()

    def redact(
        self,
        texts: pa.ChunkedArray,
        row_of: Sequence[int],
        content_of: Callable[[int], C],
    ) -> dict[int, C]:
        """The contents that change, by position of their text among `texts`.

        What is left is searched again, since a placeholder can show what stood beside it: a name
        in another light, a number without the digits that hid it. Each round takes letters or
        digits away and adds none, so there is a last one.
        """
        changed: dict[int, C] = {}
        self.not_searched.update(row_of[at] for at in self._search.not_searched(texts))
        found = self._search.find(texts)
        self._count(found, row_of)
        while found := self._redacted_only(found):
            for position, findings in found.items():
                if position not in changed:
                    changed[position] = content_of(position)
                changed[position].redact(findings)
            positions = list(found)
            again = self._search.find(
                pa.chunked_array([[changed[position].text for position in positions]], pa.string())
            )
            found = self._redacted_only({positions[at]: one for at, one in again.items()})
            self._count(found, row_of)
        return changed

    def quarantine(self, rows: int) -> list[str | None]:
        """For each row null, or the kinds for which it is put aside."""
        aside = {kind for kind in KINDS if self._settings.action(kind) == "quarantine"}
        reasons: list[str | None] = [None] * rows
        for row, kinds in self.kinds.items():
            named = [kind for kind in KINDS if kind in (kinds & aside) | self.cut[row]]
            reasons[row] = ", ".join(named) or None
        for row in self.not_searched:
            reasons[row] = ", ".join(filter(None, [reasons[row], NOT_SEARCHED]))
        return reasons

    def _redacted_only(self, found: dict[int, list[Finding]]) -> dict[int, list[Finding]]:
        kept = {
            position: [one for one in findings if self._is_redacted(one.kind)]
            for position, findings in found.items()
        }
        return {position: findings for position, findings in kept.items() if findings}

    def _is_redacted(self, kind: PersonalDataKind) -> bool:
        """Whether placeholders take its place; of secrets they always do."""
        return kind == "secret" or self._settings.action(kind) == "redact"

    def _count(self, found: dict[int, list[Finding]], row_of: Sequence[int]) -> None:
        for position, findings in found.items():
            self.kinds[row_of[position]].update(one.kind for one in findings)
            self.findings.update(one.kind for one in findings)
