"""The search against a reference that holds every row against every other."""

import random
import tracemalloc
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.corpus import sentences
from tasks.records.data import SPLITS
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tasks.text_normalisation import normalise
from tasks.validation.leakage.finding import COLUMNS, Leaks, find_leaks
from tasks.validation.leakage.settings import LeakageSettings
from tests.unit.validation.leakage.conftest import Write

ALL = LeakageSettings(within_split="quarantine")
SENTENCE = (
    "the bank raised its rates after shares fell in a week of losses while the minister said "
    "that growth would return by summer and analysts doubted it because exports had slowed"
)
ENGLISH = SENTENCE.split()
CHINESE = "这件商品的质量非常好我很满意下次还会再来购买物流也快包装仔细客服态度不错价格便宜值得推荐"


def search(path: Path, settings: LeakageSettings = ALL, task_type: str = "classification") -> Leaks:
    return find_leaks(path, shape_of(task_type), settings, store=None)  # type: ignore[arg-type]


def marked(path: Path, leaks: Leaks) -> dict[str, dict[str, str]]:
    """By column, the sentence of each row_id that has one."""
    table = pq.read_table(path)
    columns = leaks.columns(0, len(table))
    return {
        name: {
            row_id: sentence
            for row_id, sentence in zip(table["row_id"].to_pylist(), columns[name], strict=True)
            if sentence is not None
        }
        for name in COLUMNS
    }


def shingles_of(text: str, characters: int = 5) -> set[str]:
    return {text[at : at + characters] for at in range(max(1, len(text) - characters + 1))}


@dataclass
class Reference:
    """All that is alike, by holding every row against every other."""

    within: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    across: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    conflicting: set[int] = field(default_factory=set)
    similarity: dict[tuple[int, int], float] = field(default_factory=dict)


def hold_all_against_all(path: Path, threshold: float = 0.8) -> Reference:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    forms = [normalise(row["text"] or "") for row in rows]
    sets = [shingles_of(form) for form in forms]
    found = Reference()
    for one, other in permutations(range(len(rows)), 2):
        if not (forms[one] and forms[other]) or rows[one]["row_id"] == rows[other]["row_id"]:
            continue
        equal = forms[one] == forms[other]
        alike = len(sets[one] & sets[other]) / len(sets[one] | sets[other])
        key, other_key = (SPLITS.index(rows[row]["split"]) for row in (one, other))
        labels = {rows[row]["label"] for row in (one, other)} - {None}
        if equal and len(labels) > 1:  # then none of all rows with this text is to be trusted
            found.conflicting |= {
                row for row, form in enumerate(forms) if form == forms[one] and rows[row]["label"]
            }
        if not equal and alike < threshold:
            continue
        kind = "normalised" if equal else "near"
        found.similarity[one, other] = 1.0 if equal else alike
        if key == other_key and one > other:
            found.within[kind].add(one)
        if key < other_key:
            found.across[kind].add(one)
    found.within["near"] -= found.within["normalised"] | found.across["normalised"]
    found.across["near"] -= found.across["normalised"]
    return found


