"""Rows on their way to a worker: formats, pieces, keys, and rows that cannot be scored."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.commands.score_command import _named
from infra.errors import DataError, ScoringError, SettingsError
from infra.settings import load_settings
from infra.store import Artifact
from infra.worker_processes import WorkerProcess, start_worker
from tasks.records.data import SourceFile
from tasks.records.registry import Production
from tasks.records.scoring import ScoredObject, ScoringRun
from tasks.reporting.scoring import scoring_markdown, scoring_sentences
from tasks.serving.production_model import ProductionModel
from tasks.serving.scoring import worker_pool
from tasks.serving.scoring.inputs import (
    InputObject,
    _format_of,
    find_inputs,
    input_shape,
    read_input,
)
from tasks.serving.scoring.kept_scores import key_of
from tasks.serving.scoring.object_scores import ScoresOfObjects
from tasks.serving.scoring.parts import read_part, write_part
from tasks.serving.scoring.pieces import MISSING, NOT_IN_PLACE, cut, rows_to_score
from tasks.serving.scoring.progress import ScoringProgress
from tasks.serving.scoring.settings import ScoringSettings
from tasks.serving.scoring.worker_messages import Job, Piece, packed
from tasks.serving.scoring.worker_pool import WorkerPool
from tasks.sources.shards import Shard
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of

PRODUCTION = Production("news", 3, "w" * 64, "m" * 64, "classification", ("a", "b"), 16, 0, 0)
OBJECT = InputObject(SourceFile("s3://in/a.csv", "etag", 100), "csv")


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.parquet", "parquet"), ("s3://b/x/y.JSONL.gz", "jsonl"), ("rows.csv.zst", "csv"),
        ("part.*.tsv", "tsv"), ("folder", None), ("a.xlsx", None), ("a.gz", None),
    ],
)  # fmt: skip
def test_the_format_is_told_by_the_ending(name: str, format_: str | None) -> None:
    assert _format_of(name) == format_


def test_the_key_is_of_what_shapes_the_predictions_and_of_nothing_else() -> None:
    key = key_of(OBJECT, PRODUCTION, ScoringSettings())
    same = (
        key_of(OBJECT, PRODUCTION, ScoringSettings(workers=7)),
        key_of(OBJECT, PRODUCTION, ScoringSettings(format="csv", follow_links=True)),
    )
    assert set(same) == {key}
    others = {
        key_of(replace(OBJECT, format="tsv"), PRODUCTION, ScoringSettings()),
        key_of(replace(OBJECT, file=SourceFile("s3://in/a.csv", "new", 100)), PRODUCTION,
               ScoringSettings()),
        key_of(replace(OBJECT, file=SourceFile("s3://in/b.csv", "etag", 100)), PRODUCTION,
               ScoringSettings()),
        key_of(OBJECT, replace(PRODUCTION, manifest_sha256="n" * 64), ScoringSettings()),
        key_of(OBJECT, PRODUCTION, ScoringSettings(columns={"text": "body"})),
        key_of(OBJECT, PRODUCTION, ScoringSettings(rows_at_once=64)),
    }  # fmt: skip
    assert len(others | {key}) == 7


@pytest.mark.parametrize("name", ROW_SHAPES.names)
def test_a_row_needs_its_inputs_and_no_target(name: str) -> None:
    shape = input_shape(shape_of(name), ScoringSettings(keep_columns={"id": "number"}))
    assert [column.name for column in shape.inputs] == [
        column.name for column in shape_of(name).inputs
    ]
    assert shape.names == (*(column.name for column in shape.inputs), "id")
    with pytest.raises(SettingsError, match=r"scoring\.keep_columns names"):
        input_shape(shape_of(name), ScoringSettings(keep_columns={shape.inputs[0].name: "x"}))


def test_rows_without_all_of_their_inputs_are_put_aside() -> None:
    turn = {"role": "user", "content": "hello"}
    chats = [[turn], None, [turn, {"role": "user", "content": None}], [turn]]
    shape = input_shape(shape_of("chat"), ScoringSettings())
    rows = pa.table({"messages": chats, "file": ["f"] * 4, "row": [1, 2, 3, 4]})
    kept, aside = rows_to_score(Shard(rows, ()), shape)
    assert kept["row"].to_pylist() == [1, 4]
    assert [(row.row, row.reason) for row in aside] == [(2, MISSING), (3, MISSING)]
    words = pa.table({"tokens": [["a"], ["a", None], []], "file": ["f"] * 3, "row": [1, 2, 3]})
    kept, _ = rows_to_score(Shard(words, ()), input_shape(shape_of("tagging"), ScoringSettings()))
    assert kept["row"].to_pylist() == [1, 3]


def test_rows_whose_entities_do_not_stand_in_their_text_are_put_aside() -> None:
    shape = input_shape(shape_of("relation_extraction"), ScoringSettings())
    names = [column.name for column in shape.inputs]
    values = [("Ada left Bonn", 0, 3, "p", 9, end, "c") for end in (13, 14, None, 12)]
    columns = dict(zip(names, map(list, zip(*values, strict=True)), strict=True))
    rows = pa.table(columns | {"file": ["f"] * 4, "row": [1, 2, 3, 4]})
    kept, aside = rows_to_score(Shard(rows, ()), shape)
    assert kept["row"].to_pylist() == [1, 4]
    assert [(one.row, one.reason) for one in aside] == [(3, MISSING), (2, NOT_IN_PLACE)]
    assert aside[1].told == "object_start is 9 and object_end 14, and the text has 13 characters"


@given(rows=st.integers(0, 500), at_most=st.integers(1, 200))
def test_pieces_are_the_rows_in_order_and_of_like_size(rows: int, at_most: int) -> None:
    sizes = [piece.num_rows for piece in cut(pa.table({"row": list(range(rows))}), at_most)]
    assert sum(sizes) == rows
    assert all(0 < size <= at_most for size in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1
    pieces = list(cut(pa.table({"row": list(range(rows))}), at_most))
    assert [value for piece in pieces for value in piece["row"].to_pylist()] == list(range(rows))
    for piece in pieces[-1:]:
        assert pa.ipc.open_stream(packed(piece)).read_all() == piece


@pytest.mark.parametrize(
    ("rows", "pieces"), [(127, 1), (128, 1), (256, 2), (2_048, 16), (4_000, 16), (40_000, 20)]
)
def test_a_small_file_is_cut_for_workers_to_share(rows: int, pieces: int) -> None:
    table = pa.table({"row": list(range(rows))})
    assert len(list(cut(table, ScoringSettings().rows_at_once))) == pieces


class MemoryStore:
    """Objects by address, since what is tried is what the bytes say and not the store."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def uri(self, *parts: str) -> str:
        return "/".join(["s3://b", *parts])

    def put_bytes(self, uri: str, data: bytes) -> Artifact:
        self.objects[uri] = data
        return Artifact(uri, hashlib.sha256(data).hexdigest(), len(data))

    def get_bytes(self, uri: str) -> bytes:
        return self.objects[uri]

    def list(self, prefix: str) -> list[str]:
        return sorted(uri for uri in self.objects if uri.startswith(prefix))


