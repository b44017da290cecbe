"""A canary on a served line, on real servers: who answers, what is kept, and nothing is lost."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.registry.answers import held_out_rows, keep_answers
from tasks.registry.ledger import CANARY_ADVANCED, CANARY_STARTED, CANARY_STOPPED
from tasks.registry.registration import register_version
from tasks.registry.transitions import evidence_of, record, settle
from tasks.registry.version_tags import ANSWERS_TAG
from tasks.serving.canary import is_drawn
from tests.recorded_rows import recorded_requests
from tests.served_line import Load, ServedLine, put_in_production, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

LINE = "canary-topics"
TOLERANCE = 1e-4
# A token of the test model that no row has: the candidate has no number for it.
NO_NUMBER = "的"
TEXTS = ["late goal", "bank rates", "a good film", "he said she said"]


@pytest.fixture(scope="module")
def versions(candidate: Any, store: ObjectStore, tracking: Tracking, tmp_path_factory: Any) -> Any:
    """A version for production, and a candidate that turns its answers and fails on one token."""
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("candidate")
    store.get_folder(candidate.weights.artifact, folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] *= -1
    token = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(NO_NUMBER)
    (name,) = (one for one in weights if one.endswith("word_embeddings.weight"))
    weights[name][token] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    other = replace(
        candidate.weights, artifact=store.put_folder(store.uri("weights", "canary"), folder)
    )
    scores = evaluate_weights(
        other, candidate.data, None, "classification", EvaluationSettings(),
        store=store, tracking=tracking,
    )  # fmt: skip
    return [
        register_version(
            LINE, candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
            some, scored, candidate.fairness, "classification", store=store, tracking=tracking,
        )
        for some, scored in ((candidate.weights, candidate.scores), (other, scores))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def running(
    versions: Any, store: ObjectStore, tracking: Tracking, mlflow_settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedLine]:  # fmt: skip
    put_in_production(LINE, versions[0].version, store, tracking)
    folder = tmp_path_factory.mktemp("served")
    settings = {"record": {"flush_s": 0.5}, "canary": {"timeout_s": 5}}
    with serving(LINE, folder, mlflow_settings, settings) as line:
        yield line
        assert line.end() == 0, line.log.read_text()
        assert "Traceback" not in line.log.read_text()


class Steps:
    """The steps of a canary, put in the ledger as the flow of the canary puts them there."""

    def __init__(self, versions: Any, store: ObjectStore, tracking: Tracking) -> None:
        self.production, self.candidate = (version.version for version in versions)
        self._store, self._tracking = store, tracking

    def begin(self, number: int, share: float) -> None:
        self._record(CANARY_STARTED if number == 1 else CANARY_ADVANCED, number, share)

    def stop(self) -> None:
        self._record(CANARY_STOPPED, 0, 0.0)

    def _record(self, action: str, step: int, share: float) -> None:
        state, _ = settle(LINE, self._store, self._tracking)
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
        evidence = evidence_of(self._tracking.version_tags(LINE, self.candidate))
        record(
            self._store, self._tracking, state, action=action, to_version=state.outcome.production,
            candidate=self.candidate, verdict=None, reason="as seen", by="policy",
            evidence=evidence, until=until, step=step, share=share,
        )  # fmt: skip


@pytest.fixture
def steps(
    running: ServedLine, versions: Any, store: ObjectStore, tracking: Tracking
) -> Iterator[Steps]:
    """Production is the first version before and after."""
    steps = Steps(versions, store, tracking)
    yield steps
    if running.health()["canary"]:
        steps.stop()
    if running.health()["version"] != steps.production:
        put_in_production(LINE, steps.production, store, tracking)
    running.wait_for(version=steps.production, status="ok", canary=None)
    wait_until(lambda: len(running.model_processes()) == 1)  # the others have ended


def wait_for_canary(running: ServedLine, **expected: object) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        found: dict[str, Any] | None = running.health()["canary"]
        if found and all(found[key] == value for key, value in expected.items()):
            return found
        assert time.monotonic() < deadline, (found, running.log.read_text())
        time.sleep(0.1)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def asked(running: ServedLine, text: str, request_id: str) -> str:
    answer = running.ask([text], **{"X-Request-Id": request_id})
    assert answer.is_success, answer.text
    return answer.headers["x-model-version"]


def test_in_shadow_the_candidate_answers_all_and_nobody_sees_it(
    running: ServedLine, steps: Steps, store: ObjectStore
) -> None:
    steps.begin(1, 0.0)
    health = wait_for_canary(running, version=steps.candidate, ready=True)
    assert (health["step"], health["share"], health["refused"]) == (1, 0.0, "")
    ids = [f"shadow-{number}" for number in range(24)]
    by = {asked(running, TEXTS[number % 4], one) for number, one in enumerate(ids)}
    assert by == {str(steps.production)}
    wait_until(lambda: len(recorded_requests(LINE, store, ids)) == 48)
    rows = recorded_requests(LINE, store, ids)
    for one in ids:
        production, shadow = sorted(
            (row for row in rows if row["request_id"] == one), key=lambda row: row["role"]
        )
        assert (production["role"], production["version"]) == ("production", steps.production)
        assert (shadow["role"], shadow["version"]) == ("shadow", steps.candidate)
        assert production["inputs"] == shadow["inputs"]
        assert production["received_at"] == shadow["received_at"]
        assert production["answer"] != shadow["answer"]
        assert shadow["latency_ms"] > 0
        assert (production["error"], shadow["error"]) == ("", "")
    metrics = running.client.get("/metrics").text
    assert f'assayline_version{{role="shadow"}} {float(steps.candidate)}' in metrics
    assert "assayline_shadow_dropped_rows_total 0.0" in metrics


def test_it_answers_its_share_by_the_requests_id_and_production_what_it_cannot(
    running: ServedLine, steps: Steps, store: ObjectStore
) -> None:
    steps.begin(1, 0.25)
    wait_for_canary(running, version=steps.candidate, ready=True, share=0.25)
    ids = [f"share-{number}" for number in range(300)]
    by = {one: asked(running, TEXTS[0], one) for one in ids}
    mine = [one for one in ids if by[one] == str(steps.candidate)]
    assert mine == [one for one in ids if is_drawn(one, steps.candidate, 0.25)]
    assert abs(len(mine) - 75) < 3.3 * (300 * 0.25 * 0.75) ** 0.5  # p < 0.001
    assert {asked(running, TEXTS[1], one) for one in mine[:5]} == {str(steps.candidate)}
    steps.begin(2, 1.0)
    wait_for_canary(running, step=2, ready=True)
    assert asked(running, TEXTS[0], "wrong-0") == str(steps.candidate)
    assert asked(running, f"late goal {NO_NUMBER}", "wrong-1") == str(steps.production)
    wait_until(lambda: len(recorded_requests(LINE, store, ["wrong-1"])) == 2)
    first, second = sorted(recorded_requests(LINE, store, ["wrong-1"]), key=lambda r: r["role"])
    assert (first["role"], first["error"], first["answer"]) == ("canary", "failed", "null")
    assert (second["role"], second["error"]) == ("production", "")
    assert json.loads(second["answer"])["label"]
    metrics = running.client.get("/metrics").text
    named = f'error="failed",role="canary",version="{steps.candidate}"'
    assert f"assayline_failed_rows_total{{{named}}} 1.0" in metrics
    rows = recorded_requests(LINE, store, ids)
    assert {row["request_id"] for row in rows if row["role"] == "canary"} == set(mine)


def test_a_killed_candidate_and_its_promotion_lose_no_request(
    running: ServedLine, steps: Steps, store: ObjectStore, tracking: Tracking
) -> None:
    (before,) = running.model_processes()
    steps.begin(1, 0.5)
    wait_for_canary(running, ready=True)
    with Load(running, TEXTS).running(4) as load:
        for _ in range(2):
            time.sleep(1)
            (candidate,) = (one for one in running.model_processes() if one.pid != before.pid)
            candidate.kill()
            psutil.wait_procs([candidate], timeout=60)
            wait_for_canary(running, ready=True)
        time.sleep(1)
        (candidate,) = (one for one in running.model_processes() if one.pid != before.pid)
        put_in_production(LINE, steps.candidate, store, tracking)
        running.wait_for(version=steps.candidate, status="ok", canary=None)
        time.sleep(1)
    assert load.errors == []
    assert {answer.status_code for _, answer in load.answers} == {200}
    by = [answer.headers["x-model-version"] for _, answer in load.answers]
    assert set(by) == {str(steps.production), str(steps.candidate)}
    assert set(by[-4:]) == {str(steps.candidate)}
    wait_until(lambda: not before.is_running())
    assert [one.pid for one in running.model_processes()] == [candidate.pid]  # loaded no more
    ids = [answer.headers["x-request-id"] for _, answer in load.answers]
    wait_until(lambda: set(ids) <= {r["request_id"] for r in recorded_requests(LINE, store, ids)})
    rows = recorded_requests(LINE, store, ids)
    answered = [row["request_id"] for row in rows if not row["error"]]
    assert sorted(answered) == sorted(ids)
    lost = [row for row in rows if row["error"]]
    assert {(row["role"], row["error"]) for row in lost} <= {("canary", "unanswered")}
    assert lost


def test_production_that_moves_elsewhere_ends_the_canary(
    running: ServedLine, steps: Steps, store: ObjectStore, tracking: Tracking
) -> None:
    """As by a person's word: the ledger moves to the candidate, and at once back again."""
    steps.begin(1, 1.0)
    wait_for_canary(running, ready=True)
    with Load(running, TEXTS).running(2) as load:
        put_in_production(LINE, steps.candidate, store, tracking)
        put_in_production(LINE, steps.production, store, tracking)
        running.wait_for(version=steps.production, status="ok", canary=None)
        time.sleep(0.5)
    assert load.errors == []
    assert {answer.status_code for _, answer in load.answers} == {200}
    assert load.answers[-1][1].headers["x-model-version"] == str(steps.production)


def test_a_candidate_that_is_not_what_was_proven_answers_nobody(
    running: ServedLine, steps: Steps, candidate: Any, store: ObjectStore, tracking: Tracking
) -> None:
    # The last of these tests: the ledger holds on to what it has once seen.
    rows = held_out_rows(candidate.data, candidate.scores, 24, store)
    digest = keep_answers(rows, [one.answer for one in rows], TOLERANCE, store)  # of the other one
    tracking.set_tags(LINE, steps.candidate, {ANSWERS_TAG: digest})
    try:
        steps.begin(1, 1.0)
        health = running.wait_for(status="candidate refused", version=steps.production)
        assert "otherwise than when it was staged" in health["canary"]["refused"]
        assert asked(running, TEXTS[0], "refused-1") == str(steps.production)
        assert "assayline_canary_refused 1.0" in running.client.get("/metrics").text
    finally:
        tracking.delete_tags(LINE, steps.candidate, [ANSWERS_TAG])
        steps.stop()
    running.wait_for(status="ok", canary=None)