def disguised(text: str, draw: random.Random) -> str:
    """The same text as far as case, punctuation and Unicode form go."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in text)
    marks = draw.choice(["!", "?!", " ...", "。"])
    return draw.choice(
        [text.upper(), text.title(), wide, f"“{text}”", text + marks, f"  {text}\u200b"]
    )


def edited(text: str, draw: random.Random) -> str:
    """The text with a word, or in Chinese a character, in place of another."""
    if " " not in text:
        place = draw.randrange(len(text))
        return text[:place] + draw.choice("猫狗鸟鱼") + text[place + 1 :]
    words = text.split()
    words[draw.randrange(len(words))] = draw.choice(["cat", "dog", "bird", "fish"])
    return " ".join(words)


def corpus(seed: int, size: int = 60) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    texts: list[str | None] = [None, "", "a", "A!", "?", "!?"]
    for _ in range(size):
        words = [draw.choice(ENGLISH) for _ in range(draw.randrange(1, 40))]
        signs = "".join(draw.choice(CHINESE) for _ in range(draw.randrange(4, 90)))
        texts.append(draw.choice([" ".join(words), signs]))
    for _ in range(size):
        source = draw.choice([text for text in texts if text])
        texts.append(draw.choice([disguised, edited])(source, draw))
    return [
        {
            "text": text or None,
            "label": draw.choice(["good", "bad", None]),
            "split": draw.choice(SPLITS),
        }
        for text in texts
    ]


@pytest.mark.parametrize("seed", range(6))
def test_equal_texts_and_conflicts_are_those_of_the_reference(write: Write, seed: int) -> None:
    path = write(corpus(seed))
    leaks, reference = search(path), hold_all_against_all(path)
    columns = leaks.columns(0, pq.read_metadata(path).num_rows)
    found = {name: {row for row, said in enumerate(columns[name]) if said} for name in COLUMNS}
    assert found["equal_text"] == reference.within["normalised"] | reference.across["normalised"]
    assert found["label_conflict"] == reference.conflicting
    assert leaks.record.normalised_within == len(reference.within["normalised"])
    assert leaks.record.normalised_across == len(reference.across["normalised"])
    assert leaks.record.conflicting == len(reference.conflicting)
    assert reference.across["normalised"]
    assert reference.conflicting


@pytest.mark.parametrize("seed", range(6))
def test_near_duplicates_are_those_of_the_reference(write: Write, seed: int) -> None:
    path = write(corpus(seed))
    leaks, reference = search(path), hold_all_against_all(path)
    near = leaks.columns(0, pq.read_metadata(path).num_rows)["near_duplicate"]
    found = {row for row, said in enumerate(near) if said}
    wanted = reference.within["near"] | reference.across["near"]
    assert wanted
    # Precision is exact; of pairs at the very threshold one in several hundred may be missed.
    assert found <= wanted
    assert len(wanted - found) <= 1
    assert leaks.record.near_within <= len(reference.within["near"])
    assert leaks.record.near_across <= len(reference.across["near"])


def test_examples_bear_their_exact_similarity(write: Write) -> None:
    path = write(corpus(1, size=150))
    rows = {row["row_id"]: row for row in pq.read_table(path).to_pylist()}
    examples = search(path).record.examples
    assert 0 < len(examples) <= 20
    assert [pair.similarity for pair in examples] == sorted(
        (pair.similarity for pair in examples), reverse=True
    )
    assert any(pair.similarity < 1 for pair in examples)
    for pair in examples:
        one, other = (
            shingles_of(normalise(rows[row_id]["text"])) for row_id in (pair.row_id, pair.twin)
        )
        assert pair.similarity == pytest.approx(len(one & other) / len(one | other), abs=1e-5)
        assert SPLITS.index(pair.split) <= SPLITS.index(pair.twin_split)


def test_recall_on_real_sentences_is_at_least_95_percent(write: Write) -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    draw = random.Random(3)
    texts = [text for _, text in draw.sample(sentences(), 1200) if len(text) > 60]
    for _ in range(1500):
        text = draw.choice(texts)
        for _ in range(draw.randrange(1, 4)):
            text = edited(text, draw)
        texts.append(text)
    path = write([{"text": text, "label": "a"} for text in dict.fromkeys(texts)])
    forms = [normalise(text) for text in pq.read_table(path)["text"].to_pylist()]
    sets = CountVectorizer(
        analyzer="char", ngram_range=(5, 5), lowercase=False, binary=True, dtype=np.int32
    ).fit_transform(forms)
    common = (sets @ sets.T).toarray()
    sizes = common.diagonal()
    alike = common / (sizes[:, None] + sizes[None, :] - common)
    later, earlier = np.nonzero(np.tril(alike >= 0.8, -1))
    leaks = search(path)
    near = leaks.columns(0, len(forms))["near_duplicate"]
    twin = leaks.columns(0, len(forms))["equal_text"]
    found = np.array([a is not None or b is not None for a, b in zip(near, twin, strict=True)])
    assert len(later) > 800
    assert found[later].mean() >= 0.95
    assert set(np.flatnonzero([said is not None for said in near])) <= set(later.tolist())
    assert len(earlier) == len(later)


def test_row_groups_and_the_order_of_the_source_change_nothing(write: Write) -> None:
    rows = corpus(2)
    shuffled = random.Random(9).sample(rows, len(rows))
    one, other = write(rows), write(shuffled, row_group_size=7)
    assert search(one).record == search(other).record
    # Rows of one row_id have no order of their own, so their sentences are compared as sets.
    assert marked(one, search(one)) == marked(other, search(other))


def test_the_same_seed_gives_the_same_result_and_batches_change_nothing(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(corpus(4))
    before = search(path)
    for name, value in (
        ("scanning._BATCH_ROWS", 5),
        ("scanning._BATCH_BYTES", 100),
        ("columns._CHUNK_ROWS", 3),
        ("columns._PART_ROWS", 10),
        ("near_duplicates._BUCKET_ROWS", 8),
        ("near_duplicates._PENDING_PAIRS", 4),
        ("near_duplicates._BATCH_BYTES", 300),
        ("near_duplicates._SKETCHES_AT_A_TIME", 3),
    ):
        monkeypatch.setattr(f"tasks.validation.leakage.{name}", value)
    after = search(path)
    assert after.record == before.record
    assert marked(path, after) == marked(path, before)


def test_columns_of_a_part_are_a_part_of_the_columns(write: Write) -> None:
    path = write(corpus(5))
    leaks, rows = search(path), pq.read_metadata(path).num_rows
    whole = leaks.columns(0, rows)
    for name in COLUMNS:
        parts = [leaks.columns(at, min(at + 13, rows))[name] for at in range(0, rows, 13)]
        assert [value for part in parts for value in part] == whole[name]


def test_the_row_of_the_lower_split_is_put_aside(write: Write) -> None:
    rows = [
        {"row_id": "a" * 64, "text": SENTENCE, "label": "x", "split": "test"},
        {"row_id": "b" * 64, "text": SENTENCE.upper(), "label": "x", "split": "train"},
        {"row_id": "c" * 64, "text": f"{SENTENCE}!", "label": "x", "split": "validation"},
        {"row_id": "d" * 64, "text": f"{SENTENCE} again", "label": "x", "split": "train"},
    ]
    path = write(rows)
    leaks = search(path)
    found = marked(path, leaks)
    but_for = "equal but for case, punctuation and Unicode form"
    assert found["equal_text"] == {
        "b" * 64: f"like test row aaaaaaaaaaaa: {but_for}",
        "c" * 64: f"like test row aaaaaaaaaaaa: {but_for}",
    }
    assert list(found["near_duplicate"]) == ["d" * 64]
    assert "row" in found["near_duplicate"]["d" * 64]
    assert leaks.record.normalised_across == 2
    assert leaks.record.near_across == 1


def test_of_a_split_the_later_row_is_put_aside(write: Write) -> None:
    path = write(
        [
            {"row_id": letter * 64, "text": text, "label": "x", "split": "train"}
            for letter, text in (
                ("a", SENTENCE),
                ("b", SENTENCE.title()),
                ("c", f"{SENTENCE} again"),
            )
        ]
    )
    found = marked(path, search(path))
    assert list(found["equal_text"]) == ["b" * 64]
    assert found["near_duplicate"]["c" * 64].startswith(
        "like train row aaaaaaaaaaaa: Jaccard similarity"
    )


def test_a_copy_of_a_row_that_leaks_is_put_aside_too(write: Write) -> None:
    # b is a's equal within train, which is only reported; both are near the test row.
    path = write(
        [
            {"row_id": "a" * 64, "text": SENTENCE, "label": "x", "split": "train"},
            {"row_id": "b" * 64, "text": SENTENCE.upper(), "label": "x", "split": "train"},
            {"row_id": "c" * 64, "text": f"{SENTENCE} again", "label": "x", "split": "test"},
        ]
    )
    leaks = search(path, LeakageSettings())
    assert sorted(marked(path, leaks)["near_duplicate"]) == ["a" * 64, "b" * 64]
    assert leaks.record.near_across == 2
    assert leaks.record.normalised_within == 1


def test_rows_that_share_a_row_id_are_no_twins(write: Write) -> None:
    rows = [
        {"row_id": "a" * 64, "text": SENTENCE, "label": label, "split": split}
        for label in ("x", "y")
        for split in ("train", "test")
    ]
    path = write(rows)
    leaks = search(path)
    assert all(not found for found in marked(path, leaks).values())
    assert leaks.record.examples == ()


def test_each_row_of_a_row_id_is_like_its_near_duplicate(write: Write) -> None:
    rows = [{"row_id": "b" * 64, "text": SENTENCE, "label": label} for label in ("x", "y")]
    path = write([*rows, {"row_id": "a" * 64, "text": f"{SENTENCE} again", "label": "x"}])
    leaks = search(path)
    assert leaks.record.near_within == 2


def test_conflicting_labels_are_named_for_all_rows(write: Write) -> None:
    path = write(
        [
            {"row_id": "a" * 64, "text": SENTENCE, "label": "business"},
            {"row_id": "b" * 64, "text": SENTENCE.upper(), "label": "tech"},
            {"row_id": "c" * 64, "text": f"{SENTENCE}?", "label": None},
        ]
    )
    found = marked(path, search(path))["label_conflict"]
    assert found == {
        "a" * 64: "label is business, and tech in row bbbbbbbbbbbb, equal but for case, "
        "punctuation and Unicode form",
        "b" * 64: "label is tech, and business in row aaaaaaaaaaaa, equal but for case, "
        "punctuation and Unicode form",
    }


def test_pairs_of_a_prompt_are_twins_of_the_same_answers_alone(write: Write) -> None:
    def pair(chosen: str, rejected: str, said: str = SENTENCE) -> dict[str, Any]:
        turns = [{"role": "user", "content": said}]
        return {"messages": turns, "chosen": chosen, "rejected": rejected, "split": "train"}

    rows = [
        {"row_id": f"{number:064x}", **row}
        for number, row in enumerate(
            [
                pair("this", "that"),
                pair("this", "other"),
                pair("This!", "that", SENTENCE.upper()),  # the first once more
                pair("more", "less"),
                pair("less", "more"),  # and the other way round
            ]
        )
    ]
    found = marked(
        write(rows, "preference"), search(write(rows, "preference"), task_type="preference")
    )
    assert set(found["label_conflict"]) == {f"{number:064x}" for number in (3, 4)}


def test_what_is_only_reported_is_counted_and_not_marked(write: Write) -> None:
    path = write(corpus(1))
    quiet = LeakageSettings(
        across_splits="report", within_split="report", conflicting_labels="report"
    )
    leaks = search(path, quiet)
    assert leaks.record == search(path).record
    assert all(not found for found in marked(path, leaks).values())


def test_multi_label_answers_conflict_by_set_and_texts_by_their_normalised_form(
    write: Write,
) -> None:
    labelled = write(
        [
            {"text": SENTENCE, "labels": ["a", "b"]},
            {"text": SENTENCE.upper(), "labels": ["b", "a"]},
            {"text": CHINESE, "labels": ["a"]},
            {"text": f"{CHINESE}。", "labels": []},
        ],
        "multi_label",
    )
    assert search(labelled, task_type="multi_label").record.conflicting == 2
    asked = write(
        [
            {"question": "Who?", "context": SENTENCE, "answer": "The bank", "answer_start": 0},
            {
                "question": "who",
                "context": f"({SENTENCE})",
                "answer": "the bank.",
                "answer_start": 1,
            },
            {"question": "What?", "context": SENTENCE, "answer": "growth", "answer_start": 30},
            {"question": "what", "context": SENTENCE, "answer": None, "answer_start": None},
        ],
        "question_answering",
    )
    assert search(asked, task_type="question_answering").record.conflicting == 2


@pytest.mark.parametrize("task_type", sorted(ROW_SHAPES.names))
def test_every_task_type_has_twins(write: Write, task_type: str) -> None:
    turns = [{"role": "user", "content": SENTENCE}]
    row: dict[str, Any] = {
        "text": SENTENCE, "label": "a", "labels": ["a"], "target": 1.0, "tokens": SENTENCE.split(),
        "tags": ["O"] * len(ENGLISH), "question": "Who?", "context": SENTENCE, "answer": "the bank",
        "answer_start": 0, "source": SENTENCE, "messages": turns, "relation": "a",
        "subject_start": 0, "subject_end": 3, "subject_type": "a",
        "object_start": 4, "object_end": 8, "object_type": "b", "chosen": "yes", "rejected": "no",
    }  # fmt: skip
    if "source" in shape_of(task_type).names:
        row["target"] = "x"
    other = row | {
        "text": SENTENCE.upper(), "tokens": SENTENCE.upper().split(), "context": SENTENCE.upper(),
        "source": SENTENCE.upper(), "messages": [turns[0] | {"content": SENTENCE.upper()}],
    }  # fmt: skip
    names = shape_of(task_type).names
    rows = [{name: values[name] for name in names} for values in (row, other)]
    path = write([rows[0] | {"split": "train"}, rows[1] | {"split": "test"}], task_type)
    assert search(path, task_type=task_type).record.normalised_across == 1


@pytest.mark.parametrize("texts", [[], [None], ["a"], ["?"], [None, None], ["a", "b"]])
def test_hardly_any_text_is_like_nothing(write: Write, texts: list[str | None]) -> None:
    path = write([{"text": text, "label": "x"} for text in texts])
    leaks = search(path)
    assert all(not found for found in marked(path, leaks).values())
    assert leaks.columns(0, len(texts)) == {name: [None] * len(texts) for name in COLUMNS}


def test_clusters_with_rows_in_several_splits_are_counted(write: Write) -> None:
    rows = [
        {"text": f"{number} {SENTENCE}", "label": "x", "cluster": cluster, "split": split}
        for number, (cluster, split) in enumerate(
            [("ann", "train"), ("ann", "test"), ("ben", "train"), ("ben", "train"),
             ("eve", "validation"), ("eve", "test"), ("eve", "train"), (None, "train"),
             (None, "test")]
        )
    ]  # fmt: skip
    record = search(write(rows)).record
    assert record.clusters_across_splits == 2
    assert not any("cluster" in note for note in record.notes)


def test_notes_say_what_was_not_looked_for(write: Write) -> None:
    path = write([{"text": SENTENCE, "label": "x"}, {"text": f"{SENTENCE} again", "label": "x"}])
    off = search(path, LeakageSettings(near_duplicates=False)).record
    assert off.near_within == 0
    assert [note.split(":")[0] for note in off.notes] == [
        "near-duplicates were not looked for",
        "no overlap with a benchmark was looked for",
        "no cluster can span splits",
    ]
    assert "near-duplicates were not looked for" not in str(search(path).record.notes)


def test_a_crowd_of_alike_rows_is_linked_through_one_of_each_split(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.validation.leakage.near_duplicates.MAX_GROUP_ROWS", 8)
    rows = [
        {"text": f"{SENTENCE} number {n}", "label": "x", "split": SPLITS[n % 3]} for n in range(150)
    ]
    path = write(rows)
    leaks, reference = search(path), hold_all_against_all(path)
    assert leaks.record.near_within == len(reference.within["near"]) == 147
    assert leaks.record.near_across == len(reference.across["near"]) == 100
    assert "150 row(s) stand in groups" in str(leaks.record.notes)


def test_a_text_beyond_the_limit_is_compared_by_its_start(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.validation.leakage.scanning.MAX_CHARACTERS", 50)
    path = write([{"text": f"{SENTENCE} {end}", "label": "x"} for end in ("one", "two")])
    record = search(path).record
    assert (record.near_within, record.normalised_within) == (1, 0)
    assert "2 text(s)" in str(record.notes)


def test_memory_does_not_grow_with_the_rows(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("scanning._BATCH_ROWS", 128),
        ("columns._CHUNK_ROWS", 1024),
        ("columns._PART_ROWS", 1024),
        ("near_duplicates._BUCKET_ROWS", 1024),
        ("near_duplicates._PENDING_PAIRS", 1024),
        ("near_duplicates._SKETCHES_AT_A_TIME", 256),
        ("near_duplicates._BATCH_BYTES", 5_000),
    ):
        monkeypatch.setattr(f"tasks.validation.leakage.{name}", value)
    texts = [text for _, text in sentences()[:5_000]]
    few, many = (
        write([{"text": text, "label": "x"} for text in texts[:count]], row_group_size=512)
        for count in (1_000, 5_000)
    )
    search(many)  # so that no import counts
    # Threads of servers that other tests run in this process are traced too: the least of two.
    peaks = [min(_peak_of_a_search(path) for _ in range(2)) for path in (few, many)]
    # Some bytes a row, and no text of any: the texts alone are more than a hundred bytes each.
    assert peaks[1] - peaks[0] < 4_000 * 40


def pair_of(text: str, subject: str, object_: str, relation: str, **others: Any) -> dict[str, Any]:
    """A row of relation_extraction by the words that are marked."""
    return {
        "text": text,
        "subject_start": text.index(subject), "subject_end": text.index(subject) + len(subject),
        "subject_type": "person",
        "object_start": text.index(object_), "object_end": text.index(object_) + len(object_),
        "object_type": "city", "relation": relation, **others,
    }  # fmt: skip


def test_pairs_of_one_text_are_neither_twins_nor_in_conflict(write: Write) -> None:
    text, other = f"Ada of Bonn: {SENTENCE}", f"Ada, of Bonn: {SENTENCE.upper()}!"
    rows = [
        pair_of(text, "Ada", "Bonn", "lives"), pair_of(text, "Bonn", "Ada", "no_relation"),
        pair_of(text, "Ada", "bank", "works"),
    ]  # fmt: skip
    path = write(rows, "relation_extraction")
    found = marked(path, search(path, task_type="relation_extraction"))
    assert not any(found[name] for name in ("equal_text", "label_conflict", "near_duplicate"))
    # The same pair, but for case and punctuation, with another relation is one; a twin as well.
    path = write([*rows, pair_of(other, "Ada", "Bonn", "left")], "relation_extraction")
    found = marked(path, search(path, task_type="relation_extraction"))
    assert len(found["label_conflict"]) == 2
    assert any("relation is l" in sentence for sentence in found["label_conflict"].values())
    assert len(found["equal_text"]) == 1


def test_a_text_that_is_held_out_leaks_whatever_is_marked_in_it(write: Write) -> None:
    text = f"Ada of Bonn: {SENTENCE}"
    rows = [
        pair_of(text, "Ada", "Bonn", "lives", split="test"),
        pair_of(text.upper(), "BONN", "ADA", "no_relation"),
        pair_of(f"{text} and so on", "Bonn", "bank", "no_relation"),
    ]
    path = write(rows, "relation_extraction")
    found = marked(path, search(path, task_type="relation_extraction"))
    assert len(found["equal_text"]) == 1
    assert len(found["near_duplicate"]) == 1


def _peak_of_a_search(path: Path) -> int:
    tracemalloc.start()
    search(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
