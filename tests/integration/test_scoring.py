"""Batches scored by the version in production: whole, once, and as the model answers them."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError, SettingsError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Production
from tasks.records.scoring import ScoredObject, ScoringRun
from tasks.registry.manual_promotion import override_promotion_of
from tasks.registry.production import production_of
from tasks.registry.registration import register_version
from tasks.reporting.scoring import scoring_sentences
from tasks.serving.production_model import download_model, model_of_folder
from tasks.serving.scoring.batches import score_objects
from tasks.serving.scoring.fetching import fetch_predictions
from tasks.serving.scoring.inputs import find_inputs
from tasks.serving.scoring.kept_scores import index_uri
from tasks.serving.scoring.settings import ScoringSettings
from tasks.stages import scoring as stages
from tests.faults.little_room import without_room

LINE = "scored-in-batches"
WORDS = ("shares", "fell", "goal", "won", "bank", "rates", "film")
ROWS = 300


@pytest.fixture(scope="module")
def production(candidate: Any, store: ObjectStore, tracking: Tracking) -> Production:
    version = register_version(
        LINE, candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
        candidate.weights, candidate.scores, candidate.fairness, "classification",
        store=store, tracking=tracking,
    )  # fmt: skip
    override_promotion_of(LINE, version.version, "Ada", "to score", store=store, tracking=tracking)
    return production_of(LINE, store=store, tracking=tracking)


def text(row: int) -> str:
    return f"The {WORDS[row % 7]} {WORDS[row // 7 % 7]} {row}" + " and so on" * (row % 5)


def scored(
    production: Production,
    names: list[str],
    store: ObjectStore,
    tracking: Tracking,
    **settings: Any,
) -> ScoringRun:
    chosen = ScoringSettings(**{"rows_at_once": 64, "workers": 2, **settings})
    objects = find_inputs(names, chosen, store)
    told: list[str] = []
    return score_objects(
        production, objects, chosen, lambda _, words: told.append(words),
        store=store, tracking=tracking,
    )  # fmt: skip


def predictions(one: ScoredObject, store: ObjectStore) -> list[dict[str, Any]]:
    parts = [pq.read_table(io.BytesIO(store.get_bytes(part.uri))) for part in one.predictions]
    return [row for part in parts for row in part.to_pylist()]


@pytest.mark.slow
def test_files_of_three_formats_are_scored_as_the_model_answers(
    production: Production, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    folder = tmp_path / "batch"
    folder.mkdir()
    rows = [{"text": text(row), "id": f"r{row}"} for row in range(ROWS)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    lines = [json.dumps(row) for row in rows[:70]]
    lines[3:3] = ["{no json", json.dumps({"id": "without"})]
    (folder / "b.jsonl").write_text("\n".join(lines) + "\n")
    with (folder / "c.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text"])
        writer.writeheader()
        writer.writerows(rows[100:130])
    run = scored(production, [str(folder)], store, tracking, keep_columns={"review": "id"})
    assert [Path(one.input_uri).name for one in run.objects] == ["a.parquet", "b.jsonl", "c.csv"]
    assert [one.rows for one in run.objects] == [ROWS, 70, 30]
    assert (run.rows, run.rows_put_aside, run.found) == (ROWS + 100, 2, 0)
    folder = download_model(production, tmp_path / "model", store=store, tracking=tracking)
    with model_of_folder(production, folder) as model:
        answers = model.answer(pa.table({"text": [text(row) for row in range(ROWS)]})).to_pylist()
    for one, first in zip(run.objects, (0, 0, 100), strict=True):
        found = predictions(one, store)
        for place, row in enumerate(found):
            answer = json.loads(answers[first + place])
            assert row["text"] == text(first + place)
            assert row["review"] == f"r{first + place}"
            assert row["label"] == answer["label"]
            assert row["score"] == pytest.approx(answer["score"], abs=1e-5)
            assert dict(row["probabilities"])[row["label"]] == pytest.approx(row["score"], abs=1e-6)
            assert sum(dict(row["probabilities"]).values()) == pytest.approx(1, abs=1e-5)
            assert row["version"] == production.version
            assert row["weights_sha256"] == production.weights_sha256
            assert row["file"] == one.input_uri
    assert [row["row"] for row in predictions(run.objects[1], store)][2:5] == [3, 6, 7]
    aside = run.objects[1]
    assert aside.put_aside_by_reason == {"broken JSON": 1, "missing input": 1}
    assert aside.put_aside is not None
    told = pq.read_table(io.BytesIO(store.get_bytes(aside.put_aside.uri))).to_pylist()
    assert [(row["file"], row["row"], row["reason"]) for row in told] == [
        (aside.input_uri, 4, "broken JSON"), (aside.input_uri, 5, "missing input"),
    ]  # fmt: skip
    # The index, for who reads it by the hour.
    first_one = run.objects[0]
    entry = json.loads(store.get_bytes(index_uri(first_one, store)))
    assert entry["answer_columns"] == ["label", "score", "probabilities"]
    assert entry["input_columns"] == ["text"]
    assert [part["uri"] for part in entry["predictions"]] == [p.uri for p in first_one.predictions]
    assert len(first_one.predictions) == 5
    copy = fetch_predictions(first_one, tmp_path / "copies", store)
    assert copy is not None
    assert pq.read_table(copy)["text"].to_pylist() == [text(row) for row in range(ROWS)]
    assert [path.name for path in (tmp_path / "copies").iterdir()] == [copy.name]


@pytest.mark.slow
def test_what_is_scored_is_found_and_left_as_it_is(
    production: Production, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    uri = store.uri("incoming", "batch.jsonl")
    store.put_bytes(uri, "\n".join(json.dumps({"text": text(row)}) for row in range(90)).encode())
    first = scored(production, [uri], store, tracking)
    before = store.list(store.uri("predictions", LINE)) + store.list(store.uri("scored", LINE))
    stamps = [store.fingerprint(one) for one in before]
    again = scored(production, [uri, uri], store, tracking, workers=1)
    assert (again.found, again.objects) == (1, first.objects)
    after = store.list(store.uri("predictions", LINE)) + store.list(store.uri("scored", LINE))
    assert (after, [store.fingerprint(one) for one in after]) == (before, stamps)
    # A run that was killed between manifest and index: the next one enters it.
    store.delete(index_uri(first.objects[0], store))
    assert scored(production, [uri], store, tracking).objects == first.objects
    assert store.exists(index_uri(first.objects[0], store))
    # Other content under the name, other settings, or another version: scored anew.
    store.put_bytes(uri, json.dumps({"text": "other", "id": 7}).encode())
    other = scored(production, [uri], store, tracking)
    assert (other.found, other.rows) == (0, 1)
    kept = scored(production, [uri], store, tracking, keep_columns={"id": "id"})
    assert kept.found == 0
    assert predictions(kept.objects[0], store)[0]["id"] == "7"


@pytest.mark.slow
def test_wrong_inputs_are_one_message_and_leave_the_others_scored(
    production: Production, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"no file matches .*empty.*\.parquet, \.jsonl, \.csv"):
        scored(production, [str(empty)], store, tracking)
    with pytest.raises(DataError, match=r"input: .*/nowhere.csv does not exist"):
        scored(production, [str(tmp_path / "nowhere.csv")], store, tracking)
    (tmp_path / "rows.xlsx").write_text("PK")
    with pytest.raises(DataError, match=r"the format of .*rows\.xlsx cannot be told by its name"):
        scored(production, [str(tmp_path / "rows.xlsx")], store, tracking)
    good = tmp_path / "good.csv"
    good.write_text("text\na goal\n")
    lacking = tmp_path / "lacking.csv"
    lacking.write_text("body,id\na goal,1\n")
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{no\n{json\n")
    with pytest.raises(DataError) as refused:
        scored(production, list(map(str, (lacking, broken, good))), store, tracking)
    assert "lacking.csv has no column 'text'; it has 'body', 'id'" in str(refused.value)
    assert "broken.jsonl holds no row that can be scored, and 2 that cannot" in str(refused.value)
    assert "1 other object(s) are scored" in str(refused.value)
    assert scored(production, [str(good)], store, tracking).found == 1
    taken = {"label": "id"}
    with pytest.raises(SettingsError, match=r"keep_columns names \['label'\], which are fields"):
        scored(
            production,
            [str(lacking)],
            store,
            tracking,
            columns={"text": "body"},
            keep_columns=taken,
        )


def test_two_runs_at_once_leave_one_manifest_and_one_entry(
    production: Production, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    from tasks.serving.scoring.kept_scores import KeptScores

    path = tmp_path / "raced.csv"
    path.write_text("text\na late goal\n")
    racing = KeptScores(production, store, tracking)  # begun before the other one ended
    (first,) = scored(production, [str(path)], store, tracking).objects
    stands = racing.keep(replace(first, scored_at="2001-01-01T00:00:00+00:00"))
    assert stands == first
    assert not store.list(store.uri("scored", LINE, "2001"))


def test_a_full_local_disk_is_one_message(
    production: Production, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    """The model is downloaded first, and finds no room."""
    path = tmp_path / "no-room.csv"
    path.write_text("text\na late goal\n")
    settings = store.settings.model_copy(update={"mlflow_url": tracking.url})

    def score() -> ScoringRun:
        return scored(production, [str(path)], ObjectStore(settings), Tracking(settings))

    said = without_room(score, most_bytes=20_000)
    assert "File too large" in said
    assert said.startswith(("StoreError: ", "TrackingError: ")), said


@pytest.mark.slow
def test_production_that_moves_during_a_run_is_told(
    production: Production, store: ObjectStore, tracking: Tracking, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    client, version = tracking._client, str(production.version)

    @contextmanager
    def move_meanwhile() -> Iterator[None]:
        yield
        source = client.get_model_version(LINE, version).source
        model_id = source.removeprefix("models:/")
        made = client.create_model_version(LINE, source, model_id=model_id)
        client.set_registered_model_alias(LINE, "production", made.version)

    path = tmp_path / "moved.csv"
    path.write_text("text\na late goal\n")
    for name, found in (
        ("open_store", lambda: store), ("open_tracking", lambda: tracking),
        ("gpu_slot", move_meanwhile),
        ("show_progress", lambda *_: lambda *_: None),  # the page of a run, of which there is none
    ):  # fmt: skip
        monkeypatch.setattr(stages, name, found)
    objects = find_inputs([str(path)], ScoringSettings(), store)
    try:
        run = stages.score_inputs.fn(production, objects, ScoringSettings(workers=1))
        now = tracking.aliases(LINE)["production"]
    finally:
        client.set_registered_model_alias(LINE, "production", version)
    assert now != production.version
    assert (run.version, run.in_production) == (production.version, now)
    assert predictions(run.objects[0], store)[0]["version"] == production.version
    assert f"version {now} is there now" in scoring_sentences(run)[-1]
