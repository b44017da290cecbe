"""Aliases that somebody moves in MLflow, past the ledger: they are seen, told and decided on."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.audit import audit_ledger, disagreement
from tasks.registry.ledger import production_at, read_ledger
from tasks.registry.ledger_index import read_index
from tasks.registry.reconciliation import reconcile_line, settle_by_setting
from tasks.registry.settings import OnOutsideMove
from tests.faults.lines import Line, new_line, old_style_line


@pytest.fixture
def line(request: pytest.FixtureRequest, store: ObjectStore, tracking: Tracking) -> Line:
    """A line with versions 1 and 2 promoted, and a third that was refused."""
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return new_line(f"outside-{name}", store, tracking, "++-")


def reconcile(line: Line, how: OnOutsideMove, by: str = "Ada") -> object:
    return reconcile_line(
        line.name, how, by, "it was seen", store=line.store, tracking=line.tracking
    ).decision


def told(line: Line) -> str:
    return disagreement(line.name, store=line.store, tracking=line.tracking)


BEFORE = [("promoted", None, 1), ("promoted", 1, 2), ("refused", 2, 2)]


def test_production_that_was_moved_stops_everything_until_somebody_decides(line: Line) -> None:
    assert told(line) == ""
    line.tracking.set_alias(line.name, "production", 3)
    late = line.add()
    for attempt in (
        lambda: line.promote(late),
        line.roll_back,
        lambda: line.override(1),
        lambda: reconcile(line, "refuse"),
    ):
        with pytest.raises(PromotionError) as refused:
            attempt()
        message = str(refused.value)
        assert "production names version 3 in MLflow, and by the ledger it is version 2" in message
        assert "version 3 was registered at 20" in message
        assert f"assayline reconcile {line.name} --restore" in message
        assert "registry.on_outside_move" in message
    # What MLflow says was left as it is, and stands in the ledger once.
    assert line.aliases == {"production": 3, "previous": 1, "staging": 2}
    assert line.moves == [*BEFORE, ("moved outside", 2, 3)]
    assert line.ledger[-1].by == "unknown"
    assert "version 3 was registered at" in line.ledger[-1].reason
    assert "by the ledger it is version 2" in told(line)


def test_what_was_moved_is_restored_and_production_was_what_it_was(line: Line) -> None:
    line.tracking.set_alias(line.name, "production", 3)
    line.tracking.set_alias(line.name, "previous", 3)
    reconcile(line, "restore")
    assert line.aliases == {"production": 2, "previous": 1, "staging": 2}
    assert line.moves == [*BEFORE, ("moved outside", 2, 3), ("restored", 3, 2)]
    assert (line.ledger[-1].by, line.ledger[-1].reason) == ("Ada", "it was seen")
    moved_at = datetime.fromisoformat(line.ledger[-2].at)
    assert production_at(line.ledger, moved_at) == 3
    assert production_at(line.ledger, datetime.now(UTC) + timedelta(seconds=1)) == 2
    assert told(line) == ""
    assert line.promote(line.add()).action == "promoted"
    assert reconcile(line, "restore") is None


def test_what_was_moved_is_accepted_and_the_way_back_leads_to_what_was_proven(line: Line) -> None:
    line.tracking.set_alias(line.name, "production", 3)
    reconcile(line, "accept")
    assert line.aliases == {"production": 3, "previous": 2, "staging": 2}
    assert line.moves == [*BEFORE, ("moved outside", 2, 3), ("accepted", 3, 3)]
    fourth = line.promote(line.add())
    assert fourth.action == "promoted"
    assert line.ledger[-1].from_version == 3
    assert told(line) == ""


@pytest.mark.parametrize(
    ("how", "aliases"),
    [
        ("restore", {"production": 2, "previous": 1, "staging": 2}),
        pytest.param(
            "accept", {"production": 2, "previous": 3, "staging": 2}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_way_back_that_was_moved_alone(
    how: OnOutsideMove, aliases: dict[str, int], line: Line
) -> None:
    """A rollback would else lead to a version that nobody proved."""
    line.tracking.set_alias(line.name, "previous", 3)
    with pytest.raises(PromotionError, match="previous names version 3 in MLflow"):
        line.roll_back()
    settle_by_setting(line.name, how, store=line.store, tracking=line.tracking)
    assert line.aliases == aliases
    done = {"restore": "restored", "accept": "accepted"}[how]
    assert line.moves[3:] == [("moved outside", 2, 2), (done, 2, 2)]
    assert line.ledger[-1].by == "policy"
    assert line.ledger[-1].reason == f"registry.on_outside_move is {how}"


@pytest.mark.slow
def test_what_is_put_back_by_hand_needs_no_decision(line: Line) -> None:
    line.tracking.set_alias(line.name, "production", 1)
    with pytest.raises(PromotionError, match="names version 1 in MLflow"):
        line.roll_back()
    line.tracking.set_alias(line.name, "production", 2)
    assert line.promote(line.add()).action == "promoted"
    assert line.moves[3:] == [
        ("moved outside", 2, 1), ("moved outside", 1, 2), ("promoted", 2, 4),
    ]  # fmt: skip


@pytest.mark.slow
def test_an_alias_that_was_deleted_is_set_again(line: Line) -> None:
    line.tracking.delete_alias(line.name, "production")
    assert "production names no version in MLflow" in told(line)
    reconcile(line, "restore")
    assert line.aliases["production"] == 2


def delete_version(line: Line) -> None:
    line.tracking._client.delete_model_version(line.name, "2")


def delete_model(line: Line) -> None:
    line.tracking._client.delete_registered_model(line.name)


def rename_model(line: Line) -> None:
    line.tracking._client.rename_registered_model(line.name, f"{line.name}-other")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (delete_version, ("MLflow no longer has version 2: it was deleted there",)),
        pytest.param(delete_model, ("has no registered model",), marks=pytest.mark.slow),
        pytest.param(
            rename_model,
            ("has no registered model", "-other: rename it back"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_was_deleted_or_renamed_is_named(
    fault: Callable[[Line], None], words: tuple[str, ...], line: Line
) -> None:
    fault(line)
    for word in words:
        assert word in told(line)
    with pytest.raises(PromotionError, match=r"MLflow no longer has version [12]. Restore"):
        reconcile(line, "restore")
    reconcile(line, "accept")
    assert "production" not in line.aliases
    assert line.moves[3:] == [("moved outside", 2, None), ("accepted", None, None)]
    assert told(line) == ""


@pytest.mark.slow
def test_a_renamed_model_goes_on_when_it_has_its_name_back(line: Line) -> None:
    rename_model(line)
    with pytest.raises(PromotionError, match="rename it back"):
        line.roll_back()
    line.tracking._client.rename_registered_model(f"{line.name}-other", line.name)
    assert line.promote(line.add()).action == "promoted"


@pytest.mark.slow
def test_a_refused_version_may_be_deleted_in_mlflow(line: Line) -> None:
    line.tracking._client.delete_model_version(line.name, "3")
    assert told(line) == ""
    assert line.promote(line.add()).action == "promoted"


@pytest.mark.slow
def test_a_model_that_was_registered_anew_is_not_the_one_of_the_ledger(line: Line) -> None:
    """Its versions count from 1 again: version 2 is another one, and nobody proved it."""
    delete_model(line)
    line.tracking._client.create_registered_model(line.name)
    for _ in range(3):
        version = line.add().version
        line.tracking.set_tags(line.name, version, {"assayline.weights_sha256": f"new{version}"})
    line.tracking.set_alias(line.name, "production", 2)
    line.tracking.set_alias(line.name, "previous", 1)
    with pytest.raises(PromotionError, match=r"is of the weights new[23], .* it was registered"):
        line.roll_back()
    assert line.aliases == {"production": 2, "previous": 1}


def test_a_move_while_the_previous_version_is_tried_stops_the_rollback(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tasks.registry.manual_promotion.load_test",
        lambda *_, **__: line.tracking.set_alias(line.name, "production", 3),
    )
    with pytest.raises(PromotionError, match="production names version 3 in MLflow"):
        line.roll_back()
    assert line.aliases["production"] == 3
    assert line.moves[3:] == [("moved outside", 2, 3)]


@pytest.mark.slow
def test_the_way_back_by_hand_of_somebody_else_is_still_her_word(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is moved outside after a rollback and restored does not let the schedule overrule it."""
    monkeypatch.setattr("tasks.registry.manual_promotion.load_test", lambda *_, **__: None)
    line.roll_back()
    line.tracking.set_alias(line.name, "production", 2)
    reconcile(line, "restore")
    again = line.add()
    line.tracking.set_tags(line.name, again.version, {"assayline.weights_sha256": "w2"})
    same = type(again)(line.name, again.version, "w2", "", "")
    assert "Ada rolled the same weights back" in line.promote(same).reason