@dataclass(frozen=True)
class PickyExaminer:
    """Answers with the length of a text, and refuses those with a no in them."""

    fields: tuple[str, ...] = ("length",)
    rounding: int = 0

    def answer_columns(self, _: Path, rows: pa.Table) -> pa.Table:
        texts = rows["text"].to_pylist()
        if any("no" in text for text in texts):
            raise DataError("there is a no in it")
        return pa.table(
            {
                name: pa.array([len(text) + self.rounding for text in texts], pa.int64())
                for name in self.fields
            }
        )


def part_of(texts: list[str], store: Any, examiner: Any = PickyExaminer()) -> Any:
    model = ProductionModel(PRODUCTION, Path(), examiner)
    return write_part("part", piece_of(texts), model, store)


def piece_of(texts: list[str]) -> pa.Table:
    return pa.table({"text": texts, "file": ["f"] * len(texts), "row": list(range(len(texts)))})


def test_a_row_that_the_model_refuses_takes_no_other_with_it() -> None:
    store: Any = MemoryStore()
    texts = ["a", "no", "bbb", "cc", "no no"]
    part = part_of(texts, store)
    assert (part.rows, part.columns) == (3, ("length",))
    assert [(row.row, row.reason, row.told) for row in part.aside] == [
        (1, "refused by the model", "there is a no in it"),
        (4, "refused by the model", "there is a no in it"),
    ]
    assert read_part([part.artifact.uri], piece_of(texts), store) == part
    none = part_of(["no"], store)
    assert none.rows == 0
    assert read_part([none.artifact.uri], piece_of(["no"]), store) == none


