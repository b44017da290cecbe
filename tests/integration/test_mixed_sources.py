"""Several sources in one line: what is read of them, what stays, and who says so."""

import csv
import hashlib
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from flows.config import load_data_config
from infra.digests import digest_of
from infra.errors import DataError
from infra.store import ObjectStore
from tasks.evaluation.features import read_sources
from tasks.ingestion.readmission import readmit_file
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import DataPage, Representation, Snapshot
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.publication import publish_data_page
from tasks.sources.pinning import pin
from tasks.sources.settings import SourceSettings
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tests.source_files import settings_of
from tests.stored_tables import get_table


def words(name: str, number: int) -> str:
    return hashlib.sha256(f"{name} {number}".encode()).hexdigest()


class Sources:
    """Files of a shop (CSV) and a forum (JSON Lines), and the database of an archive."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.folder, self.line = store, folder, folder.name
        self.shop(range(600))
        self.forum(range(150))

    def shop(self, numbers: Any, name: str = "shop.csv") -> None:
        with (self.folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label", "country"])
            writer.writerows(
                [words("shop", n), "ab"[n % 2], "de" if n % 3 else "fr"] for n in numbers
            )

    def forum(self, numbers: Any) -> None:
        rows = [{"body": words("forum", n), "topic": ["pos", "neg"][n % 2]} for n in numbers]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / "forum.jsonl").write_text(text)

    def settings(self, **more: dict[str, Any]) -> SourceSettings:
        shop = {"format": "csv", "path": f"{self.folder}/shop.csv", "group_columns": ["country"]}
        forum = {
            "format": "jsonl", "path": f"{self.folder}/forum.jsonl",
            "columns": {"text": "body", "label": "topic"}, "label_map": {"pos": "a", "neg": "b"},
        }  # fmt: skip
        found = {"shop": shop | more.pop("shop", {}), "forum": forum | more.pop("forum", {})}
        return settings_of(format="mixed", sources=found | more)

    def snapshot(
        self, settings: SourceSettings | None = None, task: str = "classification"
    ) -> Snapshot:
        settings = settings or self.settings()
        source = pin(self.line, settings, self.store)
        return write_snapshot(source, settings, SplitSettings(), task, self.store)

    def names(self, snapshot: Snapshot) -> list[str]:
        found: list[str] = get_table(snapshot.origins, self.store)["source_name"].to_pylist()
        return found


@pytest.fixture
def sources(store: ObjectStore, tmp_path: Path) -> Sources:
    return Sources(store, tmp_path)


def test_rows_of_all_sources_come_in_with_their_own_settings(sources: Sources) -> None:
    snapshot = sources.snapshot()
    table = get_table(snapshot.artifact, sources.store)
    assert table.column_names == ["row_id", "text", "label", "split", "country", "cluster"]
    assert Counter(table["label"].to_pylist()) == {"a": 375, "b": 375}
    names = sources.names(snapshot)
    countries = zip(names, table["country"].to_pylist(), strict=True)
    assert Counter(countries) == {("forum", None): 150, ("shop", "de"): 400, ("shop", "fr"): 200}
    assert snapshot.changes.labels_mapped == {"forum: neg": 75, "forum: pos": 75}
    assert [(one.name, one.rows_read, one.weight) for one in snapshot.by_source] == [
        ("forum", 150, None), ("shop", 600, None),
    ]  # fmt: skip


def test_training_rows_come_in_the_shares_of_the_weights(sources: Sources) -> None:
    whole = sources.snapshot()
    weighed = sources.snapshot(sources.settings(shop={"weight": 0.5}, forum={"weight": 0.5}))
    forum, shop = weighed.by_source
    before_forum, before_shop = whole.by_source
    assert forum.rows_by_split == before_forum.rows_by_split
    train = forum.rows_by_split["train"]
    assert shop.rows_by_split == before_shop.rows_by_split | {"train": train}
    assert shop.rows_outweighed == before_shop.rows_by_split["train"] - train
    assert weighed.rows_outweighed == shop.rows_outweighed
    assert weighed.rows_read == sum(weighed.rows_by_split.values()) + weighed.rows_outweighed
    kept = set(get_table(weighed.artifact, sources.store)["row_id"].to_pylist())
    assert kept < set(get_table(whole.artifact, sources.store)["row_id"].to_pylist())


def test_neither_the_order_of_files_nor_of_sources_changes_the_snapshot(sources: Sources) -> None:
    weights = {"shop": {"weight": 2.0}, "forum": {"weight": 1.0}}
    first = sources.snapshot(sources.settings(**weights))
    (sources.folder / "shop.csv").unlink()
    for name, numbers in (("9.csv", range(100)), ("1.csv", range(599, 99, -1))):
        sources.shop(numbers, name)
    glob = {"path": f"{sources.folder}/*.csv", "weight": 2.0}
    turned = sources.settings(shop=glob, forum={"weight": 1.0})
    again = settings_of(
        format="mixed",
        sources=dict(reversed(turned.model_dump(exclude_unset=True)["sources"].items())),
    )
    assert digest_of(sources.snapshot(again)) == digest_of(first)


def test_a_row_that_two_sources_have_is_one(sources: Sources) -> None:
    rows = [{"body": words("shop", n), "topic": "pos"} for n in (0, 2, 4)]
    with (sources.folder / "forum.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    snapshot = sources.snapshot(sources.settings(shop={"group_columns": []}))
    assert snapshot.duplicates_dropped == 3
    counts = {one.name: sum(one.rows_by_split.values()) for one in snapshot.by_source}
    assert counts == {"forum": 153, "shop": 597}


def test_each_source_keeps_to_its_own_limit_and_filter(sources: Sources) -> None:
    settings = sources.settings(
        shop={"max_rows": 50, "keep_rows": 'country == "de"'}, forum={"keep_rows": 'topic == "pos"'}
    )
    snapshot = sources.snapshot(settings)
    forum, shop = snapshot.by_source
    assert (shop.rows_left_out, forum.rows_left_out) == (200, 75)
    assert (sum(shop.rows_by_split.values()), sum(forum.rows_by_split.values())) == (50, 75)
    assert (snapshot.rows_sampled_out, snapshot.rows_outweighed) == (350, 0)


def test_a_query_is_a_source_among_others(sources: Sources) -> None:
    path = sources.folder / "archive.db"
    with sqlite3.connect(path) as base:
        base.execute("create table old (text, label)")
        base.executemany(
            "insert into old values (?, ?)", [(words("old", n), "a") for n in range(40)]
        )
    archive = {
        "format": "sql", "url": f"sqlite:///{path}", "query": "select * from old order by text",
    }  # fmt: skip
    snapshot = sources.snapshot(sources.settings(archive=archive))
    assert Counter(sources.names(snapshot)) == {"archive": 40, "forum": 150, "shop": 600}


def test_what_is_put_aside_says_its_source_and_comes_back_in(sources: Sources) -> None:
    with (sources.folder / "forum.jsonl").open("a") as file:
        file.write('{"body": \n{"body": "a text without a topic"}\n')
    weights = {"shop": {"weight": 0.5}, "forum": {"weight": 0.5}}
    settings = sources.settings(**weights)
    snapshot = sources.snapshot(settings)
    assert {one.name: one.rows_broken for one in snapshot.by_source} == {"forum": 1, "shop": 0}
    report = validate_snapshot(
        snapshot, None, ContractSettings(), LeakageSettings(), PrivacySettings(), sources.store
    )
    aside = get_table(report.quarantine, sources.store)
    assert aside["source_name"].to_pylist() == ["forum", "forum"]
    repaired = aside.slice(0, 1).set_column(2, "label", [["a"]])
    path = sources.folder / "repaired.parquet"
    pq.write_table(repaired, path)
    readmit_file(sources.line, str(path), settings, "classification", sources.store)
    again = sources.snapshot(settings)
    assert (again.rows_readmitted, again.rows_superseded) == (1, 1)
    assert again.by_source[-1].name == "readmitted"
    assert sum(again.by_source[-1].rows_by_split.values()) == 1


def test_slices_by_source_are_by_its_name(sources: Sources, tmp_path: Path) -> None:
    found = read_sources(sources.snapshot(), sources.store, tmp_path)
    assert set(found["file"].to_pylist()) == {"forum", "shop"}


def test_pairs_have_a_column_source_of_their_own(sources: Sources) -> None:
    path = sources.folder / "pairs.jsonl"
    rows = [{"source": words("s", n), "target": words("t", n)} for n in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    one = {"format": "jsonl", "path": str(path)}
    limited = one | {"max_rows": 5}
    settings = settings_of(format="mixed", sources={"news": one, "web": limited})
    snapshot = sources.snapshot(settings, "translation")
    assert "source" in get_table(snapshot.artifact, sources.store).column_names
    assert Counter(sources.names(snapshot)) == {"news": 60}


def test_labels_that_one_source_gives_are_known_in_all(sources: Sources) -> None:
    aside = {"unmapped_labels": "quarantine"}
    shop = aside | {"label_map": {"x": "y"}}
    snapshot = sources.snapshot(sources.settings(shop=shop, forum=aside))
    assert snapshot.changes.labels_unmapped == ()
    forum = aside | {"label_map": {"pos": "a"}}
    snapshot = sources.snapshot(sources.settings(shop=shop, forum=forum))
    assert snapshot.changes.labels_unmapped == ("b", "neg")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"shop": {"path": "/nowhere.csv"}}, r"sources\.shop: source\.path: /nowhere\.csv"),
        ({"forum": {"columns": {}}}, r"sources\.forum: .* has no column 'text'"),
        ({"shop": {"keep_rows": 'contry == "de"'}}, r"sources\.shop: .*did you mean 'country'"),
        ({"shop": {"keep_rows": 'country == "x"', "weight": 1}, "forum": {"weight": 1}},
         r"sources\.shop has the weight 1 and no training row"),
    ],
)  # fmt: skip
def test_a_mistake_says_its_source(sources: Sources, more: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        sources.snapshot(sources.settings(**more))


def test_a_source_without_rows_is_refused(sources: Sources) -> None:
    sources.shop([])
    with pytest.raises(DataError, match=r"sources\.shop holds no rows"):
        sources.snapshot()


def test_a_settings_file_of_several_sources_comes_to_a_page_that_shows_each(
    store: ObjectStore, tmp_path: Path
) -> None:
    for name, rows in (("shop", 300), ("forum", 90)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label", "stars"])
            writer.writerows(
                [f"<p>{words(name, n)} &amp; more</p>", ["Pos", "neg "][n % 2], n % 5 + 1]
                for n in range(rows)
            )
    one = "{format: csv, keep_rows: stars != 3, strip_html: true, normalise_labels: [lower]"
    path = tmp_path / "mixed.yaml"
    path.write_text(
        "line: mixed\nsources:\n"
        f"  shop: {one}, path: shop.csv, label_map: {{pos: good, neg: bad, x: bad}}, weight: 1}}\n"
        f"  forum: {one}, path: forum.csv, label_map: {{pos: good, neg: bad}}, weight: 1}}\n"
        "contract: {labels: [good, bad]}\n"
    )
    config = load_data_config(path)
    source = pin("mixed", config.source, store)
    snapshot = write_snapshot(source, config.source, config.splits, config.task_type, store)
    report = validate_snapshot(
        snapshot, None, config.contract, config.leakage, config.privacy, store
    )
    evidence = DataEvidence("mixed", snapshot, report, Representation({}, (), (), ""), None)
    page = publish_data_page(evidence, store=store)
    forum, shop = page.by_source
    assert (shop.rows_read, shop.rows_left_out) == (300, 60)
    assert shop.rows_by_split["train"] == forum.rows_by_split["train"]
    assert page.changes.rows_with_html == 312
    assert page.changes.labels_mapped["shop: x"] == 0
    assert page.rows_clean == 312 - shop.rows_outweighed
    assert report.rows_by_label.keys() == {"good", "bad"}
    shown = store.get_bytes(page.html.uri).decode()
    assert "Rows by source" in shown
    assert "no label of the source is written so" in shown
    for kind, record in ((Snapshot, snapshot), (DataPage, page)):
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        assert adapter.validate_json(adapter.dump_json(record)) == record