# Lines of before


@pytest.fixture
def old_line(request: pytest.FixtureRequest, store: ObjectStore, tracking: Tracking) -> Line:
    """Two versions promoted by an earlier release; a third is there."""
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    line = old_style_line(f"old-{name}", store, tracking, [(None, 1), (1, 2)])
    line.add()
    return line


def test_a_line_of_an_earlier_release_is_read_and_goes_on(old_line: Line) -> None:
    audit = audit_ledger(old_line.name, store=old_line.store, tracking=old_line.tracking)
    assert [entry.to_version for entry in audit.entries] == [1, 2]
    assert any("an earlier release recorded these entries" in remark for remark in audit.remarks)
    assert audit.disagreement == ""
    assert not read_index(old_line.name, old_line.tracking).begun
    assert old_line.promote(old_line.add()).action == "promoted"
    assert sorted(read_index(old_line.name, old_line.tracking).entries) == [1, 2, 3]
    assert told(old_line) == ""
    audit = audit_ledger(old_line.name, store=old_line.store, tracking=old_line.tracking)
    assert audit.remarks == ()


@pytest.mark.slow
def test_a_line_of_an_earlier_release_that_was_moved_is_seen(old_line: Line) -> None:
    old_line.tracking.set_alias(old_line.name, "production", 3)
    with pytest.raises(PromotionError, match="production names version 3 in MLflow"):
        old_line.promote(old_line.add())


