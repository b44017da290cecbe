"""Data sets as `datasets` streams them: local folders, and what becomes of the hub's answers."""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError, SettingsError
from tasks.records.data import SourceVersion
from tasks.sources.hub import pin_hub, read_hub
from tasks.sources.settings import HubSource
from tasks.sources.shards import Shard
from tasks.task_types.row_shapes import shape_of
from tests.http_servers import answering

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = """---
configs:
- config_name: films
  default: true
  data_files:
  - split: train
    path: films/train-*.csv
  - split: test
    path: films/test.csv
- config_name: books
  data_files: books.csv
dataset_info:
- config_name: films
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': bad
          '1': good
  - name: region
    dtype: string
---
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as on the hub: a card with two configurations, several splits and files."""
    home = tmp_path / "reviews"
    (home / "films").mkdir(parents=True)
    (home / "README.md").write_text(CARD)
    write_csv(home / "films" / "train-0.csv", [("a film", -1, "north"), ("b film", 1, "south")])
    write_csv(home / "films" / "train-1.csv", [("c film", 0, "north")])
    write_csv(home / "films" / "test.csv", [("d film", 1, "west")])
    write_csv(home / "books.csv", [("a book", 7, "west")])
    return home


def write_csv(path: Path, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label", "region"), *rows])


def source(folder: Path | str, **more: object) -> HubSource:
    return HubSource.model_validate({"format": "hub", "dataset": str(folder)} | more)


def shards(settings: HubSource, task_type: str = "classification") -> Iterator[Shard]:
    return read_hub(SourceVersion(pin_hub(settings)), settings, shape_of(task_type))


def rows(settings: HubSource, task_type: str = "classification") -> list[dict[str, object]]:
    return [row for shard in shards(settings, task_type) for row in shard.rows.to_pylist()]


def refusal(settings: HubSource) -> str:
    with pytest.raises(DataError) as caught:
        rows(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_split_of_several_files_is_read_in_order_with_labels_by_name(folder: Path) -> None:
    where = f"{folder}#default/train"
    expected = [
        {"text": "a film", "label": None, "region": "north"},
        {"text": "b film", "label": "good", "region": "south"},
        {"text": "c film", "label": "bad", "region": "north"},
    ]
    assert rows(source(folder, group_columns=("region",))) == [
        row | {"cluster": None, "file": where, "row": number}
        for number, row in enumerate(expected, start=1)
    ]


def test_split_and_configuration_are_chosen_by_name(folder: Path) -> None:
    assert [row["text"] for row in rows(source(folder, split="test"))] == ["d film"]
    (book,) = rows(source(folder, name="books", cluster_column="region"))
    assert (book["text"], book["label"], book["cluster"]) == ("a book", "7", "west")
    assert book["file"] == f"{folder}#books/train"


def test_columns_can_have_other_names(folder: Path) -> None:
    found = rows(source(folder, split="test", columns={"text": "region", "label": "text"}))
    assert [(row["text"], row["label"]) for row in found] == [("west", "d film")]


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet", "tsv"])
def test_files_of_each_format_are_read(tmp_path: Path, ending: str) -> None:
    entries = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(1200)]
    path = tmp_path / f"train.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(entries), path)
    elif ending == "jsonl":
        path.write_text("\n".join(map(json.dumps, entries)))
    elif ending == "json":
        path.write_text(json.dumps(entries))
    else:
        lines = ["text\tlabel", *(f"{one['text']}\t{one['label']}" for one in entries)]
        path.write_text("\n".join(lines))
    found = rows(source(tmp_path))
    assert [{"text": row["text"], "label": row["label"]} for row in found] == entries
    assert [row["row"] for row in found] == list(range(1, 1201))


def test_class_ids_in_lists_become_names(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    tags = Features({"tokens": List(Value("string")), "tags": List(ClassLabel(names=["O", "B-x"]))})
    entries = {"tokens": [["a", "b"], [], ["c"]], "tags": [[1, 0], [], [-1]]}
    Dataset.from_dict(entries, features=tags).to_parquet(str(tmp_path / "train.parquet"))
    found = list(shards(source(tmp_path), "tagging"))
    assert [row["tags"] for one in found for row in one.rows.to_pylist()] == [["B-x", "O"], []]
    broken = [(row.row, row.reason) for one in found for row in one.broken]
    assert broken == [(3, "wrong type")]


def test_chats_and_numbers_have_their_kinds(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    entries = [{"messages": turns, "text": "a", "target": 3}]
    pq.write_table(pa.Table.from_pylist(entries), tmp_path / "train.parquet")
    assert rows(source(tmp_path), "chat")[0]["messages"] == turns
    assert rows(source(tmp_path), "regression")[0]["target"] == 3.0


def test_large_splits_come_in_shards_of_some_megabytes(tmp_path: Path) -> None:
    texts = [f"{i} " + "x" * 3000 for i in range(9000)]
    table = pa.table({"text": texts, "label": ["a"] * len(texts)})
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=1000)
    found = list(shards(source(tmp_path)))
    assert len(found) > 2
    assert all(shard.rows.nbytes < 16 << 20 for shard in found)
    assert [text for one in found for text in one.rows["text"].to_pylist()] == texts


def test_every_file_is_pinned_but_hidden_ones(folder: Path) -> None:
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.csv").write_text("text,label\nhidden,1\n")
    before = pin_hub(source(folder))
    assert [Path(file.uri).name for file in before] == [
        "README.md", "books.csv", "test.csv", "train-0.csv", "train-1.csv",
    ]  # fmt: skip
    (folder / ".cache" / "x.csv").write_text("other")
    assert pin_hub(source(folder)) == before
    (folder / "books.csv").write_text("text,label,region\nother,1,west\n")
    assert pin_hub(source(folder)) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: write_csv(folder / "films" / "train-1.csv", [("x", 0, "y")]),
        lambda folder: write_csv(folder / "films" / "train-2.csv", [("x", 0, "y")]),
        lambda folder: (folder / "films" / "train-1.csv").unlink(),
        lambda folder: (folder / "films" / "train-1.csv").write_text('"broken'),
    ],
    ids=["changed", "added", "vanished", "broken"],
)
def test_files_that_change_after_they_were_pinned_are_refused(
    folder: Path, change: Callable[[Path], None]
) -> None:
    settings = source(folder)
    pinned = SourceVersion(pin_hub(settings))
    change(folder)
    with pytest.raises(DataError, match=r"train-\d.csv changed while the run was reading it"):
        list(read_hub(pinned, settings, shape_of("classification")))


