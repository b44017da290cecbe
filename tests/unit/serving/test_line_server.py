"""What a served line does where the next version in production cannot be served."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from infra.errors import TrackingError
from tasks.records.registry import Production
from tasks.serving.asking import Asked, ServedRequest
from tasks.serving.line_server import LineServer
from tasks.serving.loading import VersionSource
from tasks.serving.metrics import ServingMetrics
from tasks.serving.served_version import Trial
from tasks.serving.settings import ServingSettings

PRODUCTION = Production("films", 3, "w", "m", "classification", ("bad", "good"), 16, 0, 0)


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("served") / "model"
    AutoModelForSequenceClassification.from_pretrained(
        tiny_model, num_labels=2, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1}
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


def source_of(
    model: Path, now: list[Production | Exception], wrong: Mapping[int, Exception],
    fetched: list[int],
) -> VersionSource:  # fmt: skip
    """In production is what stands in `now`; versions that are `wrong` cannot be fetched."""

    def find() -> Production:
        if isinstance(now[0], Exception):
            raise now[0]
        return now[0]

    def fetch(production: Production, folder: Path) -> Path:
        fetched.append(production.version)
        if production.version in wrong:
            raise wrong[production.version]
        return Path(shutil.copytree(model, folder))

    trial = Trial(({"text": "a film"},), lambda _answers: None)
    return VersionSource(find, lambda: None, lambda _: PRODUCTION, fetch, lambda _: trial)


def test_whatever_is_wrong_with_the_next_version_is_said_and_the_one_that_serves_stays(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk, a server that is away, and defects; one process serves through all of them."""
    now: list[Production | Exception] = [PRODUCTION]
    wrong = {4: OSError(28, "No space left on device"), 5: ValueError("cannot be unpacked")}
    fetched: list[int] = []
    source = source_of(model, now, wrong, fetched)
    told: list[Asked] = []

    async def work() -> None:
        line = LineServer("films", source, ServingSettings(), ServingMetrics())
        await line.start()
        for version, error in wrong.items():
            now[0] = replace(PRODUCTION, version=version)
            for _ in range(3):
                await line.look()
            assert (line.health.status, line.health.version) == ("new version refused", 3)
            assert str(error) in line.health.refused
        assert fetched == [3, 4, 5]  # none is downloaded anew at every look
        for error in (TrackingError("MLflow is away"), ValueError("an answer of no known form")):
            now[0] = error
            await line.look()
            assert line.health.status == "production in doubt"
            assert str(error) in line.health.in_doubt
        now[0] = PRODUCTION
        await line.look()
        assert line.health.status == "ok"
        request = ServedRequest("r-1", [{"text": "a film"}])
        assert len(await line.answer(request, told.append)) == 1
        assert [(one.role, one.error) for one in told] == [("production", "")]
        await line.close()

    asyncio.run(work())
    logged = {record.getMessage(): record.exc_info for record in caplog.records}
    assert len(logged) == 4
    defects = [message for message, has_traceback in logged.items() if has_traceback]
    assert all("ValueError" in message for message in defects)
    assert len(defects) == 2
