"""Files that users of other tools reported: read rightly, or refused with what would be right.

Each case names the thread that reports it. What other tools made of such a file, and what this
project made of it before, stands in docs/reported-inputs.md.
"""

import gzip
import io
import json
import math
import re
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from tests.source_files import Read, read_file

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = "<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n"
TWEET = 1542657904481796104


@dataclass(frozen=True)
class Case:
    """A file and what comes of it.

    Attributes:
        thread: that reports it, on GitHub unless it says otherwise.
        rows: of each row, the values of the task type's columns.
        broken: number, reason and a part of what is told of each broken row.
        refused: part of the message, where the whole file is refused.

    """

    thread: str
    name: str
    data: str | bytes
    task_type: str = "classification"
    settings: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    broken: list[tuple[int, str, str]] = field(default_factory=list)
    refused: str = ""


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def zipped(**files: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def squad(*questions: dict[str, Any], context: str = "he did") -> str:
    paragraph = {"context": context, "qas": list(questions)}
    return json.dumps({"data": [{"title": "T", "paragraphs": [paragraph]}]})


def turns(*said: tuple[str, str | None]) -> list[dict[str, str | None]]:
    return [{"role": role, "content": content} for role, content in said]


SAID = turns(("user", "hi"), ("assistant", "ho"))
SHAREGPT = {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]}
CALL = [
    {"role": "user", "content": "2 and 2?"},
    {"role": "assistant", "content": "I add.", "tool_calls": [{"id": "1"}]},
    {"role": "tool", "content": "4"},
    {"role": "assistant", "content": "4"},
]
TRANSLATION = {"translation": {"en": "a book", "fr": "un livre"}}
NAMED = {"columns": {"source": "translation.en", "target": "translation.fr"}}
FLAT = {"question": "who?", "context": "he did", "answers": {"text": ["he"], "answer_start": [0]}}
FLAT_COLUMNS = {"columns": {"answer": "answers.text.0", "answer_start": "answers.answer_start.0"}}
BOTH = [("a", "x"), ("b", "y")]

