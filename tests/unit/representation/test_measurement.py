"""Representation of groups in clean rows of every task type, from Parquet in a real store."""

import os
import random
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.protected_groups.mentions import mentioned_groups, read_terms
from tasks.protected_groups.term_lists import TERMS_FOLDER
from tasks.records.data import DataReport, GroupRepresentation, Leakage, Representation
from tasks.representation import profile as surveying
from tasks.representation.measurement import represent_rows
from tasks.representation.settings import RepresentationSettings
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.verdicts import Estimate, Verdict

Rows = list[dict[str, object]]
NO_LEAKS = Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ())


def report(
    store: ObjectStore,
    rows: Rows,
    task_type: str = "classification",
    labels: tuple[str, ...] = ("bad", "good"),
    groups: tuple[str, ...] = (),
) -> DataReport:
    """Clean rows in the store, in row groups of 100."""
    columns = [(one.name, arrow_type(one.kind)) for one in shape_of(task_type).columns]
    schema = pa.schema([*columns, *((name, pa.string()) for name in groups)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clean.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=100)
        clean = store.put_file(store.uri("clean", "represent.parquet"), path)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", task_type=task_type, labels=labels,
        group_columns=groups, rows_by_split={}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(),
        verdict=Verdict.PASS,
    )  # fmt: skip


def represent(store: ObjectStore, data: DataReport, **settings: object) -> Representation:
    return represent_rows(data, RepresentationSettings.model_validate(settings), store)


def only(found: Representation, attribute: str, group: str, label: str) -> GroupRepresentation:
    (one,) = (
        one
        for one in found.groups
        if (one.attribute, one.group, one.label) == (attribute, group, label)
    )
    return one


def reviews(count: int = 600, seed: int = 0) -> Rows:
    """Rows of three regions, or none, in which women and the south are judged worse."""
    draw = random.Random(seed)
    rows: Rows = []
    for _ in range(count):
        region = draw.choice(["north", "south", "west", None])
        words = draw.choices(["she", "he", "came", "late", "old man", "muslim", "said"], k=4)
        bad = 0.3 + 0.3 * (region == "south") + 0.2 * ("she" in words)
        label = "bad" if draw.random() < bad else "good"
        text = " ".join(words + ["word"] * draw.randrange(20))
        rows.append({"text": text, "label": label, "region": region})
    return rows


def brute_force(rows: Rows, in_d: list[bool], in_a: list[bool], label: str) -> dict[str, float]:
    """The measures that need no strata, row by row."""
    d = [row["label"] for row, inside in zip(rows, in_d, strict=True) if inside]
    a = [row["label"] for row, inside in zip(rows, in_a, strict=True) if inside]
    gaps = [abs(a.count(one) / len(a) - d.count(one) / len(d)) for one in ("bad", "good")]
    return {
        "class_imbalance": (len(a) - len(d)) / (len(a) + len(d)),
        "difference_in_proportions": a.count(label) / len(a) - d.count(label) / len(d),
        "lp_norm": sum(gap**2 for gap in gaps) ** 0.5,
        "total_variation": sum(gaps) / 2,
        "kolmogorov_smirnov": max(gaps),
    }


def conditional_disparity(
    rows: Rows, in_d: list[bool], in_a: list[bool], strata: list[object], label: str
) -> float:
    """Row by row; every stratum must hold rows with the label and rows without it."""
    told, weight = 0.0, 0
    for stratum in set(strata) - {None}:
        having: list[bool] = []
        lacking: list[bool] = []
        for row, of_d, of_a, one in zip(rows, in_d, in_a, strata, strict=True):
            if one == stratum and (of_d or of_a):
                (having if row["label"] == label else lacking).append(of_d)
        rows_here = len(having) + len(lacking)
        told += rows_here * (sum(lacking) / len(lacking) - sum(having) / len(having))
        weight += rows_here
    return told / weight


@pytest.mark.parametrize("group", ["north", "south", "west"])
def test_a_group_of_a_column_is_held_against_the_rows_of_the_other_groups(
    store: ObjectStore, group: str
) -> None:
    rows = reviews()
    found = represent(store, report(store, rows, groups=("region",)))
    in_d = [row["region"] == group for row in rows]
    in_a = [row["region"] not in (group, None) for row in rows]
    lengths = np.array([len(str(row["text"])) for row in rows])
    edges = np.quantile(lengths, [0.25, 0.5, 0.75], method="inverted_cdf")
    quartiles: list[object] = [sum(length > edges) for length in lengths]
    for label in ("bad", "good"):
        one = only(found, "region", group, label)
        assert one.rows == sum(in_d)
        assert one.with_label == sum(
            row["label"] == label for row, inside in zip(rows, in_d, strict=True) if inside
        )
        for name, value in brute_force(rows, in_d, in_a, label).items():
            assert one.measures[name] == pytest.approx(value)
        assert one.measures["conditional_demographic_disparity"] == pytest.approx(
            conditional_disparity(rows, in_d, in_a, quartiles, label)
        )
    assert found.conditional_on == "quartile of text length"