def test_an_object_all_of_whose_rows_the_model_refuses_is_not_scored(tmp_path: Path) -> None:
    path, store = tmp_path / "a.csv", MemoryStore()
    path.write_text("text\nno\n")
    (one,) = find_inputs([str(path)], ScoringSettings(), store)  # type: ignore[arg-type]
    progress = ScoringProgress(lambda *_: None, [one])
    with ScoresOfObjects(PRODUCTION, ScoringSettings(), store, progress) as scores:  # type: ignore[arg-type]
        (piece,) = scores.pieces({"k": one})
        part = part_of(["no"], store)
        assert list(scores.complete([(piece.number, part)])) == []
        with pytest.raises(DataError, match=r"a\.csv holds no row .*, and 1 that cannot; .*a no"):
            scores.raise_refused(0)


def test_files_of_a_folder_that_cannot_be_scored_are_never_passed_over(tmp_path: Path) -> None:
    """Those of one format, when those of another can be."""
    folder, store = tmp_path / "batch", MemoryStore()
    folder.mkdir()
    pq.write_table(pa.table({"text": ["a"]}), folder / "a.parquet")
    (tmp_path / "elsewhere.csv").write_text("text\na\n")
    (folder / "b.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(DataError, match=r"input: .*b\.csv .*scoring\.follow_links"):
        find_inputs([str(folder)], ScoringSettings(), store)  # type: ignore[arg-type]


def test_files_of_a_glob_are_each_of_the_format_of_their_name(tmp_path: Path) -> None:
    for name in ("a.csv", "b.jsonl.gz", "c.parquet"):
        (tmp_path / name).write_text("text\n")
    found = find_inputs([f"{tmp_path}/*"], ScoringSettings(), MemoryStore())  # type: ignore[arg-type]
    assert [one.format for one in found] == ["csv", "jsonl", "parquet"]
    with pytest.raises(DataError, match=r"no file matches .*x\*.*end in one of \.parquet, \.jsonl"):
        find_inputs([f"{tmp_path}/x*"], ScoringSettings(), MemoryStore())  # type: ignore[arg-type]
    (tmp_path / "d.xlsx").write_text("PK")
    with pytest.raises(DataError, match=r"the format of .*d\.xlsx cannot be told by its name"):
        find_inputs([f"{tmp_path}/*"], ScoringSettings(), MemoryStore())  # type: ignore[arg-type]


def test_messages_name_the_settings_of_scoring_and_leave_names_of_files(tmp_path: Path) -> None:
    path = tmp_path / "source.csv"
    path.write_bytes(b"body\na\n")
    settings, store = ScoringSettings(columns={"txt": "body"}), MemoryStore()
    (one,) = find_inputs([str(path)], settings, store)  # type: ignore[arg-type]
    shape = input_shape(shape_of("classification"), settings)
    with pytest.raises(SettingsError, match=r"scoring\.columns: .* no column 'txt'"):
        list(read_input(one, settings, shape, store))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"/source\.csv has no column 'text'"):
        list(read_input(one, ScoringSettings(), shape, store))  # type: ignore[arg-type]


def test_a_worker_that_is_gone_before_it_is_told_anything_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start_and_wait(module: str, threads: int) -> WorkerProcess:
        worker = start_worker(module, threads)
        worker.process.wait()
        return worker

    monkeypatch.setattr(worker_pool, "start_worker", start_and_wait)
    monkeypatch.setattr(worker_pool, "_MODULE", "tests.no_such_module")
    piece = Piece(0, "part", 1, packed(piece_of(["a"])))
    with (
        WorkerPool(Job(PRODUCTION, Path(), load_settings()), 1) as pool,
        pytest.raises(ScoringError, match="lost again and again, with exit code 1"),
    ):
        list(pool.score([piece]))


def test_a_worker_is_told_no_secret_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASSAYLINE_STORE_SECRET_ACCESS_KEY", "PREFECT_API_AUTH_STRING", "PGPASSWORD"):
        monkeypatch.setenv(name, "planted")
    worker = start_worker("tasks.serving.scoring.worker_process", threads=3)
    try:
        process = psutil.Process(worker.process.pid)
        told = process.environ()
        assert "-P" in process.cmdline()  # or a file in the working directory could stand in
    finally:
        worker.process.kill()
        worker.end()
    assert "planted" not in told.values()
    assert told["OMP_NUM_THREADS"] == "3"


