"""Lines whose versions are names and digests of weights, and processes that move them."""

import hashlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.canary import CanaryLook
from tasks.records.canary_outcome import CanaryOutcome
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Decision, Judgement, LedgerEntry, Report, Version
from tasks.registry import manual_promotion
from tasks.registry.canary import UnderWay, decide_on_look, find_canary, start_canary
from tasks.registry.canary_settings import CanarySettings, CanaryStepSettings
from tasks.registry.champion import champion_for
from tasks.registry.ledger import PROMOTED, REFUSED, Recorded, append, now, read_ledger
from tasks.registry.ledger_index import begin
from tasks.registry.manual_promotion import override_promotion_of, roll_back_line
from tasks.registry.outcomes import outcome_of
from tasks.registry.policy_record import keep_policy
from tasks.registry.promotion import promote_version
from tasks.registry.settings import default_policy
from tasks.registry.transitions import bring_in_order
from tasks.registry.version_tags import ENTRY_TAG, WEIGHTS_TAG
from tasks.verdicts import GateResult, Verdict
from tests.registered import add_version, judged_by_hand

REPORT = Report(Artifact("s3://b/r", "a" * 64, 1), Artifact("s3://b/c", "b" * 64, 1), "http://r")
Moves = list[tuple[str, int | None, int | None]]


def judgement(verdict: Verdict = Verdict.PASS) -> Judgement:
    gates = tuple(
        GateResult(name, "at least 1", 1.0, 1.0, 1.0, 0.95, 64, verdict, "as seen")
        for name in ("quality.macro_f1", "staging.same_predictions")
    )
    return Judgement(gates, verdict)


def kept_canary_policy(store: ObjectStore, max_days: float = 7) -> str:
    """The digest of a policy whose canary has two steps."""
    steps = (CanaryStepSettings(share=0), CanaryStepSettings(share=0.25))
    canary = CanarySettings(steps=steps, max_days=max_days)
    return keep_policy(default_policy("macro_f1").model_copy(update={"canary": canary}), store)


@dataclass(frozen=True)
class Line:
    """A line in a real registry; its versions hold two small files, and no model."""

    name: str
    store: ObjectStore
    tracking: Tracking

    def add(self, number: int | None = None) -> Version:
        """Register one more version, whose number the caller may know."""
        number = number or max(self.tracking.versions(self.name), default=0) + 1
        tags = {WEIGHTS_TAG: f"w{number}"}
        with tempfile.TemporaryDirectory() as folder:
            made, manifest = add_version(self.name, Path(folder), tags, self.store, self.tracking)
        return Version(self.name, made, f"w{number}", run_id="", url="", manifest_sha256=manifest)

    def promote(self, version: Version, verdict: Verdict = Verdict.PASS) -> Decision:
        """Have the policy decide on a version."""
        both: Any = {"store": self.store, "tracking": self.tracking}
        champion = champion_for(self.name, version.weights_sha256, **both)
        judged = judged_by_hand(version, judgement(verdict), REPORT, champion, **both)
        return promote_version(judged, **both)

    def judged(self, version: Version, policy_sha256: str) -> JudgedVersion:
        """A version that passes, by a policy that asks for a canary and was kept."""
        both: Any = {"store": self.store, "tracking": self.tracking}
        asked = replace(judgement(), canary=True, policy_sha256=policy_sha256)
        champion = champion_for(self.name, version.weights_sha256, **both)
        return judged_by_hand(version, asked, REPORT, champion, **both)

    def start_canary(self, version: Version, policy_sha256: str) -> Decision:
        """Begin the canary of a version."""
        return start_canary(
            self.judged(version, policy_sha256), store=self.store, tracking=self.tracking
        )

    def try_out(self, version: Version, policy_sha256: str) -> None:
        """Begin the canary of a version, and decide twice on whichever canary goes on then."""
        self.start_canary(version, policy_sha256)
        for _ in range(2):
            self.look(Verdict.PASS)

    def look(self, verdict: Verdict) -> CanaryOutcome | None:
        """What a look at the canary that goes on decides; None where none does."""
        both: Any = {"store": self.store, "tracking": self.tracking}
        found = find_canary(self.name, **both)
        if not isinstance(found, UnderWay):
            return found
        look = CanaryLook(found.step, (90, 10), (), verdict, "as seen", now())
        return decide_on_look(look, found, **both)

    def roll_back(self, by: str = "Ada", reason: str = "worse") -> LedgerEntry:
        return roll_back_line(self.name, by, reason, store=self.store, tracking=self.tracking)

    def override(self, version: int, by: str = "Ada", reason: str = "better") -> LedgerEntry:
        return override_promotion_of(
            self.name, version, by, reason, store=self.store, tracking=self.tracking
        )

    def bring_in_order(self) -> Recorded | None:
        return bring_in_order(self.name, self.store, self.tracking)[1]

    @property
    def aliases(self) -> dict[str, int]:
        return self.tracking.aliases(self.name)

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        return read_ledger(self.store, self.name, self.tracking)

    @property
    def moves(self) -> Moves:
        return [(entry.action, entry.from_version, entry.to_version) for entry in self.ledger]

    @property
    def objects(self) -> list[str]:
        """Addresses of the ledger's objects, those set aside too."""
        return self.store.list(self.store.uri("ledger", self.name) + "/")