def test_a_row_of_several_groups_of_a_column_counts_in_each(store: ObjectStore) -> None:
    regions = {"north": "north|west", "west": "west", "south": "south", None: None}
    rows = [{**row, "region": regions[row["region"]]} for row in reviews()]  # type: ignore[index]
    found = represent(store, report(store, rows, groups=("region",)))
    for group in ("north", "south", "west"):
        in_d = [group in str(row["region"]).split("|") for row in rows]
        in_a = [
            row["region"] is not None and not inside for row, inside in zip(rows, in_d, strict=True)
        ]
        one = only(found, "region", group, "bad")
        assert one.rows == sum(in_d)
        for name, value in brute_force(rows, in_d, in_a, "bad").items():
            assert one.measures[name] == pytest.approx(value)


@pytest.mark.parametrize(
    ("attribute", "group"), [("gender", "female"), ("religion", "muslim"), ("age", "old")]
)
def test_a_group_that_texts_mention_is_held_against_all_other_rows(
    store: ObjectStore, attribute: str, group: str
) -> None:
    rows = reviews()
    found = represent(store, report(store, rows))
    terms = read_terms(TERMS_FOLDER / f"{attribute}.csv")
    member = mentioned_groups(attribute, [str(row["text"]) for row in rows], terms)
    in_d = member.rows[:, member.groups.index(group)].tolist()
    in_a = [not inside for inside in in_d]
    one = only(found, attribute, group, "bad")
    assert one.rows == sum(in_d)
    for name, value in brute_force(rows, in_d, in_a, "bad").items():
        assert one.measures[name] == pytest.approx(value)


def test_disparity_can_be_conditioned_on_a_column(store: ObjectStore) -> None:
    rows = reviews()
    data = report(store, rows, groups=("region",))
    found = represent(store, data, conditional_on="region")
    terms = read_terms(TERMS_FOLDER / "gender.csv")
    member = mentioned_groups("gender", [str(row["text"]) for row in rows], terms)
    in_d = member.rows[:, member.groups.index("female")].tolist()
    in_a = [not inside for inside in in_d]
    one = only(found, "gender", "female", "bad")
    regions = [row["region"] for row in rows]
    assert one.measures["conditional_demographic_disparity"] == pytest.approx(
        conditional_disparity(rows, in_d, in_a, regions, "bad")
    )
    assert found.conditional_on == "region"
    of_region = only(found, "region", "south", "bad")
    assert "conditional_demographic_disparity" not in of_region.measures
    assert of_region.measures["difference_in_proportions"] < 0


def test_the_order_of_the_rows_changes_nothing(store: ObjectStore) -> None:
    rows = reviews()
    found = represent(store, report(store, rows, groups=("region",)))
    random.Random(1).shuffle(rows)
    assert represent(store, report(store, rows, groups=("region",))) == found


def test_many_batches_count_like_one(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    data = report(store, reviews(), groups=("region",))
    found = represent(store, data)
    monkeypatch.setattr(surveying, "BATCH_ROWS", 13)
    assert represent(store, data) == found


def test_memory_does_not_hold_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "clean.parquet"
    texts = pa.table({"text": [os.urandom(1000).hex() for _ in range(40_000)]})
    pq.write_table(texts, path, row_group_size=1000, compression="zstd")
    del texts
    assert path.stat().st_size > 40_000_000
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in surveying.batches_of(path, ["text"])]
    assert len(held) > 1
    assert 0 < max(held) < 20_000_000


def test_a_group_of_too_few_rows_has_a_reason_and_no_numbers(store: ObjectStore) -> None:
    rows = [
        *reviews(100),
        *({"text": f"x {i}", "label": "bad", "region": "isle"} for i in range(9)),
    ]
    found = represent(store, report(store, rows, groups=("region",)), min_group_rows=10)
    one = only(found, "region", "isle", "")
    assert one.measures == {}
    assert one.reason == "9 rows, and at least 10 are needed"
    assert only(found, "gender", "female", "bad").reason == ""


