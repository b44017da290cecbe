"""New rows on a real store: kept with their parents, held against the contract, and learned."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.store import ObjectStore
from tasks.augmentation.augmenting import augment_rows
from tasks.augmentation.settings import AugmentationSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.training_rows import shared_rows
from tasks.records.augmentation import Augmentation
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Champion
from tasks.records.golden import GoldenSet, GoldenSets
from tasks.records.training import BaseModel
from tasks.task_types.row_identities import row_ids_of
from tasks.task_types.row_shapes import shape_of
from tasks.text_normalisation import normalise
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.new_rows import Contract, refuse_new_rows
from tasks.validation.personal_data.settings import PrivacySettings

KIND = "classification"
SHAPE = shape_of(KIND)
METHODS: dict[str, Any] = {
    "word_swap": {"share": 0.3}, "word_deletion": {"share": 0.2}, "word_insertion": {"share": 0.1},
    "keyboard_noise": {"share": 0.2},
}  # fmt: skip
CONTRACT = Contract(
    ContractSettings(), LeakageSettings(near_duplicates=False),
    PrivacySettings.model_validate({"policy": {"name": "allow"}}),
)  # fmt: skip


def augmented(
    store: ObjectStore,
    data: DataReport,
    base: BaseModel,
    asked: Contract = CONTRACT,
    golden: GoldenSets | None = None,
    **methods: Any,
) -> Augmentation:
    refusal = partial(
        refuse_new_rows, data=data, base=base, golden=golden, asked=asked, store=store
    )
    settings = AugmentationSettings.model_validate(methods or METHODS)
    return augment_rows(store, data, golden, KIND, settings, refusal)


def rows_in(store: ObjectStore, made: Augmentation, folder: Path) -> list[dict[str, Any]]:
    path = store.get_file(made.artifact, folder / "augmented.parquet")
    return pq.read_table(path).to_pylist()


def clean_rows(store: ObjectStore, data: DataReport, folder: Path) -> pa.Table:
    return pq.read_table(store.get_file(data.clean, folder / "clean.parquet"))


@pytest.fixture(scope="module")
def lines(
    store: ObjectStore,
    topics: tuple[DataReport, BaseModel],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[DataReport, BaseModel]:
    """The topics as validation leaves them: with a column of clusters, of which none is named."""
    data, base = topics
    folder = tmp_path_factory.mktemp("lines")
    rows = clean_rows(store, data, folder)
    rows = rows.append_column("cluster", pa.nulls(rows.num_rows, pa.string()))
    pq.write_table(rows, folder / "rows.parquet")
    clean = store.put_file(store.uri("clean", "topics-clustered.parquet"), folder / "rows.parquet")
    return dataclasses.replace(data, clean=clean), base


@pytest.fixture(scope="module")
def made(store: ObjectStore, lines: tuple[DataReport, BaseModel]) -> Augmentation:
    return augmented(store, *lines)


def test_new_rows_are_kept_with_their_parents(
    store: ObjectStore,
    made: Augmentation,
    lines: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    rows = rows_in(store, made, tmp_path)
    clean = clean_rows(store, lines[0], tmp_path)
    parents = {row["row_id"]: row for row in clean.to_pylist()}
    assert len(rows) == made.rows == sum(one.made for one in made.methods)
    assert made.training_rows == 200
    assert made.parents == len({row["parent_id"] for row in rows})
    for row in rows:
        parent = parents[row["parent_id"]]
        assert (parent["split"], row["split"]) == ("train", "train")
        assert row["label"] == parent["label"]
    table = pa.table({"text": [row["text"] for row in rows]})
    assert [row["row_id"] for row in rows] == row_ids_of(table, SHAPE)
    assert [row["row_id"] for row in rows] == sorted(row["row_id"] for row in rows)
    held_out = {normalise(row["text"]) for row in parents.values() if row["split"] != "train"}
    assert not held_out & {normalise(row["text"]) for row in rows}
    by_name = {one.method: one for one in made.methods}
    assert by_name["word_swap"].made <= by_name["word_swap"].asked == 60
    assert all(one.asked - one.made == _refused(one.left_out) for one in made.methods)
    assert all(one.examples for one in made.methods)


def _refused(left_out: dict[str, int]) -> int:
    return sum(rows for reason, rows in left_out.items() if reason.startswith("contract: "))


def test_the_same_rows_are_made_again_whatever_the_order_of_the_file(
    store: ObjectStore,
    made: Augmentation,
    lines: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    data, base = lines
    assert augmented(store, data, base) == made
    turned = clean_rows(store, data, tmp_path)
    turned = turned.take(list(reversed(range(turned.num_rows))))
    pq.write_table(turned, tmp_path / "turned.parquet")
    uri = store.uri("clean", "topics-turned.parquet")
    other = dataclasses.replace(data, clean=store.put_file(uri, tmp_path / "turned.parquet"))
    assert augmented(store, other, base) == made


def test_a_row_that_the_contract_refuses_is_left_out_and_counted(
    store: ObjectStore, lines: tuple[DataReport, BaseModel], tmp_path: Path
) -> None:
    shortest = dataclasses.replace(CONTRACT, contract=ContractSettings(min_text_length=60))
    made = augmented(store, *lines, asked=shortest, word_swap={"share": 1.0})
    (method,) = made.methods
    assert made.rows == method.made < method.asked == 200
    refused = [rows for reason, rows in method.left_out.items() if "contract: " in reason]
    assert sum(refused) > 20
    assert method.asked == method.made + sum(method.left_out.values())  # each was drawn once
    assert any("length" in reason or "short" in reason for reason in method.left_out)
    assert all(len(row["text"]) >= 60 for row in rows_in(store, made, tmp_path))


def test_each_new_row_is_refused_for_what_is_wrong_with_it(
    store: ObjectStore, lines: tuple[DataReport, BaseModel], tmp_path: Path
) -> None:
    data, base = lines
    clean = clean_rows(store, data, tmp_path)
    held_out = clean.filter(pa.compute.equal(clean["split"], "test")).to_pylist()[0]
    own, label = held_out["text"].upper(), held_out["label"]
    texts = ["write to ada@example.com now", "a good film said", own, "x" * 20_000]
    rows = pa.table(
        {
            "row_id": [f"{n:x}" * 64 for n in (15, 3, 9, 1)], "text": texts,
            "label": ["film", "film", label, "film"], "split": ["train"] * 4,
            "cluster": pa.nulls(4, pa.string()),
        },
        schema=clean.schema,
    )  # fmt: skip
    asked = dataclasses.replace(CONTRACT, contract=ContractSettings(max_text_length=10_000))
    reasons = refuse_new_rows(rows, data, base, None, asked, store)
    assert reasons[0] == "personal data"
    assert reasons[1] == ""
    assert "held-out" in reasons[2]
    assert reasons[3] not in {"", *reasons[:3]}


def test_near_duplicates_of_held_out_rows_are_left_out(
    store: ObjectStore, lines: tuple[DataReport, BaseModel], tmp_path: Path
) -> None:
    """Texts of words in any order are alike; the parents themselves are not asked."""
    near = dataclasses.replace(
        CONTRACT, leakage=LeakageSettings(jaccard_threshold=0.5, across_splits="report")
    )
    made = augmented(store, *lines, asked=near)
    refused = {reason for one in made.methods for reason in one.left_out}
    plain = augmented(store, *lines)
    assert made.rows < plain.rows
    assert "contract: near-duplicate in a held-out split" in refused


def test_a_golden_row_is_no_new_row(
    store: ObjectStore, lines: tuple[DataReport, BaseModel], tmp_path: Path
) -> None:
    data, base = lines
    free = augmented(store, data, base, word_swap={"share": 0.1})
    wanted = rows_in(store, free, tmp_path)[0]
    rows = pa.Table.from_pylist(
        [
            {"row_id": "0" * 64, "text": wanted["text"].upper(), "label": wanted["label"],
             "split": "test", "cluster": None}
        ],
        schema=pa.schema([(name, pa.string()) for name in
                          ("row_id", "text", "label", "split", "cluster")]),
    )  # fmt: skip
    path = tmp_path / "golden.parquet"
    pq.write_table(rows, path)
    artifact = store.put_file(store.uri("snapshots", "golden.parquet"), path)
    snapshot = Snapshot(artifact, artifact, KIND, 1, {}, 0, 0, 0, 0, {"test": 1}, (), artifact)
    golden = GoldenSets((GoldenSet("golden", "team", snapshot),))
    made = augmented(store, data, base, golden=golden, word_swap={"share": 0.1})
    assert made.methods[0].left_out["a held-out text"] == 1
    forms = {normalise(row["text"]) for row in rows_in(store, made, tmp_path)}
    assert normalise(wanted["text"]) not in forms
    assert made.rows == free.rows  # another one stands in for it


def test_tokens_hold_the_new_rows_behind_those_of_the_training_split_alone(
    store: ObjectStore,
    made: Augmentation,
    lines: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    data, base = lines
    settings = TokenizationSettings(max_length=32)
    plain = tokenize_splits(store, data, base, KIND, settings)
    tokens = tokenize_splits(store, data, base, KIND, settings, made)
    assert (plain.augmented_rows, tokens.augmented_rows) == (0, made.rows)
    assert tokens.rows_by_split == {**plain.rows_by_split, "train": 200 + made.rows}
    assert plain.artifact != tokens.artifact
    folders = [store.get_folder(one.artifact, tmp_path / str(n)) for n, one in
               enumerate((plain, tokens))]  # fmt: skip
    for split in ("validation", "test"):
        one, other = ((folder / f"{split}.arrow").read_bytes() for folder in folders)
        assert one == other
    with pa.memory_map(str(folders[1] / "train.arrow")) as source:
        ids = pa.ipc.open_file(source).read_all()["row_id"].to_pylist()
    with pa.memory_map(str(folders[0] / "train.arrow")) as source:
        assert ids[:200] == pa.ipc.open_file(source).read_all()["row_id"].to_pylist()
    assert ids[200:] == [row["row_id"] for row in rows_in(store, made, tmp_path)]


def test_a_version_has_learned_the_rows_that_were_made_for_it(
    store: ObjectStore,
    made: Augmentation,
    lines: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    """By its parents, and by the new text itself where a later test row has it."""
    data, _ = lines
    new = rows_in(store, made, tmp_path)[0]
    clean = clean_rows(store, data, tmp_path)
    test = clean.filter(pa.compute.equal(clean["split"], "test")).slice(0, 40)
    parent = clean.filter(pa.compute.equal(clean["row_id"], new["parent_id"]))
    texts = [*test["text"].to_pylist(), new["text"].upper(), *parent["text"].to_pylist()]
    asked = pa.table(
        {"row_id": [f"asked {n}" for n in range(42)], "text": texts,
         "label": [*test["label"].to_pylist(), new["label"], new["label"]]}
    )  # fmt: skip
    version = Champion("l", 1, "w", "", "", data.clean.sha256, data.clean.uri)
    other = dataclasses.replace(data, clean=dataclasses.replace(data.clean, sha256="f" * 64))
    settings = EvaluationSettings().comparison
    path = tmp_path / "clean.parquet"

    def seen(version: Champion, data: DataReport) -> list[int]:
        found = shared_rows(version, data, asked, path, SHAPE, settings, store)
        return [n for n, kept in enumerate(found.kept.tolist()) if not kept]

    learned = dataclasses.replace(
        version, augmented_sha256=made.artifact.sha256, augmented_uri=made.artifact.uri
    )
    assert seen(version, other) == [41]
    assert seen(learned, other) == [40, 41]
    assert seen(version, data) == []
    assert seen(learned, data) == [40]
    lost = dataclasses.replace(learned, augmented_uri=store.uri("augmented", "gone.parquet"))
    found = shared_rows(lost, data, asked, path, SHAPE, settings, store)
    assert not found.kept.any()
    assert "cannot be read" in found.reason