@pytest.mark.slow
def test_a_move_that_an_earlier_release_overlooked_is_a_remark_and_no_fault(
    store: ObjectStore, tracking: Tracking
) -> None:
    # Somebody moved production from 1 to 2, and the release then recorded a promotion from 2.
    line = old_style_line("old-overlooked", store, tracking, [(None, 1), (2, 3)])
    audit = audit_ledger(line.name, store=store, tracking=tracking)
    assert "moved outside of the ledger, from version 1 to version 2" in audit.remarks[0]
    assert line.promote(line.add()).action == "promoted"


@pytest.mark.slow
def test_an_entry_of_today_that_does_not_go_on_from_the_last_one_is_a_fault(line: Line) -> None:
    uri = line.objects[1]
    entry = json.loads(line.store.get_bytes(uri)) | {"from_version": 7}
    data = json.dumps(entry, sort_keys=True, indent=1).encode()
    line.store.delete(uri)
    forged = f"{uri.rsplit('-', 1)[0]}-{hashlib.sha256(data).hexdigest()[:8]}.json"
    line.store.put_bytes(forged, data)
    with pytest.raises(PromotionError, match=f"{uri} is missing"):
        _ = line.ledger
    # And without the registry's word the chain alone says so.
    with pytest.raises(
        PromotionError, match="goes on from version 7, and the entry before it left"
    ):
        read_ledger(line.store, line.name)