def test_a_group_that_nobody_is_left_to_compare_with_has_a_reason(store: ObjectStore) -> None:
    rows: Rows = [{"text": f"she {i}", "label": "bad", "region": "north"} for i in range(50)]
    found = represent(store, report(store, rows, groups=("region",)))
    reason = "0 rows to compare it with, and at least 30 are needed"
    assert only(found, "region", "north", "").reason == reason
    assert only(found, "gender", "female", "").reason == reason


def test_a_column_is_used_in_place_of_the_list_of_its_name(store: ObjectStore) -> None:
    rows = [row | {"gender": row["region"]} for row in reviews()]
    found = represent(store, report(store, rows, groups=("gender",)))
    of_gender = {one.group for one in found.groups if one.attribute == "gender"}
    assert of_gender == {"north", "south", "west"}
    assert any(one.attribute == "gender" and one.term == "she" for one in found.terms)


def test_labels_are_held_against_the_most_frequent_one(store: ObjectStore) -> None:
    rows: Rows = [{"text": f"t {i}", "label": "good" if i < 80 else "bad"} for i in range(100)]
    found = represent(store, report(store, rows, labels=("bad", "good", "ugly")))
    assert found.label_imbalance == {"bad": 0.25, "good": 1.0, "ugly": 0.0}


def test_the_word_that_was_planted_is_the_most_associated(store: ObjectStore) -> None:
    rows = reviews(400)
    for number, row in enumerate(rows):
        if number % 8 == 0:
            row |= {"text": f"{row['text']} buddhist", "label": "bad"}
    found = represent(store, report(store, rows))
    first = found.terms[0]
    assert (first.attribute, first.term, first.label) == ("religion", "buddhist", "bad")
    assert (first.rows, first.with_label) == (50, 50)
    share = sum(row["label"] == "bad" for row in rows) / len(rows)
    assert first.association.value == pytest.approx(-np.log2(share))
    lows = [one.association.low or 0 for one in found.terms]
    assert lows == sorted(lows, reverse=True)
    assert any("looked at" in note for note in found.notes)


def test_labels_that_come_together_are_each_held_against_their_absence(store: ObjectStore) -> None:
    rows: Rows = [
        {"text": "she", "labels": ["rude", "loud"] if i < 20 else ["rude"] if i < 30 else []}
        for i in range(40)
    ]
    rows += [{"text": "word", "labels": ["loud", "loud"] if i < 16 else []} for i in range(40)]
    found = represent(store, report(store, rows, "multi_label", ("loud", "rude")))
    loud, rude = (only(found, "gender", "female", label) for label in ("loud", "rude"))
    assert (loud.with_label, rude.with_label) == (20, 30)
    assert loud.measures["difference_in_proportions"] == pytest.approx(16 / 40 - 20 / 40)
    assert loud.measures["total_variation"] == pytest.approx(0.1)
    assert rude.measures["total_variation"] == pytest.approx(0.75)
    assert found.label_imbalance == {"loud": 1.0, "rude": pytest.approx(30 / 36)}


def test_the_labels_of_tagged_rows_are_the_types_of_their_entities(store: ObjectStore) -> None:
    rows: Rows = [
        {"tokens": ["she", "Ann", "Lee"], "tags": ["O", "B-person", "I-person"]} for _ in range(40)
    ]
    rows += [{"tokens": ["in", "Rome"], "tags": ["O", "B-place"]} for _ in range(30)]
    rows += [{"tokens": ["so", "on"], "tags": ["O", "O"]} for _ in range(10)]
    tags = ("B-person", "B-place", "I-person", "O")
    found = represent(store, report(store, rows, "tagging", tags))
    assert found.label_imbalance == {"person": 1.0, "place": 0.75}
    one = only(found, "gender", "female", "person")
    assert one.with_label == 40
    assert one.measures["difference_in_proportions"] == -1
    assert only(found, "gender", "female", "place").measures["total_variation"] == 0.75
    assert any("entities" in note for note in found.notes)


def test_the_target_of_a_regression_is_told_apart_at_its_median(store: ObjectStore) -> None:
    rows: Rows = [{"text": "she" if i < 40 else "word", "target": float(i)} for i in range(101)]
    found = represent(store, report(store, rows, "regression", ()))
    assert only(found, "gender", "female", "up to 50").with_label == 40
    above = only(found, "gender", "female", "above 50")
    assert above.with_label == 0
    assert above.measures["difference_in_proportions"] == pytest.approx(50 / 61)
    assert found.label_imbalance == {}
    assert any("median, 50" in note for note in found.notes)


