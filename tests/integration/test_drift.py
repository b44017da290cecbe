"""Drift over a real store and a real tiny model."""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.base_models import fingerprint
from infra.digests import digest_of
from infra.errors import BaseModelError, DataError, StoreError
from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from tasks.drift.comparison import compare
from tasks.drift.settings import DriftSettings
from tasks.records.data import DataReference, DataReport, Drift, DriftCheck, Leakage
from tasks.records.training import BaseModel
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.verdicts import Verdict
from tests.conftest import free_port

QUICK = DriftSettings(permutations=299, embedding_rows=60)
# What two hundred rows can tell apart.
WIDE = QUICK.model_copy(
    update={
        "max_label_distance": 0.3,
        "max_length_distance": 0.3,
        "max_vocabulary_distance": 0.5,
        "max_unknown_share_change": 0.1,
        "max_embedding_distance": 0.3,
        "embedding_rows": 200,
    }
)
REFUSE = QUICK.model_copy(update={"on_drift": "refuse"})
SPORT = ["match", "was", "won", "late", "goal"]
MONEY = ["shares", "fell", "bank", "raised", "rates"]
SHARED = ["the", "by", "a", "as", "they"]

Columns = Mapping[str, Sequence[object]]


def texts(count: int, words: Sequence[str] = MONEY, *, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [
        " ".join(random.choice([*words, *SHARED], random.integers(6, 16))) for _ in range(count)
    ]


def labelled(*parts: Sequence[str]) -> dict[str, list[str]]:
    """One label for each part of the texts."""
    return {
        "text": [text for part in parts for text in part],
        "label": [f"label {place}" for place, part in enumerate(parts) for _ in part],
    }


def put(store: ObjectStore, columns: Columns, task_type: str = "classification") -> Artifact:
    """Rows as ingestion writes them, sorted by row_id."""
    kinds = {column.name: arrow_type(column.kind) for column in shape_of(task_type).columns}
    rows = [json.dumps(values) for values in zip(*columns.values(), strict=True)]
    row_ids = [hashlib.sha256(row.encode()).hexdigest() for row in rows]
    table = pa.table(
        {
            "row_id": row_ids,
            **{
                name: pa.array(list(values), kinds.get(name, pa.string()))
                for name, values in columns.items()
            },
            "split": ["train"] * len(row_ids),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table.sort_by("row_id"), buffer)
    content = buffer.getvalue()
    return store.put_bytes(
        store.uri("clean", f"{hashlib.sha256(content).hexdigest()}.parquet"), content
    )


def report_of(clean: Artifact, task_type: str = "classification") -> DataReport:
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", task_type=task_type, labels=(),
        group_columns=(), rows_by_split={}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ()), checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


def reference_to(clean: Artifact) -> DataReference:
    return DataReference("line", 3, clean)


@pytest.fixture(scope="module")
def base(tiny_model: Path) -> BaseModel:
    found = fingerprint(tiny_model)
    return BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)


@pytest.fixture(scope="module")
def steady(store: ObjectStore) -> Artifact:
    return put(store, labelled(texts(120, MONEY), texts(80, SPORT)))


def checks_of(drift: Drift | None) -> dict[str, DriftCheck]:
    assert drift is not None
    return {check.name.removeprefix("drift."): check for check in drift.checks}