CASES = {
    # Lines and bytes
    "csv-carriage-returns": Case(
        "mholt/PapaParse#43", "a.csv", "text,label\ra,x\rb,y\r", rows=BOTH
    ),
    "jsonl-carriage-returns": Case(
        "WarrenWilkinson/read-csv#7", "a.jsonl",
        '{"text": "a", "label": "x"}\r{"text": "b", "label": "y"}\r', rows=BOTH,
    ),
    "conll-carriage-returns": Case(
        "MarkPflug/Sylvan#198", "a.conll", "EU B-ORG\rrejects O\r\rPeter B-PER\r", "tagging",
        rows=[(["EU", "rejects"], ["B-ORG", "O"]), (["Peter"], ["B-PER"])],
    ),
    "conll-one-carriage-return": Case(
        "huggingface/datasets#622", "a.conll", "EU B-ORG\rrejects O\n\nPeter B-PER\n",
        "tagging", rows=[(["Peter"], ["B-PER"])],
        broken=[(1, "carriage return within a line", "")],
    ),
    "bom-of-each-part": Case(
        "plaintextaccounting/hledger#2189", "a.csv",
        "\ufefftext,label\na,x\n\ufefftext,label\nb,y\n", rows=BOTH,
        broken=[(3, "header repeated", "remove it")],
    ),
    "bom-of-each-jsonl-part": Case(
        "plaintextaccounting/hledger#2189 (JSON)", "a.jsonl",
        '\ufeff{"text": "a", "label": "x"}\n\ufeff{"text": "b", "label": "y"}\n', rows=BOTH,
    ),
    "two-boms": Case(
        "mrodrig/json-2-csv#145", "a.csv", "\ufeff\ufefftext,label\na,x\n", rows=[("a", "x")]
    ),
    "header-of-each-part": Case(
        "ckan/datapusher#74", "a.csv", 'text,label\na,x\n"text","label"\nb,y\n', rows=BOTH,
        broken=[(3, "header repeated", "remove it")],
    ),
    "utf-16-without-mark": Case(
        "jsoizo/kotlin-csv#77", "a.csv", "text,label\na,x\n".encode("utf-16-be"),
        refused="starts with NUL bytes as utf-16-be does; set source.encoding to utf-16-be",
    ),
    "utf-16-jsonl-without-mark": Case(
        "genspark-ai/genoffice#438", "a.jsonl", '{"text": "a"}\n'.encode("utf-16-le"),
        refused="set source.encoding to utf-16-le",
    ),
    "lone-surrogate": Case(
        "BasedHardware/omi#13389", "a.jsonl",
        '{"text": "a\\ud83d", "label": "x"}\n{"text": "b", "label": "y"}\n', rows=[("b", "y")],
        broken=[(1, "half of a surrogate pair", "")],
    ),
    # Files that are something else
    "git-lfs-pointer-as-conll": Case(
        "benedekrozemberczki/datasets#10", "a.conll", LFS, "tagging",
        refused="is a pointer of Git LFS and not the data; fetch the data with `git lfs pull`",
    ),
    "git-lfs-pointer-as-parquet": Case(
        "InertExpert2911/Mutual_Fund_Data#1", "a.parquet", LFS, refused="git lfs pull"
    ),
    "page-as-csv": Case(
        "abichat/tidytuesday#2", "a.csv", PAGE, refused="is a web page and no csv file"
    ),
    "page-as-conll": Case(
        "IATI/ckanext-iati#370", "a.conll", PAGE, "tagging", refused="is a web page"
    ),
    "archive-as-csv": Case(
        "isaacbrodsky/duckdb-zipfs#50", "a.csv", zipped(**{"a.csv": "text,label\na,x\n"}),
        refused="is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
    ),
    # JSON
    "comma-behind-each-line": Case(
        "zai-org/GLM-4#591", "a.jsonl",
        '{"text": "a", "label": "x"},\n{"text": "b", "label": "y"}\n', rows=[("b", "y")],
        broken=[(1, "broken JSON", "extra data at character 28")],
    ),
    "two-objects-a-line": Case(
        "huggingface/datasets#4107", "a.jsonl",
        '{"text": "a", "label": "x"}{"text": "b", "label": "x"}\n{"text": "b", "label": "y"}\n',
        rows=[("b", "y")], broken=[(1, "broken JSON", "extra data")],
    ),
    "list-in-jsonl": Case(
        "huggingface/datasets#1784", "a.jsonl",
        '[\n{"text": "a", "label": "x"},\n{"text": "b", "label": "y"}\n]\n',
        refused="begins with '[' alone on its line; it should hold one object a line; if it is one "
        "list of objects, set source.format: json",
    ),
    "object-over-lines-in-jsonl": Case(
        "huggingface/datasets#8086", "a.jsonl", '{\n"text": "a",\n"label": "x"\n}\n',
        refused="begins with '{' alone on its line",
    ),
    "list-a-line": Case(
        "THUDM/LongCite#11", "a.jsonl",
        '[{"text": "a", "label": "x"}]\n{"text": "b", "label": "y"}',
        rows=[("b", "y")], broken=[(1, "no JSON object", "a list that begins with an object")],
    ),
    "python-literals": Case(
        "facebookresearch/dynabench#740", "a.jsonl",
        "{'text': 'a', 'label': 'x'}\n" + '{"text": "b", "label": "y"}\n', rows=[("b", "y")],
        broken=[(1, "broken JSON", "expecting property name enclosed in double quotes")],
    ),
    "nan-and-infinity": Case(
        "VowpalWabbit/vowpal_wabbit#3738", "a.jsonl",
        '{"text": "a", "target": NaN}\n{"text": "b", "target": -Infinity}\n', "regression",
        rows=[("a", None)], broken=[(2, "wrong type", "'target' holds a number; it must be")],
    ),
    "key-twice": Case(
        "serde-rs/json#762", "a.jsonl", '{"text": "a", "label": "x", "label": "y"}\n'
        '{"text": "b", "label": "y"}\n', rows=[("b", "y")],
        broken=[(1, "a column given twice", "'label' is there twice")],
    ),
    # CSV
    "header-name-twice": Case(
        "aden-hive/hive#2153", "a.csv", "text,label,text\na,x,b\n",
        refused="has the column 'text' 2 times; keep one",
    ),
    "separator-line": Case(
        "pandas-dev/pandas#47303", "a.csv", "sep=;\r\ntext;label\r\na;x\r\nb;y\r\n", rows=BOTH
    ),
    "separator-line-over-settings": Case(
        "mechatroner/vscode_rainbow_csv#108", "a.csv", "sep=|\ntext|label\na|x\nb|y\n",
        settings={"delimiter": "|"}, rows=BOTH,
    ),
    "semicolons": Case(
        "deepset-ai/FARM#666", "a.csv", "text;label\na;x\n",
        refused="fields are parted by ';': set source.format: csv, delimiter: ';'",
    ),
    "tabs-in-csv": Case(
        "ivonajdenkoska/tulip#5", "a.csv", "text\tlabel\na\tx\n", refused="set source.format: tsv"
    ),
    "lines-before-the-header": Case(
        "nietras/Sep#274", "a.csv", "# created 4/22/2025\n\ntext,label\na,x\n",
        refused="remove 2 line(s) before the header",
    ),
    "delimiter-behind-each-row": Case(
        "pandas-dev/pandas#14124", "a.csv", "text,label\na,x,\nb,y\n", rows=[("b", "y")],
        broken=[(2, "wrong number of fields", "3 fields, where the header has 2")],
    ),
    "decimal-commas": Case(
        "pola-rs/polars#18798", "a.csv", 'text,target\na,"265,64"\nb,"1,234.5"\nc,5 stars\nd,2.5\n',
        "regression", rows=[("d", 2.5)],
        broken=[
            (row, "wrong type", "'target' holds other text; it must be digits with a decimal point")
            for row in (2, 3, 4)
        ],
    ),
    # Labels and ids
    "lists-as-pandas-writes-them": Case(
        "ThilinaRajapakse/simpletransformers#51", "a.csv",
        "text,labels\na,\"['x', 'y']\"\nb,\"[\"\"x\"\"]\"\n", "multi_label", rows=[("b", ["x"])],
        broken=[(2, "broken JSON", 'it must be a list in JSON, such as ["a", "b"]')],
    ),
    "labels-between-line-feeds": Case(
        "deepset-ai/FARM#493", "a.jsonl", '{"text": "a", "labels": "MM\\nPR"}\n'
        '{"text": "b", "labels": ["MM", "PR"]}\n', "multi_label", rows=[("b", ["MM", "PR"])],
        broken=[(1, "wrong type", "'labels' holds text; it must be lists of text")],
    ),
    "a-column-a-label": Case(
        "Lightning-Universe/lightning-flash#728", "a.csv", "text,toxic,obscene\na,1,0\n",
        "multi_label", refused="write a row's labels as one list",
    ),
    "ids-as-doubles": Case(
        "DocNow/twarc-csv#51", "a.parquet",
        parquet(text=["a", "b", "c"], label=["x", "y", "x"], by=[float(TWEET), math.nan, 7.0]),
        settings={"cluster_column": "by"}, rows=[("b", "y"), ("c", "x")],
        broken=[(1, "inexact number", "column 'by' is a floating-point number so large")],
    ),
    "ids-as-doubles-in-json": Case(
        "JustAnotherArchivist/snscrape#533", "a.jsonl",
        '{"text": "a", "label": 1.477429e+18}\n{"text": "b", "label": 1542657904481796104}\n',
        rows=[("b", str(TWEET))], broken=[(1, "inexact number", "column 'label'")],
    ),
    # Tagging
    "document-mark-before-a-sentence": Case(
        "flairNLP/flair#2060", "a.conll",
        "-DOCSTART- -DOCSTART- O\nDat Pron O\nis V O\n\nEU N B-ORG\n",
        "tagging", rows=[(["Dat", "is"], ["O", "O"]), (["EU"], ["B-ORG"])],
    ),
    "blanks-beside-tabs": Case(
        "explosion/spaCy#4385", "a.conll", "German \t B-MISC\nNew York\tB-LOC\nsays O\n", "tagging",
        rows=[(["German", "New York", "says"], ["B-MISC", "B-LOC", "O"])],
    ),
    "spans-of-doccano": Case(
        "doccano/doccano#1291", "a.jsonl",
        '{"id": 1, "text": "EU rejects", "labels": [[0, 2, "ORG"]]}\n', "tagging",
        refused="spans of characters, as doccano, Label Studio and spaCy write them, are not read; "
        "export CoNLL",
    ),
    "export-of-label-studio": Case(
        "PaddlePaddle/PaddleNLP#2694", "a.json",
        '[{"id": 1, "data": {"text": "a"}, "annotations": []}]',
        refused="this is the full export of Label Studio; export JSON-MIN or CSV",
    ),
    # Questions
    "question-of-a-test-set": Case(
        "huggingface/transformers#3542", "a.json",
        squad({"question": "who?"}, {"question": "why?", "answers": []}), "question_answering",
        settings={"format": "squad"}, rows=[("why?", "he did", None, None)],
        broken=[(1, "wrong type", "'answers' is nothing; a SQuAD file has a list")],
    ),
    "article-in-place-of-articles": Case(
        "huggingface/transformers#4438", "a.json", '{"data": {"title": "T", "paragraphs": []}}',
        "question_answering", settings={"format": "squad"}, refused="has no list 'data'",
    ),
    "rows-in-place-of-articles": Case(
        "korquad/korquad.github.io#4", "a.json", json.dumps({"data": [FLAT]}),
        "question_answering", settings={"format": "squad"},
        broken=[(1, "wrong type", "'paragraphs' is nothing; a SQuAD file has a list")],
    ),
    "answers-of-the-hub": Case(
        "huggingface/transformers#10463", "a.jsonl", json.dumps(FLAT), "question_answering",
        refused="source.columns: {answer: answers.text.0, answer_start: answers.answer_start.0}",
    ),
    "answers-of-the-hub-named": Case(
        "huggingface/transformers#10463 (mended)", "a.jsonl",
        json.dumps(FLAT) + "\n" + json.dumps(FLAT | {"answers": {"text": [], "answer_start": []}}),
        "question_answering", settings=FLAT_COLUMNS,
        rows=[("who?", "he did", "he", 0), ("who?", "he did", None, None)],
    ),
    "answers-of-the-hub-in-parquet": Case(
        "texttron/tevatron#76", "a.parquet",
        parquet(question=["who?", "why?"], context=["he did"] * 2,
                answers=[{"text": ["he"], "answer_start": [0]}, {"text": [], "answer_start": []}]),
        "question_answering", settings=FLAT_COLUMNS,
        rows=[("who?", "he did", "he", 0), ("why?", "he did", None, None)],
    ),
    # Translation
    "object-of-languages": Case(
        "huggingface/transformers#16423", "a.jsonl", json.dumps(TRANSLATION), "translation",
        refused="source.columns: {source: translation.en, target: translation.fr}",
    ),
    "object-of-languages-named": Case(
        "huggingface/transformers#16423 (mended)", "a.jsonl", json.dumps(TRANSLATION),
        "translation", settings=NAMED, rows=[("a book", "un livre")],
    ),
    "object-of-languages-in-parquet": Case(
        "huggingface/transformers#16423 (Parquet)", "a.parquet",
        parquet(translation=[TRANSLATION["translation"], None]), "translation", settings=NAMED,
        rows=[("a book", "un livre"), (None, None)],
    ),
    # Chat
    "sharegpt": Case(
        "Tencent/AngelSlim#7", "a.jsonl", json.dumps(SHAREGPT), "chat",
        refused="if conversations holds lists of turns, set source.columns: {messages: "
        "conversations}",
    ),
    "sharegpt-named": Case(
        "hiyouga/LlamaFactory#6878", "a.jsonl", json.dumps(SHAREGPT), "chat",
        settings={"columns": {"messages": "conversations"}}, rows=[(SAID,)],
    ),
    "sharegpt-in-parquet": Case(
        "NVIDIA-NeMo/Automodel#2375", "a.parquet",
        parquet(conversations=[SHAREGPT["conversations"]]), "chat",
        settings={"columns": {"messages": "conversations"}}, rows=[(SAID,)],
    ),
    "sharegpt-with-own-roles": Case(
        "axolotl-ai-cloud/axolotl#752", "a.jsonl",
        json.dumps({"messages": [{"from": "user", "value": "hi"},
                                 {"from": "assistant", "value": "ho"}]}),
        "chat", rows=[(SAID,)],
    ),
    "alpaca": Case(
        "unslothai/unsloth#337", "a.json", '[{"instruction": "i", "input": "", "output": "o"}]',
        "chat", refused="a row of chat is a list of turns: write question and answer as messages",
    ),
    "tool-calls": Case(
        "axolotl-ai-cloud/axolotl#3824", "a.jsonl",
        json.dumps({"messages": CALL}) + "\n" + json.dumps({"messages": SAID}), "chat",
        rows=[(SAID,)], broken=[(1, "tool call in a turn", "turns that call a tool are not read")],
    ),
    "content-in-parts": Case(
        "mosaicml/llm-foundry#1787", "a.jsonl",
        json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
        "chat", broken=[(1, "wrong type", "turns with a list that begins with an object")],
    ),
}  # fmt: skip