@pytest.mark.parametrize(
    ("task_type", "rows"),
    [
        ("causal_lm", [{"text": "she said"}, {"text": "word"}]),
        (
            "translation",
            [{"source": "she", "target": "x"}, {"source": "word", "target": "she"}],
        ),
        (
            "chat",
            [
                {"messages": [{"role": "user", "content": "is she here"}]},
                {"messages": [{"role": "user", "content": "word"}]},
            ],
        ),
        (
            "question_answering",
            [
                {"question": "who", "context": "she came", "answer": None, "answer_start": None},
                {"question": "who", "context": "Ann", "answer": "Ann", "answer_start": 0},
            ],
        ),
    ],
)
def test_without_labels_the_size_of_groups_is_told_and_what_is_not(
    store: ObjectStore, task_type: str, rows: Rows
) -> None:
    data = report(store, [*[rows[0]] * 30, *[rows[1]] * 90], task_type, ())
    found = represent(store, data)
    assert only(found, "gender", "female", "").rows == 30
    assert only(found, "gender", "female", "").measures == {"class_imbalance": 0.5}
    assert found.terms == ()
    assert found.label_imbalance == {}
    assert any("bear no labels" in note for note in found.notes)


def test_a_column_of_names_is_no_group_column_and_a_note_says_so(store: ObjectStore) -> None:
    rows: Rows = [
        {"text": "she", "label": "bad", "author": f"a{i}", "region": "n"} for i in range(300)
    ]
    data = report(store, rows, groups=("author", "region"))
    found = represent(store, data)
    assert not any(one.attribute == "author" for one in found.groups)
    assert any("'author' has more than 200 values" in note for note in found.notes)
    with pytest.raises(DataError, match="'author', which has more than 200 values"):
        represent(store, data, conditional_on="author")


def test_of_very_many_labels_the_most_frequent_are_told(store: ObjectStore) -> None:
    labels = [f"l{i:03}" for i in range(250)]
    rows: Rows = [
        {"text": "she" if i % 2 else "word", "label": label}
        for i, label in enumerate(labels)
        for _ in range(1 + (label > "l049"))
    ]
    data = report(store, rows, labels=tuple(labels))
    counts = {label: 1 + (label > "l049") for label in labels}
    found = represent(store, DataReport(**{**vars(data), "rows_by_label": counts}))
    assert set(found.label_imbalance) == set(labels[50:])
    assert len({one.label for one in found.groups if one.group == "female"}) == 200
    measures = only(found, "gender", "female", "l060").measures
    assert measures["total_variation"] <= 1  # labels that are not told are counted as one
    assert any("of 250 labels only the 200 most frequent" in note for note in found.notes)


def test_a_condition_that_is_no_group_column_is_refused(store: ObjectStore) -> None:
    data = report(store, reviews(50), groups=("region",))
    with pytest.raises(DataError, match=r"names 'regoin'.*group_columns: region"):
        represent(store, data, conditional_on="regoin")


def test_clean_rows_without_their_group_column_are_refused(store: ObjectStore) -> None:
    data = report(store, reviews(50))
    lacking = DataReport(**{**vars(data), "group_columns": ("region",)})
    with pytest.raises(DataError, match=r"no group column \['region'\]"):
        represent(store, lacking)


def test_words_of_one_author_count_as_the_clusters_they_come_from(store: ObjectStore) -> None:
    """Rows that stand there five times say as much as once, where they are one author's."""
    random.seed(4)
    once = [
        {"text": f"{random.choice(['she', 'he', 'it'])} came {k}", "label": "good", "cluster": None}
        for k in range(300)
    ]
    for row in once:
        if random.random() < (0.3 if str(row["text"]).startswith("she") else 0.7):
            row["label"] = "bad"
    again = [row | {"cluster": f"author {k}"} for k, row in enumerate(once) for _ in range(5)]
    few = [row | {"cluster": f"author {k % 7}"} for k, row in enumerate(once)]
    by_row, told, blind, untold = (
        terms_of(represent(store, report(store, rows, groups=groups)))
        for rows, groups in (
            (once, ()), (again, ("cluster",)), (again, ()), (few, ("cluster",)),
        )
    )  # fmt: skip
    pair = ("she", "good")
    widths = [found[pair].high - found[pair].low for found in (by_row, told, blind)]
    assert told[pair].value == pytest.approx(by_row[pair].value)
    assert widths[1] == pytest.approx(widths[0], rel=0.05)
    assert widths[2] < 0.6 * widths[0]
    assert untold[pair].reason == "she stands in rows of 7 clusters, and at least 10 are needed"


def terms_of(found: Representation) -> dict[tuple[str, str], Estimate]:
    return {(one.term, one.label): one.association for one in found.terms}
