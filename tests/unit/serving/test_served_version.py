"""A version's own process, really started and really killed."""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.errors import PromotionError
from tasks.records.registry import Production
from tasks.serving import model_process, model_worker
from tasks.serving.messages import LENGTH, ModelSpec, packed
from tasks.serving.metrics import ServingMetrics
from tasks.serving.served_version import ServedVersion, Trial
from tasks.serving.settings import BatchSettings, ServingSettings
from tasks.serving.token_counts import TokenCounter
from tasks.serving.waiting_rows import WaitingRow, WaitingRows
from tasks.task_types.examiner import examiner_of
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.limits import TokenLimits

LABELS = ("bad", "good")
ROWS: list[dict[str, Any]] = [{"text": text} for text in ("a good film", "a bad film", "")]
PRODUCTION = Production("films", 3, "w", "m", "classification", LABELS, 16, 0, 0)


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("served") / "model"
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {"bad": 0, "good": 1}}
    AutoModelForSequenceClassification.from_pretrained(
        tiny_model, num_labels=2, **labels
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


def version(model: Path, work: Path, check: Any) -> ServedVersion:
    settings = ServingSettings(request_timeout_s=60)
    trial = Trial(tuple(ROWS), check)
    return ServedVersion(PRODUCTION, work, model, trial, settings, ServingMetrics())


def test_it_answers_as_evaluated_also_after_its_process_was_killed_with_rows_in_it(
    model: Path, tmp_path: Path
) -> None:
    examiner = examiner_of("classification", LABELS, TokenLimits(16))
    right = [json.loads(one) for one in
             examiner.answer(model, pa.Table.from_pylist(ROWS)).to_pylist()]  # fmt: skip
    tried: list[Sequence[Any]] = []

    async def work() -> None:
        rows = WaitingRows(BatchSettings(), 100)
        served = version(model, tmp_path / "work", tried.append)
        (tmp_path / "work").mkdir()
        await served.start()
        served.serve(rows)
        await asked(rows)
        (pid,) = served.pids
        os.kill(pid, signal.SIGSTOP)  # so that it has taken the rows when it is killed
        waiting = rows.put([(row, 3) for row in ROWS])
        await asyncio.sleep(0.3)
        assert len(rows) == 0
        os.kill(pid, signal.SIGKILL)
        await answered(waiting)
        assert served.pids != [pid]
        await served.retire()
        assert not served.is_ready

    async def asked(rows: WaitingRows) -> None:
        await answered(rows.put([(row, 3) for row in ROWS]))

    async def answered(waiting: list[WaitingRow]) -> None:
        found = await asyncio.wait_for(asyncio.gather(*(row.answer for row in waiting)), 120)
        for one, expected in zip(found, right, strict=True):
            assert one.answer["label"] == expected["label"]
            assert one.answer["score"] == pytest.approx(expected["score"], abs=1e-5)
            assert one.production == PRODUCTION

    asyncio.run(work())
    assert len(tried) == 2  # each process is tried before it serves
    assert not (tmp_path / "work").exists()


def test_answers_that_were_not_proven_serve_nothing(model: Path, tmp_path: Path) -> None:
    def refuse(_answers: Sequence[Any]) -> None:
        raise PromotionError("answers otherwise")

    async def work() -> None:
        served = version(model, tmp_path, refuse)
        with pytest.raises(PromotionError, match="answers otherwise"):
            await served.start()
        assert not served.is_ready

    asyncio.run(work())


def test_one_that_retires_leaves_to_the_next_what_it_has_not_taken(
    model: Path, tmp_path: Path
) -> None:
    async def work() -> None:
        rows = WaitingRows(BatchSettings(max_tokens=1), 300)
        served = version(model, tmp_path / "work", lambda _answers: None)
        (tmp_path / "work").mkdir()
        await served.start()
        put = rows.put([(ROWS[0], 1)] * 300)  # so that there always is a next batch
        served.serve(rows)
        await put[0].answer
        await served.retire()
        answered = [row for row in put if row.answer.done()]
        assert 1 <= len(answered) < 100
        assert len(answered) + len(rows) == 300

    asyncio.run(work())


def said_by(process: Any, *messages: Any) -> list[Any]:
    """What the process of a model says to these messages, read from its stream."""
    answers = io.BytesIO()
    process(io.BytesIO(b"".join(map(packed, messages))), answers)
    content, said = answers.getvalue(), []
    while content:
        (length,) = LENGTH.unpack(content[: LENGTH.size])
        said.append(json.loads(content[LENGTH.size : LENGTH.size + length]))
        content = content[LENGTH.size + length :]
    return said


def test_a_task_type_that_does_not_say_how_it_answers_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = TokenLimits(16)
    silent = ExaminerBase(name="sorting", labels=LABELS, limits=limits)
    monkeypatch.setattr(model_process, "examiner_of", lambda *_: silent)
    spec = asdict(ModelSpec(str(model), "classification", LABELS, limits))
    ready, refused = said_by(model_process.serve, spec, ROWS)
    assert ready == {}
    assert "task type sorting has no method `answer`" in refused["error"]


def test_a_model_that_gives_not_one_answer_each_is_refused_and_serves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a task type of somebody's own may do: a process that says so to whatever it is asked."""
    script = (
        "import sys, tasks.serving.messages as m\n"
        "for said in ({}, {'answers': [{'label': 'good'}]}):\n"
        "    size, = m.LENGTH.unpack(sys.stdin.buffer.read(m.LENGTH.size))\n"
        "    sys.stdin.buffer.read(size)\n"
        "    sys.stdout.buffer.write(m.packed(said))\n"
        "    sys.stdout.buffer.flush()\n"
    )
    monkeypatch.setattr(model_worker, "COMMAND", (sys.executable, "-c", script))
    spec = ModelSpec("nowhere", "classification", LABELS, TokenLimits(16))

    async def work() -> None:
        process = await model_worker.ModelProcess.start(spec, tmp_path, 60)
        with pytest.raises(model_worker.RowsRefusedError, match="1 answers to 3 rows"):
            await process.answer(ROWS, 60)
        await process.stop()

    asyncio.run(work())


def test_tokens_are_counted_as_the_model_reads_them(model: Path) -> None:
    counter = TokenCounter(model, 16)
    assert counter.count({"text": "a good film"}) == 5  # with [CLS] and [SEP]
    assert counter.count({"text": "a good film " * 10_000}) == 16
    assert counter.count({"text": ""}) == 1
    assert counter.count({"tokens": ["a", "good"], "more": [{"content": "film"}]}) == 4 + 3