def test_without_a_champion_nothing_is_compared(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    assert compare(report_of(steady), None, base, REFUSE, store) is None


def test_the_same_rows_have_not_drifted(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    drift = compare(report_of(steady), reference_to(steady), base, REFUSE, store)
    assert drift is not None
    assert drift.verdict is Verdict.PASS
    assert [(check.effect_size, check.p_value) for check in drift.checks] == [
        (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.5, 1.0), (0.0, 1.0),
    ]  # fmt: skip
    assert drift.label_shares == {"label 0": (0.6, 0.6), "label 1": (0.4, 0.4)}
    assert drift.lengths[0] == drift.lengths[1]
    assert drift.newest_rows == drift.discriminating_words == ()


def test_other_rows_of_the_same_kind_have_not_drifted(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    columns = labelled(texts(120, MONEY, seed=1), texts(80, SPORT, seed=1))
    # A column of those of now that the reference lacks.
    now = put(store, {**columns, "region": ["north"] * 200})
    drift = compare(report_of(now), reference_to(steady), base, WIDE, store)
    assert drift is not None
    assert drift.verdict is Verdict.PASS
    assert len(drift.newest_rows) == 10


def test_two_hundred_rows_cannot_be_shown_to_be_as_long_and_a_refusing_line_refuses(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    now = put(store, labelled(texts(120, MONEY, seed=1), texts(80, SPORT, seed=1)))
    drift = compare(report_of(now), reference_to(steady), base, QUICK, store)
    assert drift is not None
    assert drift.verdict is Verdict.UNDETERMINED
    length = checks_of(drift)["text_length"]
    assert length.verdict is Verdict.UNDETERMINED
    assert length.p_value is not None
    assert length.p_value > 0.05
    assert length.rows_needed is not None
    assert length.rows_needed > 400
    with pytest.raises(DataError, match=r"cannot be told to be free of drift.*") as caught:
        compare(report_of(now), reference_to(steady), base, REFUSE, store)
    assert f"about {length.rows_needed:,} rows on the smaller side would tell" in str(caught.value)


def test_rows_of_few_authors_tell_nothing_and_of_many_are_drawn_by_author(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    columns = labelled(texts(120, MONEY, seed=1), texts(80, SPORT, seed=1))
    # The reference was written before rows had clusters.
    few = put(store, {**columns, "cluster": ["one"] * 200})
    drift = compare(report_of(few), reference_to(steady), base, WIDE, store)
    assert {check.reason for check in checks_of(drift).values()} == {
        "200 and 1 clusters; either side needs 10"
    }
    many = put(store, {**columns, "cluster": [f"author {row % 40}" for row in range(200)]})
    checks = checks_of(compare(report_of(many), reference_to(steady), base, WIDE, store))
    tests = {check.test for check in checks.values()}
    assert tests == {"299 permutations of 240 clusters"}
    assert Verdict.FAIL not in {check.verdict for check in checks.values()}


@pytest.fixture(scope="module")
def shifted(store: ObjectStore) -> Artifact:
    """Some of the steady rows, and more of another topic, longer and in another script."""
    foreign = [f"стрёмно {number} {text} {text}" for number, text in enumerate(texts(140, SPORT))]
    return put(store, labelled(texts(120, MONEY)[:60], foreign))


def test_planted_drift_is_told_by_every_check_and_shown(
    store: ObjectStore, base: BaseModel, steady: Artifact, shifted: Artifact
) -> None:
    drift = compare(report_of(shifted), reference_to(steady), base, QUICK, store)
    assert drift is not None
    assert drift.verdict is Verdict.FAIL
    assert {name: check.verdict for name, check in checks_of(drift).items()} == dict.fromkeys(
        ("label_shares", "text_length", "vocabulary", "unknown_tokens", "domain_classifier",
         "embeddings"), Verdict.FAIL,
    )  # fmt: skip
    assert {(check.rows_before, check.rows_now) for check in drift.checks[:-1]} == {(200, 200)}
    assert (drift.checks[-1].rows_before, drift.checks[-1].rows_now) == (60, 60)
    assert drift.label_shares == {"label 0": (0.6, 0.3), "label 1": (0.4, 0.7)}
    assert all(row.excerpt.startswith("стрёмно") for row in drift.newest_rows)
    assert all(len(row.excerpt) <= 60 for row in drift.newest_rows)
    scores = [row.score for row in drift.newest_rows]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 10
    assert drift.discriminating_words[0][0] == "стрёмно"
    assert sum(drift.lengths[0].counts) == sum(drift.lengths[1].counts) == 200


def test_a_line_that_refuses_drift_names_the_checks_with_their_numbers(
    store: ObjectStore, base: BaseModel, steady: Artifact, shifted: Artifact
) -> None:
    with pytest.raises(DataError) as caught:
        compare(report_of(shifted), reference_to(steady), base, REFUSE, store)
    message = str(caught.value)
    assert message.startswith("the data drifted from that of version 3, and drift.on_drift is ref")
    said = r"\n  - drift.label_shares is drift: Jensen-Shannon distance of label shares 0\.\d+, "
    said += r"between 0\.\d+ and 0\.\d+: none below 0.1 \(p < 0.0001 after"
    assert re.search(said, message)
    assert "drift.embeddings is drift" in message
    assert "set drift.on_drift to report" in message


def test_the_same_settings_give_the_same_record(
    store: ObjectStore, base: BaseModel, steady: Artifact, shifted: Artifact
) -> None:
    settings = QUICK.model_copy(update={"max_rows": 120})
    first, again, other = (
        compare(report_of(shifted), reference_to(steady), base, chosen, store)
        for chosen in (settings, settings, settings.model_copy(update={"seed": 1}))
    )
    assert digest_of(first) == digest_of(again) != digest_of(other)
    assert checks_of(first)["vocabulary"].rows_now == 120
    assert checks_of(first)["text_length"] == checks_of(other)["text_length"]


def test_a_reference_that_is_gone_is_not_taken_for_no_drift(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    gone = reference_to(Artifact(store.uri("clean", "gone.parquet"), "0" * 64, 1))
    drift = compare(report_of(steady), gone, base, QUICK, store)
    assert drift is not None
    assert drift.verdict is Verdict.UNDETERMINED
    assert len(drift.checks) == 6
    for check in drift.checks:
        assert check.verdict is Verdict.UNDETERMINED
        assert check.reason == (f"the rows of version 3 are gone from the store ({gone.clean.uri})")
        assert check.effect_size is check.p_value is None
        assert (check.rows_before, check.rows_now) == (0, 200)
    with pytest.raises(DataError, match=r"cannot be told to be free of drift.*\n.*are gone from"):
        compare(report_of(steady), gone, base, REFUSE, store)


def test_a_reference_that_was_changed_is_an_error(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    changed = replace(steady, sha256="0" * 64)
    with pytest.raises(StoreError, match="was written with 0000"):
        compare(report_of(steady), reference_to(changed), base, QUICK, store)


def test_a_store_that_is_away_is_not_a_reference_that_is_gone(
    store_settings: Settings, base: BaseModel, steady: Artifact
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    away = ObjectStore(store_settings.model_copy(update={"store_endpoint_url": nowhere}))
    with pytest.raises(StoreError, match="does not answer"):
        compare(report_of(steady), reference_to(steady), base, QUICK, away)


def test_a_reference_without_labels_leaves_only_their_shares_undetermined(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    bare = put(store, {"text": [*texts(120, MONEY), *texts(80, SPORT)]})
    drift = compare(report_of(steady), reference_to(bare), base, WIDE, store)
    checks = checks_of(drift)
    assert checks.pop("label_shares").reason == "the rows of before have no column of such labels"
    assert {check.verdict for check in checks.values()} == {Verdict.PASS}
    assert drift is not None
    assert drift.verdict is Verdict.UNDETERMINED
    assert drift.label_shares == {}


@pytest.mark.parametrize("content", ["no Parquet", ""])
def test_a_reference_that_cannot_be_read_is_undetermined(
    store: ObjectStore, base: BaseModel, steady: Artifact, content: str
) -> None:
    broken = store.put_bytes(store.uri("clean", f"{len(content)}.parquet"), content.encode())
    drift = compare(report_of(steady), reference_to(broken), base, QUICK, store)
    assert all("cannot be read as Parquet" in check.reason for check in checks_of(drift).values())


def test_a_reference_of_another_task_type_is_undetermined(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    tagged = put(store, {"tokens": [["a", "b"]] * 60, "tags": [["O", "O"]] * 60}, "tagging")
    drift = compare(report_of(tagged, "tagging"), reference_to(steady), base, QUICK, store)
    for check in checks_of(drift).values():
        assert "lack the column(s) tokens of tagging (they have row_id, text, label" in check.reason


def test_too_few_rows_tell_nothing(store: ObjectStore, base: BaseModel, steady: Artifact) -> None:
    few = put(store, labelled(texts(30), texts(19, SPORT)))
    drift = compare(report_of(few), reference_to(steady), base, QUICK, store)
    reasons = {check.reason for check in checks_of(drift).values()}
    assert reasons == {"200 and 49 rows; either side needs 50"}
    assert drift is not None
    assert drift.verdict is Verdict.UNDETERMINED
    assert sum(drift.lengths[1].counts) == 49


def sentences(seed: int) -> Iterator[list[str]]:
    return (text.split() for text in texts(60, seed=seed))


def made(task_type: str, seed: int) -> Columns:
    """Sixty rows of a task type."""
    plain = texts(60, seed=seed)
    by_type: dict[str, Columns] = {
        "multi_label": {"text": plain, "labels": [["a", "b"], ["b"], []] * 20},
        "regression": {"text": plain, "target": [0.5] * 60},
        "tagging": {
            "tokens": list(sentences(seed)),
            "tags": [["B-x", *["O"] * (len(one) - 1)] for one in sentences(seed)],
        },
        "question_answering": {
            "question": plain, "context": plain, "answer": [None] * 60, "answer_start": [None] * 60,
        },
        "translation": {"source": plain, "target": plain},
        "chat": {"messages": [[{"role": "user", "content": text}] for text in plain]},
        "causal_lm": {"text": plain},
    }  # fmt: skip
    return by_type[task_type]


@pytest.mark.parametrize(
    "task_type",
    [
        "multi_label",
        "regression",
        "tagging",
        "question_answering",
        "translation",
        "chat",
        "causal_lm",
    ],
)
def test_every_task_type_is_compared(store: ObjectStore, base: BaseModel, task_type: str) -> None:
    before, now = (put(store, made(task_type, seed), task_type) for seed in (0, 1))
    drift = compare(report_of(now, task_type), reference_to(before), base, QUICK, store)
    checks = checks_of(drift)
    assert Verdict.FAIL not in {check.verdict for check in checks.values()}
    assert None not in {check.effect_size for check in checks.values()}
    assert ("label_shares" in checks) == (shape_of(task_type).label_column is not None)


def test_a_base_model_other_than_the_pinned_one_is_refused(
    store: ObjectStore, base: BaseModel, steady: Artifact, shifted: Artifact
) -> None:
    with pytest.raises(BaseModelError, match="changed while the run was going on"):
        compare(
            report_of(shifted), reference_to(steady), replace(base, sha256="0" * 64), QUICK, store
        )


def test_clean_rows_that_are_gone_are_an_error(
    store: ObjectStore, base: BaseModel, steady: Artifact
) -> None:
    gone = Artifact(store.uri("clean", "gone.parquet"), "0" * 64, 1)
    with pytest.raises(StoreError, match="does not exist"):
        compare(report_of(gone), reference_to(steady), base, QUICK, store)