def test_a_part_of_other_rows_or_other_bytes_is_none() -> None:
    store: Any = MemoryStore()
    part = part_of(["a", "bb"], store)
    uri = part.artifact.uri
    assert read_part([uri], piece_of(["a", "bb"]), store) == part
    for other in (["a", "bb", "c"], ["a", "cc"]):  # the latter of a file that changed meanwhile
        assert read_part([uri], piece_of(other), store) is None
    whole = store.objects[uri]
    for wrong in (whole[:-20], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
        store.objects[uri] = wrong
        assert read_part([uri], piece_of(["a", "bb"]), store) is None


def test_two_runs_at_once_overwrite_nothing_of_each_other() -> None:
    """Processes of other threads, or another machine, round in another way."""
    store: Any = MemoryStore()
    first = part_of(["a", "bb"], store)
    second = part_of(["a", "bb"], store, PickyExaminer(rounding=1))
    for part in (first, second):
        written = store.get_bytes(part.artifact.uri)
        assert hashlib.sha256(written).hexdigest() == part.artifact.sha256
    uris = sorted(store.objects)
    assert len(uris) == 2
    assert read_part(uris, piece_of(["a", "bb"]), store) in {first, second}


def test_a_kept_column_is_not_called_as_a_field_of_the_answer() -> None:
    examiner = PickyExaminer(("text",))
    with pytest.raises(SettingsError, match=r"names \['text'\], which are fields of the answer"):
        part_of(["a"], MemoryStore(), examiner)


def test_what_is_left_is_estimated_from_what_was_read() -> None:
    objects = [
        InputObject(SourceFile(f"s3://in/{name}", "e", size), "csv")
        for name, size in (("a", 1_000), ("b", 3_000))
    ]
    told: list[tuple[float, str]] = []
    progress = ScoringProgress(lambda percent, words: told.append((percent, words)), objects)
    rows = pa.table({"text": pa.array(["x" * 96] * 10)})  # 100 bytes a row, with its offset
    progress.read_some(objects[0], rows)
    progress.read_all(objects[0], 10)
    progress.rows = 10
    percent, words = progress.words(5.0)
    assert percent == pytest.approx(25, abs=1)
    assert words.startswith("10 of about 40 rows, 2 rows a second, 15 s left")
    progress.read_all(objects[1], 30)
    progress.rows = 40
    assert progress.words(20.0) == (100.0, "40 of 40 rows, 2 rows a second, 0 s left")


def test_what_a_run_came_to_says_that_production_moved() -> None:
    scored = ScoredObject(
        "k" * 64, "news", 3, "w", "m", "classification", "s3://in/a.csv", "e", 1, ("text",), (),
        ("label",), (), 1_200, 3, {"broken CSV": 3}, None, "2026-11-28T05:00:00+00:00",
    )  # fmt: skip
    run = ScoringRun("news", 3, "w", "m", (scored,), 1_200, 3, 1, in_production=4)
    said = scoring_sentences(run)
    assert said[0] == (
        "version 3 of news has scored 1,200 rows of 1 object(s), and 3 were put aside"
    )
    assert "1 object(s) had been scored by it before" in said[1]
    assert "production moved while this run went on" in said[2]
    assert "version 4 is there now" in said[2]
    assert len(scoring_sentences(replace(run, in_production=3, found=0))) == 1
    assert "broken CSV: 3" in scoring_markdown(run)


def test_settings_of_a_run_stand_in_place_of_the_lines() -> None:
    line = ScoringSettings(columns={"text": "body"}, workers=4)
    assert line.changed_by(None) == line
    changed = line.changed_by(ScoringSettings(workers=1))
    assert (changed.columns, changed.workers) == ({"text": "body"}, 1)
    with pytest.raises(ValidationError, match=r"keep_columns names \['row'\]"):
        ScoringSettings(keep_columns={"row": "n"})


def test_options_name_columns() -> None:
    assert _named(("id", "truth=label"), "--keep") == {"id": "id", "truth": "label"}
    for wrong in ("=label", "truth="):
        with pytest.raises(SettingsError, match=f"--keep '{wrong}' names no column"):
            _named((wrong,), "--keep")
