"""The clock of a machine is set back a day between two decisions of a line."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry import ledger
from tasks.registry.audit import audit_ledger
from tests.faults.lines import new_line


class DayBefore(datetime):
    """A clock that is a day behind."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "DayBefore":
        behind = datetime.now(tz) - timedelta(days=1)
        return cls.fromisoformat(behind.isoformat())


def test_the_order_of_decisions_is_that_of_their_entries_and_not_of_the_clock(
    store: ObjectStore, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line("clock-set-back", store, tracking, "++")
    monkeypatch.setattr("tasks.registry.manual_promotion.load_test", lambda *_, **__: None)
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(ledger, "datetime", DayBefore)
        assert line.promote(line.add()).action == "promoted"
        assert line.aliases == {"production": 3, "previous": 2, "staging": 3}
        assert line.roll_back().to_version == 2
    assert line.promote(line.add()).action == "promoted"
    moments = [datetime.fromisoformat(entry.at) for entry in line.ledger]
    assert moments[2] < moments[1] - timedelta(hours=20), "the clock was behind"
    assert [to for _, _, to in line.moves] == [1, 2, 3, 2, 4]
    assert line.aliases == {"production": 4, "previous": 2, "staging": 4}
    found = audit_ledger(line.name, store=store, tracking=tracking)
    assert not found.disagreement
    (said,) = [one for one in found.remarks if "a clock was set back" in one]
    assert said.startswith("entry 3 is dated ")
    # Who is in production now is told right, whatever the clock has done.
    assert ledger.production_at(line.ledger, datetime.now(UTC)) == 4
