"""Rows that are like one of a golden set: held against brute force."""

import numpy as np
import pyarrow.parquet as pq

from tasks.task_types.row_shapes import shape_of
from tasks.text_normalisation import normalise
from tasks.validation.leakage.finding import find_leaks
from tasks.validation.leakage.settings import LeakageSettings
from tests.unit.validation.leakage.conftest import Write

SETTINGS = LeakageSettings()
SPLITS = ("train", "validation", "test")


def shingles(text: str) -> set[str]:
    size = SETTINGS.shingle_characters
    form = normalise(text)
    return {form[start : start + size] for start in range(max(1, len(form) - size + 1))}


def jaccard(one: str, other: str) -> float:
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def texts(seed: int, number: int) -> list[str]:
    random = np.random.default_rng(seed)
    words = [f"w{n:03d}" for n in range(400)]
    return [" ".join(random.choice(words, 30)) for _ in range(number)]


def test_what_is_found_is_what_brute_force_finds(write: Write) -> None:
    golden, others = texts(0, 60), texts(1, 60)
    near = [f"{text} end" for text in golden[:20]]
    far = [f"{text.rpartition(' ')[0][:60]} {other}" for text, other in zip(golden[20:40], others)]  # noqa: B905 - as long
    equal = [f"{text.upper()}!!" for text in golden[40:50]]
    rows = [
        {"text": text, "label": "a", "split": SPLITS[place % 3]}
        for place, text in enumerate([*near, *far, *equal, *others])
    ]
    path = write(rows)
    team = write([{"text": text, "label": "b", "split": "test"} for text in golden])
    leaks = find_leaks(path, shape_of("classification"), SETTINGS, None, {"team": team})  # type: ignore[arg-type]
    found = leaks.columns(0, len(rows))["golden_row"]
    stored = pq.read_table(path).to_pylist()
    wanted = [
        row["split"] != "test"
        and any(jaccard(row["text"], one) >= SETTINGS.jaccard_threshold for one in golden)
        for row in stored
    ]
    assert [sentence is not None for sentence in found] == wanted
    assert leaks.record.golden == {"team": sum(wanted)}
    assert 15 < sum(wanted) < 40
    # Nothing else is said of rows for being like a golden one.
    assert leaks.record.normalised_across == leaks.record.conflicting == 0


def test_without_near_duplicates_equal_texts_are_found_all_the_same(write: Write) -> None:
    path = write([{"text": "A good film.", "label": "a"}, {"text": "Another one", "label": "a"}])
    team = write([{"text": "a GOOD film", "label": "b", "split": "test"}])
    settings = LeakageSettings(near_duplicates=False, across_splits="report")
    leaks = find_leaks(path, shape_of("classification"), settings, None, {"team": team})  # type: ignore[arg-type]
    (sentence,) = (one for one in leaks.columns(0, 2)["golden_row"] if one)
    assert sentence.endswith("of team: equal but for case, punctuation and Unicode form")