def new_line(name: str, store: ObjectStore, tracking: Tracking, verdicts: str = "") -> Line:
    """A line that promoted (``+``) or refused (``-``) a version for each of the verdicts.

    It is written as the product writes it, with the requests left out that say nothing to it.
    """
    line = Line(name, store, tracking)
    tracking._client.create_registered_model(name)
    entries: list[LedgerEntry] = []
    head = None
    begin(name, {}, tracking)
    for number, verdict in enumerate(verdicts, start=1):
        line.add(number)
        outcome = outcome_of(entries)
        to_version = number if verdict == "+" else outcome.production
        entry = LedgerEntry(
            line=name, action=PROMOTED if verdict == "+" else REFUSED,
            from_version=outcome.production, to_version=to_version, candidate_version=number,
            verdict=None, reason="as seen", evidence={"weights": f"w{number}"}, by="policy",
            at=now(), previous_sha256=head.sha256 if head else "",
            previous_version=outcome.production if verdict == "+" else outcome.previous,
        )  # fmt: skip
        head = append(store, tracking, entry, head)
        tracking.set_tags(name, number, {ENTRY_TAG: head.uri})
        entries.append(entry)
    for alias, version in asdict(outcome_of(entries)).items():
        if version is not None:
            tracking.set_alias(name, alias, version)
    return line


def old_style_line(
    name: str,
    store: ObjectStore,
    tracking: Tracking,
    promotions: Sequence[tuple[int | None, int]],
    *,
    last_twice: bool = False,
) -> Line:
    """A line as earlier releases left it: its entries name no way back, and MLflow none of them.

    Args:
        promotions: version in production before and after, for each entry.
        last_twice: a second process wrote an entry of the last number too, and died.

    """
    line, last = Line(name, store, tracking), ""
    tracking._client.create_registered_model(name)
    for number in range(1, 1 + max(after for _, after in promotions)):
        line.add(number)
    for number, (before, after) in enumerate(promotions, start=1):
        entry = {
            "line": name, "action": "promoted", "from_version": before, "to_version": after,
            "candidate_version": after, "verdict": "pass", "reason": "because",
            "evidence": {"weights": f"w{after}"}, "by": "policy",
            "at": f"2026-10-0{number}T08:00:00.000+00:00", "previous_sha256": last,
        }  # fmt: skip
        uri, last = _put(store, name, number, entry)
        tracking.set_tags(name, after, {ENTRY_TAG: uri})
        if last_twice and number == len(promotions):
            _put(store, name, number, entry | {"by": "somebody else"})
    aliases = {"production": after, "staging": after} | ({"previous": before} if before else {})
    for alias, version in aliases.items():
        tracking.set_alias(name, alias, version)
    return line


def _put(store: ObjectStore, line: str, number: int, entry: dict[str, Any]) -> tuple[str, str]:
    data = json.dumps(entry, sort_keys=True, indent=1).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    uri = store.uri("ledger", line, f"{number:08d}-{sha256[:8]}.json")
    store.put_bytes(uri, data)
    return uri, sha256


def fork(settings: Settings, name: str, work: Callable[[Line], Any], told: Path) -> int:
    """Do something with a line in a process of its own, with clients of its own.

    The load test is left out, which has tests of its own. What the work returned or raised stands
    in the file afterwards.

    Returns:
        The process's id; it is to be waited for.

    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        manual_promotion.load_test = lambda *_, **__: None
        line = Line(name, ObjectStore(settings), Tracking(settings))
        told.write_text(json.dumps(_outcome(work, line)))
        code = 0
    except BaseException:  # noqa: BLE001 - the process must end here, whatever happens
        traceback.print_exc()
    os._exit(code)


def _outcome(work: Callable[[Line], Any], line: Line) -> dict[str, Any]:
    from infra.errors import AssaylineError

    try:
        done = work(line)
    except AssaylineError as error:
        return {"error": str(error), "kind": type(error).__name__}
    return {"entry": asdict(done) if isinstance(done, LedgerEntry) else None}


def stop_self() -> None:
    """Sleep as a machine does that is suspended, until somebody wakes this process."""
    os.kill(os.getpid(), signal.SIGSTOP)


def wait_until_stopped(pid: int, timeout_s: float = 60) -> None:
    """Wait for a process that stops itself."""
    deadline = time.monotonic() + timeout_s
    while True:
        found, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        if found:
            assert os.WIFSTOPPED(status), f"it ended with status {status} and did not stop"
            return
        assert time.monotonic() < deadline, "it did not stop"
        time.sleep(0.02)


def wait_for_exit(pid: int, timeout_s: float = 120) -> int:
    """Wait for a process; its exit code, or minus the signal that ended it."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"process {pid} did not end within {timeout_s:.0f} s")
