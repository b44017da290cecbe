"""The command `assayline forget`: a line's deployments go, its records stay."""

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from flows.commands import console
from flows.commands.line_commands import AsJson
from infra.errors import PromotionError, StackError
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from flows.deployments import Removed


@dataclass(frozen=True)
class Kept:
    """What stays of a line: its versions in MLflow, which of them is in production, its ledger.

    Attributes:
        entries: of the ledger; None where they are not as they were written.
    """

    versions: tuple[int, ...]
    production: int | None
    entries: int | None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was ever recorded."""
        return not self.versions and self.entries == 0


def forget(line: str, *, as_json: AsJson = False) -> int:
    """Remove a line's deployments and schedules; its versions, ledger and reports are kept.

    It is refused while a run of the line is going on. A version in production stays there.

    Args:
        line: the model line.
    """
    from flows.config import LINE_PATTERN
    from flows.deployments import remove_line

    if not re.fullmatch(LINE_PATTERN, line):  # files of the home folder bear it
        raise StackError(f"{line!r} is no name of a line; `assayline status` lists those there are")
    settings = load_settings()
    kept = _kept(settings, line)
    removed = remove_line(settings, line)
    if removed.is_nothing and kept.is_nothing and not removed.named_in:
        raise StackError(f"there is no line {line}; `assayline status` lists those that there are")
    if as_json:
        back = _way_back(line, removed)
        console.show_json({**removed._asdict(), "kept": asdict(kept), "way_back": back})
    else:
        _show(line, removed, kept)
    return 0


def _kept(settings: Settings, line: str) -> Kept:
    from infra.store import ObjectStore
    from infra.tracking import Tracking
    from tasks.registry.ledger import read_ledger

    tracking = Tracking(settings)
    registered = line in tracking.lines()
    try:
        records = tracking if registered else None
        entries = len(read_ledger(ObjectStore(settings), line, records))
    except PromotionError:
        entries = None
    if not registered:
        return Kept((), None, entries)
    versions = tuple(sorted(tracking.versions(line)))
    return Kept(versions, tracking.aliases(line).get("production"), entries)


def _show(line: str, removed: "Removed", kept: Kept) -> None:
    if removed.is_nothing:
        console.say(f"{line} has no deployment here; nothing was removed")
    for what in (*removed.deployments, *removed.files):
        console.say(f"removed  {what}")
    entries = f"{kept.entries} entries of its ledger" if kept.entries is not None else "its ledger"
    console.say(f"kept     {len(kept.versions)} version(s), {entries}, and their reports")
    if kept.entries is None:
        console.say(f"its ledger is not as it was written: `assayline ledger {line}`", "bad")
    if kept.production is not None:
        console.say(f"models:/{line}@production stays version {kept.production}", "good")
    if removed.named_in:
        console.say(
            f"{removed.named_in} still names it: remove {line} from `lines` and its entries from "
            "`deployments` there, else the next `assayline up` registers it anew",
            "bad",
        )
    console.say(f"{_way_back(line, removed)} brings it back")


def _way_back(line: str, removed: "Removed") -> str:
    if removed.named_in:
        return "assayline up"
    return f"assayline run {removed.config or f'CONFIG (its settings: `line: {line}`)'}"
