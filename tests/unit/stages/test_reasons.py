"""Why a stage ran, told from what its runs were keyed by."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from infra.code_digest import Code
from infra.errors import StoreError
from infra.settings import Settings
from infra.store import ObjectStore
from tasks.stages.reasons import (
    FIRST_RUN,
    NOTHING_DIFFERS,
    StageReason,
    StageRun,
    keep_run,
    reasons,
)

CODE = Code(
    {"tasks.training.trainer": "a1", "tasks.training.passes": "b1"},
    {"tasks/reporting/report.css": "c1"},
    {"python": "3.11", "torch": "2.13.0"},
)
FIRST = StageRun(
    stage="train",
    at="2026-11-27T10:00:00.000000+00:00",
    flow_run_id="run-1",
    arguments={
        "settings": {"epochs": 1, "lora": None},
        "tokens": {"artifact": {"sha256": "aa", "uri": "s3://b/aa"}, "rows": 10},
        "champion": None,
    },
    inputs=("tokens", "champion"),
    code=CODE,
)
SECOND = replace(FIRST, at="2026-11-27T11:00:00.000000+00:00", flow_run_id="run-2")


@pytest.fixture
def line(request: pytest.FixtureRequest) -> str:
    """A line of the test's own."""
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60]


def why(line: str, store: ObjectStore, *runs: StageRun) -> list[StageReason]:
    for run in runs:
        keep_run(line, run, store)
    return reasons(line, store)


def test_a_first_run_is_said_to_be_one(line: str, store: ObjectStore) -> None:
    assert why(line, store, FIRST) == [StageReason("train", FIRST.at, "run-1", (FIRST_RUN,))]
    assert reasons("another-line", store) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"arguments": {**FIRST.arguments, "settings": {"epochs": 2, "lora": None}}},
            ("settings.epochs: 1 → 2",),
        ),
        (
            {"arguments": {**FIRST.arguments, "settings": {"epochs": 1, "lora": {"rank": 8}}}},
            ("settings.lora is gone; it was null", "settings.lora.rank is new: 8"),
        ),
        (
            {"arguments": {**FIRST.arguments, "tokens": {"artifact": {}, "rows": 11}}},
            ("input tokens: another artifact, rows",),
        ),
        (
            {"arguments": {**FIRST.arguments, "champion": {"version": 3}}},
            ("input champion is another",),
        ),
        (
            {"code": replace(CODE, modules={"tasks.training.trainer": "a2", "tasks.new": "n"})},
            (
                "tasks/new.py is new to it",
                "tasks/training/passes.py no longer counts",
                "tasks/training/trainer.py changed",
            ),
        ),
        (
            {"code": replace(CODE, files={"tasks/reporting/report.css": "c2"})},
            ("tasks/reporting/report.css changed",),
        ),
        (
            {"code": replace(CODE, libraries={"python": "3.11", "torch": "2.14.0"})},
            ("torch: 2.13.0 → 2.14.0",),
        ),
        ({}, (NOTHING_DIFFERS,)),
    ],
    ids=["setting", "settings", "record", "new-record", "modules", "file", "library", "nothing"],
)
def test_what_differs_is_told_by_name(
    line: str, store: ObjectStore, changes: dict[str, object], expected: tuple[str, ...]
) -> None:
    second = StageRun(**{**vars(SECOND), **changes})
    (found,) = why(line, store, FIRST, second)
    assert found == StageReason("train", SECOND.at, "run-2", expected)


def test_digests_are_short_and_long_values_cut(line: str, store: ObjectStore) -> None:
    first = replace(FIRST, arguments={"code": "a" * 64, "text": "b" * 50})
    second = replace(SECOND, arguments={"code": "c" * 64, "text": "d" * 50})
    (found,) = why(line, store, first, second)
    assert found.differences == (
        "code: aaaaaaaa → cccccccc",
        f"text: {'b' * 39}… → {'d' * 39}…",
    )


def test_a_stage_that_runs_twice_in_a_run_is_compared_with_the_run_before(
    line: str, store: ObjectStore
) -> None:
    once = replace(SECOND, arguments={**FIRST.arguments, "champion": {"version": 1}})
    twice = replace(SECOND, at="2026-11-27T11:00:09.000000+00:00")
    (found,) = why(line, store, FIRST, once, twice)
    assert found.differences == (NOTHING_DIFFERS,)


def test_stages_stand_in_the_order_in_which_they_last_ran(line: str, store: ObjectStore) -> None:
    tokenize = replace(SECOND, stage="tokenize", at="2026-11-27T10:59:00.000000+00:00")
    assert [reason.stage for reason in why(line, store, FIRST, SECOND, tokenize)] == [
        "tokenize", "train",
    ]  # fmt: skip


def test_the_reason_is_logged_in_short(
    line: str, store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tasks")
    many = {f"setting_{number}": number for number in range(9)}
    why(line, store, FIRST, replace(SECOND, arguments={**FIRST.arguments, **many}))
    assert caplog.messages == [
        f"train runs: {FIRST_RUN}",
        "train runs: setting_0 is new: 0; setting_1 is new: 1; setting_2 is new: 2, and 6 more",
    ]


def test_a_store_that_is_down_stops_no_stage(
    line: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = Settings(
        home=tmp_path, store_endpoint_url="http://127.0.0.1:9", store_access_key_id="a",
        store_secret_access_key="b", mlflow_url=None, prefect_url=None,
    )  # fmt: skip
    keep_run(line, FIRST, ObjectStore(nowhere))
    assert "why train runs cannot be told" in caplog.text


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"code": {}}'])
def test_a_broken_record_is_named_and_stops_no_stage(
    line: str, store: ObjectStore, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    broken = f"{store.uri('stage-runs', line, 'train', '')}2026-01-01_run-0.json"
    store.put_bytes(broken, content)
    with pytest.raises(StoreError, match=r"2026-01-01_run-0.json is not what a run .* delete it"):
        reasons(line, store)
    keep_run(line, FIRST, store)
    assert "why train runs cannot be told" in caplog.text
    (found,) = why(line, store, SECOND)
    assert found.differences == (NOTHING_DIFFERS,)