def test_a_split_a_configuration_or_a_column_that_is_not_there_is_told(folder: Path) -> None:
    message = refusal(source(folder, split="tset"))
    assert "has no split 'tset'; it has train, test; did you mean 'test'?" in message
    message = refusal(source(folder, name="boks"))
    assert "no configuration 'boks'; it has films, books; did you mean 'books'?" in message
    message = refusal(source(folder, columns={"text": "regio"}))
    assert "has no column 'regio'; it has 'text', 'label', 'region'" in message
    assert "did you mean 'region'?" in message


def test_of_several_configurations_one_must_be_named(folder: Path) -> None:
    card = CARD.replace("  default: true\n", "").partition("dataset_info")[0]
    (folder / "README.md").write_text(f"{card}---\n")
    assert "has several configurations; it has films, books" in refusal(source(folder))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.jsonl", '{"text": "a", "label": "x"}\n{"text": ', "cannot be read"),
        ("train.parquet", "PAR1 and no more", "cannot be read"),
        ("train.csv", "text,label\na,b\nc,d,e,f\n", "cannot be read"),
        ("train.csv", b"text,label\n\xff\xfe,b\n", "cannot be read"),
        ("train.csv", "", "cannot be read"),
        ("train.csv", "text,label\n1,b\n", "column 'text' holds int64; it must be text"),
        ("train.xml", "<a><b>c</b></a>", "rows are read from csv, json, parquet, arrow, text"),
        ("notes.rst", "no data", "cannot be read"),
        ("README.md", "# only a card", "cannot be read"),
        (
            "train.csv",
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n",
            "is a pointer of Git LFS and not the data; fetch the data with `git lfs pull`",
        ),
    ],
)
def test_files_that_cannot_be_read_are_one_message(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    data = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(data)
    assert message in refusal(source(tmp_path))


def test_a_class_that_has_no_name_is_refused(folder: Path) -> None:
    write_csv(folder / "films" / "train-1.csv", [("c film", 5, "north")])
    assert "Class label 5" in refusal(source(folder))


def test_a_program_is_never_run(tmp_path: Path) -> None:
    home = tmp_path / "reviews"
    home.mkdir()
    (home / "reviews.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (home / "train.csv").write_text("text,label\na,b\n")
    assert "is a program, and no code of a data set is run" in refusal(source(home))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["/no/such/folder", "./no/such/folder", "~/no/such/folder"])
def test_a_folder_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(DataError, match="no/such/folder is no folder"):
        pin_hub(source(name))


def test_a_file_or_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no files"):
        pin_hub(source(tmp_path))
    path = tmp_path / "train.csv"
    path.write_text("text,label\n")
    with pytest.raises(DataError, match="is no folder; name the folder that it lies in"):
        pin_hub(source(path))


def test_a_data_set_of_the_hub_is_pinned_by_its_commit() -> None:
    (file,) = pin_hub(source("owner/reviews", revision=COMMIT))
    assert (file.uri, file.fingerprint) == (f"hf://datasets/owner/reviews@{COMMIT}", COMMIT)


def test_a_data_set_of_the_hub_needs_its_commit() -> None:
    with pytest.raises(
        SettingsError, match=r"source\.revision: ag_news on the hub changes; set the"
    ):
        pin_hub(source("ag_news"))


@pytest.mark.parametrize("name", ["a/b/c", "https://example.org/x", "buckets/a", "two words"])
def test_what_is_no_id_of_the_hub_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="is no id on the hub"):
        pin_hub(source(name, revision=COMMIT))


