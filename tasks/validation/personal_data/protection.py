"""Personal data and secrets in rows: found, counted, redacted or put aside."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from tasks.records.data import PersonalData
from tasks.task_types.rows import RowShape
from tasks.validation.personal_data.columns import sweep_columns
from tasks.validation.personal_data.findings import KINDS, redact
from tasks.validation.personal_data.search import Search
from tasks.validation.personal_data.settings import PersonalDataKind, PrivacySettings
from tasks.validation.personal_data.sweep import Sweep


@dataclass(frozen=True)
class Protected:
    """Rows as the policy lets them go on.

    Attributes:
        rows: the same rows in the same order, with a placeholder such as [MAIL] for each finding
            of a kind that is redacted, and for each secret whatever the policy says. The answer to
            a question is taken anew from its context, and stands where answer_start says; both are
            null where a placeholder cut the answer in two.
        quarantine: for each row null, or the kinds for which it is put aside ('card, iban'): those
            that the policy says, and those whose placeholder cut an answer in two.

    """

    rows: pa.Table
    quarantine: list[str | None]


class Protector:
    """Finds personal data and secrets in the texts of rows, and does what the policy says.

    Searched is every text of the row's shape, inputs and answers, but no label, no group and no
    role of a chat turn. An answer that stands in its context is searched and counted there. Names
    are not searched where they are allowed.

    Raises:
        SettingsError: names shall be found and the language model cannot, or a phone region is
            unknown.

    """

    def __init__(self, settings: PrivacySettings, shape: RowShape) -> None:
        self._settings = settings
        self._shape = shape
        self._search = Search(settings)
        self._rows: Counter[PersonalDataKind] = Counter()
        self._findings: Counter[PersonalDataKind] = Counter()

    def protect(self, rows: pa.Table) -> Protected:
        """Redact and mark rows; count what was found."""
        sweep = Sweep(self._search, self._settings)
        rows = sweep_columns(rows, self._shape, sweep)
        self._findings.update(sweep.findings)
        for kinds in sweep.kinds.values():
            self._rows.update(kinds)
        return Protected(rows, sweep.quarantine(rows.num_rows))

    def findings(self) -> tuple[PersonalData, ...]:
        """What was found up to now, by kind; never the values."""
        return tuple(
            PersonalData(kind, self._settings.action(kind), self._rows[kind], self._findings[kind])
            for kind in KINDS
            if self._findings[kind]
        )

    def failing(self) -> tuple[PersonalData, ...]:
        """What was found of the kinds with which the run may not go on."""
        return tuple(one for one in self.findings() if one.action == "fail")

    def redact_secrets(self, text: str) -> str:
        """The text with every secret replaced, whatever the policy says; nothing is counted."""
        while found := self._search.find_secrets(text):
            text = redact(text, found)
        return text
