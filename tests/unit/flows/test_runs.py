"""What is said of a run at Ctrl-C, and when it was cancelled or crashed."""

from datetime import UTC, datetime
from unittest.mock import Mock, patch
from uuid import UUID, uuid4

import pytest
from prefect.results import ResultRecordMetadata
from prefect.serializers import JSONSerializer

from flows.commands.run_commands import _as_id, find_run, plain
from flows.commands.runs import _result, told_at_interrupt, told_of_cancelled, told_of_crashed
from infra.errors import AssaylineError, IntegrityError, StoreError
from infra.prefect_api import Deployment, FlowRun, FlowRunState, PrefectApi
from infra.settings import Settings
from tasks.records.data import ControlTokens

ID = UUID("eae91a8f-e76b-4877-af74-5b9addc2b598")
PAGE = f"http://127.0.0.1:14200/runs/flow-run/{ID}"


def test_ctrl_c_says_that_the_run_goes_on_and_both_commands() -> None:
    said = told_at_interrupt(ID)
    assert "the run goes on" in said
    assert f"assayline watch {ID}" in said
    assert f"assayline cancel {ID}" in said
    assert "press Ctrl-C again" in said


def test_a_cancelled_run_is_not_called_failed() -> None:
    said = told_of_cancelled("retrain reviews", PAGE)
    assert said.startswith("the run retrain reviews was cancelled, and production stays")
    assert "fail" not in said
    assert PAGE in said


@pytest.mark.parametrize(
    ("message", "by_memory"),
    [
        ("Flow run process exited with non-zero status code -9.", True),
        ("Process exited with status code: -9. Killed", True),
        ("Flow run process exited with non-zero status code -15.", False),
        ("Flow run process exited with non-zero status code 19.", False),
        ("its process is gone, and so is the worker that would have told", False),
    ],
)
def test_a_crashed_run_says_what_is_known_and_what_to_do(message: str, *, by_memory: bool) -> None:
    said = told_of_crashed("retrain reviews", message, PAGE)
    assert said.startswith(f"the run retrain reviews crashed: {message.rstrip('.')}")
    assert ("memory runs out" in said) is by_memory
    assert "The same command begins again" in said
    assert "the worker's log, which `assayline status` names" in said


@pytest.mark.parametrize("error", [IntegrityError, StoreError])
def test_a_result_that_cannot_be_read_does_not_pass_for_a_run_that_did_nothing(
    error: type[AssaylineError],
) -> None:
    run = Mock(state=Mock())
    run.name, run.state.is_completed.return_value = "approve reviews version 3", True
    run.state.data = ResultRecordMetadata(
        storage_key="results/one", serializer=JSONSerializer(), prefect_version="3"
    )
    unread = error("results/one is signed with the key 0123")
    with (
        patch("infra.signed_results.KeptResults.read", side_effect=unread),
        pytest.raises(error) as said,
    ):
        _result(run, Settings(), PAGE)
    assert str(said.value).startswith(
        "the run approve reviews version 3 completed, and what it did"
    )
    assert PAGE in str(said.value)
    assert "signed with the key 0123" in str(said.value)


@pytest.mark.parametrize("text", [str(ID), str(ID).upper(), PAGE, f"{PAGE}/"])
def test_a_run_is_named_by_its_id_or_its_page(text: str) -> None:
    assert _as_id(text) == ID


@pytest.mark.parametrize("text", ["retrain reviews", "amber-fox", "", "eae91a8f"])
def test_all_else_is_a_name(text: str) -> None:
    assert _as_id(text) is None


@pytest.mark.parametrize(
    ("latest_first", "watched", "cancelled"),
    [
        (["COMPLETED", "RUNNING", "RUNNING"], 0, 1),
        (["RUNNING", "COMPLETED"], 0, 0),
        (["CRASHED", "COMPLETED"], 0, 0),
    ],
)
def test_of_several_runs_one_that_has_not_ended_is_cancelled(
    latest_first: list[str], watched: int, cancelled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = PrefectApi(Settings(prefect_url="http://127.0.0.1:9/api"))
    runs = [
        FlowRun(id=uuid4(), name="r", state=FlowRunState(type=type_, timestamp=datetime.now(UTC)))
        for type_ in latest_first
    ]
    deployments = {
        name: Deployment(id=uuid4(), name="reviews", flow_id=uuid4())
        for name in (
            "retrain/reviews",
            "watch-registry/reviews",
            "watch-source/reviews",
            "canary/reviews",
        )
    }
    asked = []
    monkeypatch.setattr(api, "deployments", lambda: deployments)
    monkeypatch.setattr(api, "flow_runs_tagged", lambda *_, of: asked.append(of) or runs)
    assert find_run(api, None, "reviews") is runs[watched]
    assert find_run(api, None, "reviews", open_first=True) is runs[cancelled]
    # A look at the registry has always just ended, or is about to begin: nobody means that.
    assert asked == [[deployments["retrain/reviews"]]] * 2


def test_a_result_is_read_whether_prefect_gives_a_record_or_a_mapping() -> None:
    as_mapping = {"action": "text", "looked_for": 5, "rows": 0, "rows_by_token": {}}
    assert plain(ControlTokens("text", 5)) == as_mapping
    assert plain(as_mapping) == as_mapping
    assert plain(None) is None
    assert plain("done") == "done"
