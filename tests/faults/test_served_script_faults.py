"""Registered versions whose script fails in every way that a script can."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from infra.errors import PromotionError
from infra.registered_artifacts import keep_manifest
from infra.script_format import write_script_model
from infra.serving import ServedModel, served
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.answers import Expected
from tasks.registry.ledger import read_ledger
from tasks.registry.manual_promotion import override_promotion_of
from tasks.registry.staging import (
    check_answers,
    load_test,
    same_predictions,
    served_answers,
)
from tests.registered import manifest_of, proof_by_tags

LIMITS = {"start_timeout_s": 180.0, "request_timeout_s": 60.0}
SCRIPT = """
import time
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from transformers import AutoTokenizer

class Moody(PythonModel):
    def load_context(self, context):
        self.tokenizer = AutoTokenizer.from_pretrained(context.artifacts["model"])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        answers = [self.answer(text) for text in model_input["text"]]
        return [answer for answer in answers if answer is not None]

    def answer(self, text):
        if text == "2024":
            raise ValueError("no numbers, please")
        if text == "slow":
            time.sleep(5)
        odd = {"fewer": None, "bare": "good", "nan": {"label": "good", "score": float("nan")},
               "endless": {"label": "good", "score": -float("inf")}, "other": {"verdict": "good"}}
        return odd.get(text, {"label": "good", "score": 0.5})

set_model(Moody())
"""


def register(
    checkpoint: Path, folder: Path, script: str, store: ObjectStore, tracking: Tracking
) -> str:
    """A line of one version with this script; its name."""
    line = f"moody-{hashlib.sha256(script.encode()).hexdigest()[:8]}"
    folder.mkdir(exist_ok=True)
    (folder / "moody.py").write_text(script, encoding="utf-8")
    write_script_model(
        checkpoint, folder / line, script=folder / "moody.py", settings={"max_length": 16},
        inputs={"text": "text"}, examples=[{"text": "a"}],
        answers=[{"label": "good", "score": 0.5}],
    )  # fmt: skip
    run = tracking.open_run(line, "key", {})
    keep = partial(keep_manifest, store=store)
    assert tracking.register_model(line, "key", run, folder / line, {}, keep) == 1
    return line


@pytest.fixture(scope="module")
def line(
    store: ObjectStore,
    tracking: Tracking,
    tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Its version has no tag but that of its files, as if it were older than the others are."""
    return register(tiny_model, tmp_path_factory.mktemp("moody"), SCRIPT, store, tracking)


@pytest.fixture(scope="module")
def model(line: str, store: ObjectStore, tracking: Tracking) -> Iterator[ServedModel]:
    manifest = manifest_of(line, 1, store, tracking)
    with served(tracking.url, f"models:/{line}/1", manifest, **LIMITS) as running:
        yield running


@pytest.mark.parametrize("text", ["2024", "fewer", "bare", "nan", "endless"])
def test_what_is_no_proper_answer_is_never_the_same(model: ServedModel, text: str) -> None:
    good = Expected({"text": "anything"}, {"label": "good", "score": 0.5})
    bad = replace(good, request={"text": text})
    assert model.predict([bad.request]) is None
    answers = served_answers(model, [good, bad])
    assert same_predictions(answers, [good, bad], 1e-4).value == 0.5
    with pytest.raises(
        PromotionError, match=rf"answers None to the request \{{'text': '{text}'\}}"
    ):
        check_answers(model, [good.request, bad.request])


def test_fewer_answers_than_rows_are_none(model: ServedModel) -> None:
    assert model.predict([{"text": "a"}, {"text": "b"}]) == [{"label": "good", "score": 0.5}] * 2
    assert model.predict([{"text": "a"}, {"text": "fewer"}]) is None


def test_an_answer_with_other_keys_is_not_the_one_of_the_signature(model: ServedModel) -> None:
    with pytest.raises(PromotionError, match=r"\{'verdict': 'good'\}.*\['label', 'score'\]"):
        check_answers(model, [{"text": "other"}])


def test_a_request_with_other_columns_is_refused_and_the_reason_is_logged(
    model: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert model.predict([{"question": "a"}]) is None
        assert model.predict([{"text": "2024"}]) is None
    assert "Model is missing inputs ['text']" in caplog.text
    assert "ValueError: no numbers, please" in caplog.text


def test_a_slow_answer_is_an_error_and_not_a_wrong_one(model: ServedModel) -> None:
    with (
        httpx.Client(base_url=model.client.base_url, timeout=0.5, trust_env=False) as hasty,
        pytest.raises(PromotionError, match=r"gave no answer .*ReadTimeout"),
    ):
        replace(model, client=hasty).predict([{"text": "slow"}])


@pytest.mark.slow
def test_a_version_of_no_task_type_is_asked_as_a_classifier_and_stays_out_of_production(
    line: str, store: ObjectStore, tracking: Tracking
) -> None:
    with pytest.raises(PromotionError, match=r"answers None to the request \{'text': '2024'\}"):
        override_promotion_of(line, 1, "Ada", "try it", store=store, tracking=tracking)
    assert tracking.aliases(line) == {}
    assert read_ledger(store, line) == ()


def test_a_task_type_that_nobody_knows_is_not_served_at_all(
    line: str, store: ObjectStore, tracking: Tracking
) -> None:
    tracking.set_tags(line, 1, {"assayline.task_type": "divination"})
    try:
        said = r"task_type 'divination' is unknown; known: causal_lm, .*nothing was moved"
        with pytest.raises(PromotionError, match=said):
            load_test(line, 1, proof_by_tags(line, 1, tracking), store=store, tracking=tracking)
    finally:
        tracking._client.delete_model_version_tag(line, "1", "assayline.task_type")


def test_a_script_that_needs_this_project_is_not_served(
    store: ObjectStore, tracking: Tracking, tiny_model: Path, tmp_path: Path
) -> None:
    script = "import tasks.records\n" + SCRIPT
    line = register(tiny_model, tmp_path, script, store, tracking)
    manifest = manifest_of(line, 1, store, tracking)
    with (
        pytest.raises(PromotionError, match="tasks is not for a served model"),
        served(tracking.url, f"models:/{line}/1", manifest, **LIMITS),
    ):
        pass
