"""A promotion that is cut off between any two of its steps, and done again."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.errors import PromotionError
from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.evaluation import Champion
from tasks.records.registry import Decision, Judgement, Report, Version
from tasks.registry.champion import champion_for
from tasks.registry.ledger import read_ledger
from tasks.registry.manual_promotion import roll_back_line
from tasks.registry.promotion import promote_version
from tasks.registry.version_tags import WEIGHTS_TAG
from tasks.verdicts import GateResult, Verdict
from tests.registered import add_version, judged_by_hand

PROJECT = Path(__file__).parents[2]


class CutOffError(BaseException):
    """Stands for the power going off: no handler of the product's catches it."""


def passing() -> Judgement:
    gates = tuple(
        GateResult(name, "at least 1", 1.0, 1.0, 1.0, 0.95, 64, Verdict.PASS, "as seen")
        for name in ("quality.macro_f1", "staging.same_predictions")
    )
    return Judgement(gates, Verdict.PASS)


REPORT = Report(Artifact("s3://b/r", "a" * 64, 1), Artifact("s3://b/c", "b" * 64, 1), "http://r")


def add(store: ObjectStore, tracking: Tracking, line: str, weights: str) -> Version:
    with tempfile.TemporaryDirectory() as folder:
        number, manifest = add_version(line, Path(folder), {WEIGHTS_TAG: weights}, store, tracking)
    return Version(line, number, weights, manifest, run_id="", url="")


def promote(
    version: Version, champion: Champion | None, store: ObjectStore, tracking: Tracking
) -> Decision:
    both: Any = {"store": store, "tracking": tracking}
    return promote_version(judged_by_hand(version, passing(), REPORT, champion, **both), **both)


class Fuse:
    """Counts the writes to the store and the registry, and cuts off before the given one."""

    def __init__(self, at: int) -> None:
        self.left = at

    def guard(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self.left == 0:
                raise CutOffError
            self.left -= 1
            return write(*args, **kwargs)

        return guarded


@pytest.fixture
def fuse(
    store: ObjectStore, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], Fuse]]:
    """Put a fuse into every request that writes, down at the servers' own clients."""

    def insert(at: int) -> Fuse:
        new = Fuse(at)
        for client, names in (
            (store._client, ("put_object", "delete_object")),
            (tracking._client, ("set_registered_model_alias", "set_model_version_tag")),
        ):
            for name in names:
                original = getattr(type(client), name).__get__(client)
                monkeypatch.setattr(client, name, new.guard(original), raising=True)
        return new

    yield insert
    monkeypatch.undo()


# The record of what was judged, one ledger entry, three aliases, four tags.
WRITES = 9


@pytest.mark.parametrize("at", range(WRITES + 1))
def test_a_promotion_cut_off_anywhere_ends_the_same_when_it_is_done_again(
    at: int, store: ObjectStore, tracking: Tracking, fuse: Callable[[int], Fuse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = f"cut-{at}"
    tracking._client.create_registered_model(line)
    promote(add(store, tracking, line, "w1"), None, store, tracking)
    second = add(store, tracking, line, "w2")
    champion = champion_for(line, "w2", store=store, tracking=tracking)

    fuse(at)
    if at < WRITES:
        with pytest.raises(CutOffError):
            promote(second, champion, store, tracking)
    else:
        promote(second, champion, store, tracking)
    monkeypatch.undo()

    # Whatever production names now, the ledger explains it.
    explained = {entry.to_version for entry in read_ledger(store, line)}
    assert tracking.aliases(line)["production"] in explained
    # The run, started again, asks for the same comparison, and ends the same.
    assert champion_for(line, "w2", store=store, tracking=tracking) == champion
    decision = promote(second, champion, store, tracking)
    assert decision.action == "promoted"
    assert tracking.aliases(line) == {"production": 2, "previous": 1, "staging": 2}
    ledger = read_ledger(store, line)
    assert [(e.action, e.from_version, e.to_version) for e in ledger] == [
        ("promoted", None, 1),
        ("promoted", 1, 2),
    ]
    assert tracking.version_tags(line, 2)["assayline.ledger"] == decision.ledger_uri


def test_another_candidate_finds_a_cut_off_promotion_carried_out(
    store: ObjectStore, tracking: Tracking, fuse: Callable[[int], Fuse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = "cut-other"
    tracking._client.create_registered_model(line)
    promote(add(store, tracking, line, "w1"), None, store, tracking)
    champion = champion_for(line, "w3", store=store, tracking=tracking)
    second = add(store, tracking, line, "w2")
    fuse(2)
    with pytest.raises(CutOffError):
        promote(second, champion, store, tracking)
    monkeypatch.undo()
    assert tracking.aliases(line)["production"] == 1
    third = add(store, tracking, line, "w3")
    with pytest.raises(PromotionError, match="compared with version 1, and by now version 2"):
        promote(third, champion, store, tracking)
    assert tracking.aliases(line)["production"] == 2
    renewed = champion_for(line, "w3", store=store, tracking=tracking)
    assert renewed == Champion(line, 2, "w2")
    assert promote(third, renewed, store, tracking).action == "promoted"
    assert [entry.to_version for entry in read_ledger(store, line)] == [1, 2, 3]


def test_a_cut_off_rollback_is_finished_and_not_done_twice(
    store: ObjectStore, tracking: Tracking, fuse: Callable[[int], Fuse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = "cut-rollback"
    tracking._client.create_registered_model(line)
    promote(add(store, tracking, line, "w1"), None, store, tracking)
    champion = champion_for(line, "w2", store=store, tracking=tracking)
    promote(add(store, tracking, line, "w2"), champion, store, tracking)
    # The load test has tests of its own; these versions hold no model.
    monkeypatch.setattr("tasks.registry.manual_promotion.load_test", lambda *_, **__: None)
    fuse(2)
    with pytest.raises(CutOffError):
        roll_back_line(line, "Ada", "worse", store=store, tracking=tracking)
    monkeypatch.undo()
    entry = roll_back_line(line, "Ada", "worse", store=store, tracking=tracking)
    assert entry.action == "rolled back"
    assert tracking.aliases(line) == {"production": 1, "previous": 2, "staging": 2}
    assert len(read_ledger(store, line)) == 3


def test_a_killed_process_leaves_a_promotion_that_the_next_one_finishes(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings
) -> None:
    line = "killed"
    tracking._client.create_registered_model(line)
    first = add(store, tracking, line, "w1")
    # The process kills itself between the ledger and the first alias, as kill -9 would.
    code = f"""
import os, signal
from infra.settings import load_settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.faults.test_promotion_faults import promote
from tasks.records.registry import Version
store, tracking = ObjectStore(load_settings()), Tracking(load_settings())
tracking.set_alias = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
promote(Version({line!r}, {first.version}, "w1", {first.manifest_sha256!r}, "", ""), None,
        store, tracking)
"""
    environment = {**os.environ, **mlflow_settings.as_environment()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True,
                          text=True, timeout=120, check=False, cwd=PROJECT)  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert tracking.aliases(line) == {}
    assert len(read_ledger(store, line)) == 1
    assert promote(first, None, store, tracking).action == "promoted"
    assert tracking.aliases(line) == {"production": 1, "staging": 1}
    assert len(read_ledger(store, line)) == 1
