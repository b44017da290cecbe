import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.task_types.row_shapes import shape_of
from tasks.validation.leakage.benchmarks import pin_benchmarks
from tasks.validation.leakage.finding import find_leaks
from tasks.validation.leakage.settings import BenchmarkSettings, LeakageSettings
from tests.unit.validation.leakage.conftest import Write

PASSAGE = "a man walked into the bar and asked for three pints of milk at once"
ZH_PASSAGE = "这件商品的质量非常好我很满意下次还会再来"
TEXTS = [
    f"Question: {PASSAGE}?",
    "Yes.",
    f"问题 {ZH_PASSAGE} 吗",
    "Nothing of the kind is asked here.",
]


def write_txt(path: Path, texts: list[str]) -> None:
    path.write_text("\ufeff" + "\n".join(texts), encoding="utf-8")


def write_csv(path: Path, texts: list[str]) -> None:
    rows = [f'{number},"{text}"' for number, text in enumerate(texts)]
    path.write_text("\n".join(["id,text", *rows]), encoding="utf-8")


def write_tsv(path: Path, texts: list[str]) -> None:
    path.write_text("\n".join(["text\tid", *(f"{text}\t1" for text in texts)]), encoding="utf-8")


def write_jsonl(path: Path, texts: list[str]) -> None:
    lines = [json.dumps({"id": 1, "text": text}) for text in texts]
    path.write_text("\n".join([*lines, "", '{"id": 2}', '{"text": null}']), encoding="utf-8")


def write_parquet(path: Path, texts: list[str]) -> None:
    pq.write_table(pa.table({"text": [*texts, None]}), path)


WRITERS: dict[str, Callable[[Path, list[str]], None]] = {
    "txt": write_txt, "csv": write_csv, "tsv": write_tsv, "jsonl": write_jsonl,
    "parquet": write_parquet,
}  # fmt: skip


def overlaps(
    rows: Path, path: Path | str, store: ObjectStore | None = None, **changes: object
) -> tuple[dict[str, int], dict[str, str]]:
    """Counts by benchmark, and the sentence of each row that has one, by row_id."""
    settings = LeakageSettings.model_validate(
        {"benchmarks": [{"name": "quiz", "path": str(path)}], "near_duplicates": False, **changes}
    )
    leaks = find_leaks(rows, shape_of("causal_lm"), settings, store)  # type: ignore[arg-type]
    table = pq.read_table(rows)
    said = leaks.columns(0, len(table))["overlap"]
    row_ids = table["row_id"].to_pylist()
    return leaks.record.overlaps, {
        row_id[0]: sentence for row_id, sentence in zip(row_ids, said, strict=True) if sentence
    }


def snapshot(write: Write, texts: dict[str, str], split: str = "train") -> Path:
    rows = [{"row_id": key * 64, "text": text, "split": split} for key, text in texts.items()]
    return write(rows, "causal_lm")


@pytest.mark.parametrize("ending", list(WRITERS))
def test_rows_that_share_thirteen_words_are_found_in_every_format(
    write: Write, tmp_path: Path, ending: str
) -> None:
    rows = snapshot(
        write,
        {
            "a": f"Then {PASSAGE.upper().replace(' ', ', ')}!",
            "b": " ".join(PASSAGE.split()[:12]),
            "c": "yes",
            "d": f"用户说{ZH_PASSAGE[:13]}了",
            "e": f"用户说{ZH_PASSAGE[:12]}了",
            "f": "Yes, of course.",
        },
    )
    path = tmp_path / f"quiz.{ending}"
    WRITERS[ending](path, TEXTS)
    counts, found = overlaps(rows, path)
    assert counts == {"quiz": 3}
    assert found == {
        "a": "quiz: 13 words in a row stand in it too",
        "c": "quiz: the whole text stands in it too",
        "d": "quiz: 13 words in a row stand in it too",
    }


def test_a_benchmark_in_the_store_is_read(write: Write, tmp_path: Path, store: ObjectStore) -> None:
    write_txt(tmp_path / "quiz.txt", TEXTS)
    uri = store.uri("held-out", "quiz.txt")
    store.put_file(uri, tmp_path / "quiz.txt")
    assert overlaps(snapshot(write, {"a": PASSAGE}), uri, store)[0] == {"quiz": 1}
    with pytest.raises(
        DataError, match=r"leakage\.benchmarks, quiz: s3://.*gone\.txt does not exist"
    ):
        overlaps(snapshot(write, {"a": PASSAGE}), store.uri("held-out", "gone.txt"), store)