def read(case: Case, path: Path) -> Read:
    data = case.data.encode() if isinstance(case.data, str) else case.data
    path.write_bytes(data)
    settings = {"format": path.suffix[1:]} | case.settings
    return read_file(path, case.task_type, **settings)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_reported_file(tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.name
    if case.refused:
        with pytest.raises(DataError, match=re.escape(case.refused)):
            read(case, path)
        return
    found = read(case, path)
    own = {"file", "row", "cluster"}
    values = [tuple(row[name] for name in row if name not in own) for row in found.rows]
    assert values == case.rows
    assert found.reasons() == [(row, reason) for row, reason, _ in case.broken]
    for broken, (_, _, told) in zip(found.broken, case.broken, strict=True):
        assert told in broken.told


def test_a_packed_tar_archive_is_told(tmp_path: Path) -> None:
    """A folder that was packed by tar, and named as one file."""
    path = tmp_path / "a.txt.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"text\n"))
    with pytest.raises(DataError, match="is a tar archive; unpack it to a folder"):
        read_file(path, "causal_lm", format="text_files", unit="line")


@pytest.mark.parametrize("write", [bytes, gzip.compress])
def test_a_page_may_be_a_text(tmp_path: Path, write: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes(write(PAGE.encode()))
    assert read_file(path, "causal_lm", format="text_files").column("text") == [PAGE]


def test_a_partition_is_told(tmp_path: Path) -> None:
    """A column that only the folder's name holds (pola-rs/polars#12903)."""
    path = tmp_path / "label=pos" / "part-0.parquet"
    path.parent.mkdir()
    path.write_bytes(parquet(text=["a"]))
    with pytest.raises(DataError, match="its folder holds it, as a partition; write the column"):
        read_file(path, format="parquet")


def test_a_row_of_a_file_that_only_looks_like_the_header_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,id\ntext,label,1\na,label,id\n")
    assert read_file(path, format="csv").column("text") == ["text", "a"]


def test_the_page_lists_every_case() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reported-inputs.md").read_text(encoding="utf-8")
    threads = {case.thread.partition(" ")[0] for case in CASES.values()}
    assert {thread for thread in threads if f"[{thread}]" not in page} == set()