def test_a_hub_that_is_switched_off_is_told() -> None:
    message = refusal(source("ag_news", revision=COMMIT))
    assert "HF_HUB_OFFLINE is set; unset it, or name a local folder" in message


# The real client waits between its attempts; here it does not.
ASK = """
import json, time
time.sleep = lambda seconds: None
from infra.errors import AssaylineError
from tasks.sources.hub import pin_hub, read_hub
from tasks.sources.settings import HubSource
from tasks.records.data import SourceVersion
from tasks.task_types.row_shapes import shape_of
answers = []
for asked in ASKED:
    source = HubSource(format="hub", **asked)
    try:
        found = read_hub(SourceVersion(pin_hub(source)), source, shape_of("classification"))
        answers.append(f"{sum(one.rows.num_rows for one in found)} rows")
    except AssaylineError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=Path(__file__).parents[4],
        capture_output=True, text=True, check=True,
    )  # fmt: skip


def ask_hub(endpoint: str, *names: str) -> list[str]:
    """What the real client makes of a hub; it reads its address when it is imported."""
    asked = [{"dataset": name, "revision": COMMIT} for name in names]
    with tempfile.TemporaryDirectory() as home:
        done = run(ASK.replace("ASKED", repr(asked)), HF_ENDPOINT=endpoint, HOME=home)
    answers: list[str] = json.loads(done.stdout)
    return answers


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_told_and_nothing_is_left_behind(
    folder: Path, tmp_path: Path
) -> None:
    """In a process of its own, whose home and temporary folder are empty."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    temporary.mkdir()
    asked = [{"dataset": str(folder)}, {"dataset": "ag_news", "revision": COMMIT}]
    code = ASK.replace("ASKED", repr(asked))
    done = run(code, HOME=str(home), TMPDIR=str(temporary), HF_ENDPOINT="http://127.0.0.1:9")
    rows_of_folder, unreachable = json.loads(done.stdout)
    assert rows_of_folder == "3 rows"
    assert unreachable == (
        "source.dataset: the Hugging Face hub at http://127.0.0.1:9 cannot be reached for ag_news; "
        "try again, or name a local folder that holds a copy"
    )
    assert "it/s" not in done.stderr
    assert list(temporary.iterdir()) == []
    assert not home.exists()


class Refusing(BaseHTTPRequestHandler):
    """Answers as the hub does, by the name of the data set: status and X-Error-Code."""

    ANSWERS: ClassVar = {
        "unknown": (401, "RepoNotFound"),
        "gated": (403, "GatedRepo"),
        "old": (404, "RevisionNotFound"),
    }

    def do_GET(self) -> None:
        name = next(name for name in self.ANSWERS if f"/{name}/" in self.path)
        status, code = self.ANSWERS[name]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_what_the_hub_refuses_is_told() -> None:
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Refusing)) as server:
        answers = ask_hub(f"http://127.0.0.1:{server.server_port}", "o/unknown", "o/gated", "o/old")
    unknown, gated, old = answers
    assert "the hub has no data set 'o/unknown', or it is private" in unknown
    assert "o/gated is gated; accept its terms at https://huggingface.co/datasets/o/gated" in gated
    assert f"source.revision: o/old has no commit {COMMIT}" in old