@pytest.mark.parametrize(("split", "count"), [("train", 1), ("validation", 1), ("test", 0)])
def test_test_rows_may_overlap(write: Write, tmp_path: Path, split: str, count: int) -> None:
    write_txt(tmp_path / "quiz.txt", TEXTS)
    assert overlaps(snapshot(write, {"a": PASSAGE}, split), tmp_path / "quiz.txt")[0] == {
        "quiz": count
    }


def test_words_are_counted_as_the_settings_say(write: Write, tmp_path: Path) -> None:
    write_txt(tmp_path / "quiz.txt", TEXTS)
    rows = snapshot(write, {"a": "it walked into the bar again", "b": "nothing of the sort"})
    path = tmp_path / "quiz.txt"
    assert set(overlaps(rows, path, ngram_words=4)[1]) == {"a"}
    assert set(overlaps(rows, path, ngram_words=3)[1]) == {"a", "b"}
    assert set(overlaps(rows, path, ngram_words=5)[1]) == set()


def test_words_of_two_texts_make_no_ngram(write: Write, tmp_path: Path) -> None:
    half, rest = " ".join(PASSAGE.split()[:7]), " ".join(PASSAGE.split()[7:])
    write_txt(tmp_path / "quiz.txt", [half, rest])
    assert overlaps(snapshot(write, {"a": PASSAGE}), tmp_path / "quiz.txt")[1] == {}
    write_txt(tmp_path / "quiz.txt", [PASSAGE])
    assert overlaps(snapshot(write, {"a": half, "b": rest}), tmp_path / "quiz.txt")[1] == {}


def test_a_row_that_overlaps_with_several_names_all(write: Write, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        write_txt(tmp_path / f"{name}.txt", [PASSAGE if name != "two" else "Something else."])
    settings = LeakageSettings(
        benchmarks=tuple(
            BenchmarkSettings(name=name, path=str(tmp_path / f"{name}.txt"))
            for name in ("one", "two", "three")
        )
    )
    rows = snapshot(write, {"a": PASSAGE, "b": "Not at all"})
    leaks = find_leaks(rows, shape_of("causal_lm"), settings, store=None)  # type: ignore[arg-type]
    assert leaks.record.overlaps == {"one": 1, "two": 0, "three": 1}
    assert leaks.columns(0, 2)["overlap"] == ["one, three: 13 words in a row stand in it too", None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.txt", None, r"gone\.txt cannot be read: No such file or directory"),
        ("a.doc", b"x", r"ends in '\.doc'; its ending must be one of \.txt, \.csv"),
        ("a.csv", b"id,texts\n", r"no column 'text'; it has 'id', 'texts'; did you mean 'texts'"),
        ("a.csv", b"id,text\n1\n", r"line 2 has 1 field\(s\), and the header has 2"),
        ("a.csv", b'id,text\n1,"x\n', r"line 2: unexpected end of data"),
        ("a.csv", b"", r"is empty; it should have 'text'"),
        ("a.tsv", b"id\ttext\nx\tcaf\xe9\n", r"line 2 is not valid UTF-8 \(byte 0xe9\)"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', r"line 2 is broken JSON"),
        ("a.jsonl", b"[1]\n", r"line 1 is no JSON object"),
        ("a.jsonl", b'{"text": 5}\n', r"line 1: 'text' holds int; it must be text"),
        ("a.jsonl", b'{"texts": "x"}\n', r"did you mean 'texts'"),
        ("a.parquet", b"PAR1", r"cannot be read as Parquet"),
        ("a.txt", b"\n \n", r"holds no text"),
    ],
)  # fmt: skip
def test_a_benchmark_that_cannot_be_used_is_refused(
    write: Write, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    rows = snapshot(write, {"a": PASSAGE})
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"leakage\.benchmarks, quiz: .*{message}"):
        overlaps(rows, tmp_path / name)


def test_two_benchmarks_of_one_name_are_refused(write: Write, tmp_path: Path) -> None:
    write_txt(tmp_path / "quiz.txt", TEXTS)
    twice = (BenchmarkSettings(name="quiz", path=str(tmp_path / "quiz.txt")),) * 2
    rows = snapshot(write, {"a": PASSAGE})
    with pytest.raises(DataError, match="names 'quiz' 2 times"):
        find_leaks(
            rows,
            shape_of("causal_lm"),
            LeakageSettings(benchmarks=twice),
            store=None,  # type: ignore[arg-type]
        )


def test_a_changed_benchmark_has_another_fingerprint(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "held-out.txt"
    path.write_text("a question\n", encoding="utf-8")
    settings = LeakageSettings.model_validate({"benchmarks": [{"name": "b", "path": str(path)}]})
    (before,) = pin_benchmarks(settings, store)
    path.write_text("another question\n", encoding="utf-8")
    (after,) = pin_benchmarks(settings, store)
    assert (before.uri, before.size_bytes) == (str(path), 11)
    assert before.fingerprint != after.fingerprint
