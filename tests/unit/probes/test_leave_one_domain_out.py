"""Domains that are left out: which can be, what is learned without them, and what that costs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from infra.errors import DataError
from infra.store import ObjectStore
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.leave_one_domain_out import measuring
from tasks.probes.leave_one_domain_out.domains import (
    DomainRows,
    _with_domains,
    cut_domain,
    find_domains,
)
from tasks.probes.leave_one_domain_out.measuring import add_left_out_domains
from tasks.probes.leave_one_domain_out.settings import LeaveOneDomainOutSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.leave_one_domain_out import Domain, Domains
from tasks.records.training import Tokens
from tasks.resampling_units import MIN_CLUSTERS
from tasks.tokenization.base_model import pin
from tasks.tokenization.settings import BaseModelSettings, TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tests.unit.probes.conftest import Model, Planted, rows_of
from tests.unit.probes.domain_rows import LABELS, NONE, report_of, row, snapshot_of

EVALUATION = EvaluationSettings(repeats=4_000)
SIZES = {"train": {"east": 40, "north": 30, "west": 8}, "validation": {"east": 6, "north": 5},
         "test": {"east": 25, "north": 30, "west": 9}}  # fmt: skip
SCORES = Scores(
    artifact=NONE, labels=LABELS, rows=64, estimates=(), confusion=(), calibration=(),
    champion_version=None, champion_note="",
)  # fmt: skip


def asked(**more: Any) -> LeaveOneDomainOutSettings:
    return LeaveOneDomainOutSettings.model_validate({"column": "shop", "min_rows": 20, **more})


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FolderStore(tmp_path / "store")


def shops(**more: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Reviews in three shops, and some of which no shop is known."""
    made = [
        row(split, number, shop, f"{shop} {'good' if number % 2 else 'bad'} film {number}",
            LABELS[number % 2], **{name: of(number) for name, of in more.items()})
        for split, sizes in SIZES.items()
        for shop, count in sizes.items()
        for number in range(count)
    ]  # fmt: skip
    return [*made, row("train", 0, None, "good", "good"), row("test", 0, None, "bad", "bad")]


def found(
    rows: list[dict[str, Any]], store: ObjectStore, folder: Path, **more: Any
) -> Domains:  # fmt: skip
    data, snapshot = report_of(rows, store, folder), snapshot_of(store, folder)
    return find_domains(data, snapshot, "classification", asked(**more), store=store)


def test_domains_are_those_with_most_test_rows_and_too_few_are_not_trained_without(
    store: ObjectStore, tmp_path: Path
) -> None:
    told = found(shops(), store, tmp_path)
    assert [(one.name, one.train_rows, one.validation_rows, one.test_rows) for one in told.asked] \
        == [("north", 30, 5, 30), ("east", 40, 6, 25), ("west", 8, 0, 9)]  # fmt: skip
    assert [one.name for one in told.trained] == ["north", "east"]
    assert told.asked[2].reason == (
        "9 test rows are of west, fewer than probes.leave_one_domain_out.min_rows (20)"
    )
    assert (told.others, told.train_rows) == (0, 79)
    two = found(shops(), store, tmp_path, max_trainings=2)
    assert (two.asked, two.others) == (told.asked[:2], 1)
    named = found(shops(), store, tmp_path, values=["west", "east"])
    assert ([one.name for one in named.asked], named.others) == (["west", "east"], 1)


def test_what_would_leave_nothing_to_learn_from_or_to_compare_is_not_trained(
    store: ObjectStore, tmp_path: Path
) -> None:
    def reasons(changed: Callable[[dict[str, Any]], bool]) -> dict[str, str]:
        kept = [one for one in shops() if not changed(one)]
        return {one.name: one.reason for one in found(kept, store, tmp_path).asked}

    unlearned = reasons(lambda one: one["split"] == "train" and one["shop"] == "east")
    assert unlearned["east"].startswith("no training row is of east")
    assert not unlearned["north"]
    alone = reasons(lambda one: one["split"] == "validation" and one["shop"] != "east")
    assert alone["east"] == "all validation rows are of east, so that none would be left"
    label = reasons(
        lambda one: one["split"] == "train" and one["shop"] != "east" and one["label"] == "good"
    )
    assert label["east"].startswith("all training rows with the label good are of east")
    assert not label["north"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"column": "town"}, "which is none of source.group_columns .shop, sold."),
        ({"column": "source"}, "column is source, and the line has one; name several under"),
        ({"values": ["south"]}, r"values names \['south'\], of which no clean row is; .* east, no"),
        ({"column": "sold"}, r"one value of it .'2026-01-05'.: nothing would be left"),
        ({"span": "month"}, "has 'east' in one of 153 clean rows, which is no date; right would"),
    ],
)
def test_a_wrong_column_is_told_before_anything_is_trained(
    store: ObjectStore, tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        found(shops(), store, tmp_path, **more)


@pytest.mark.parametrize(("span", "name"), [("month", "2025-12"), ("year", "2025")])
def test_dates_are_left_out_by_span(
    store: ObjectStore, tmp_path: Path, span: str, name: str
) -> None:
    days = ["2025-12-31", "2026-01-01T09:00:00Z", " 2026-02-28", "2026-02"]
    rows = shops(sold=lambda number: days[number % 4])
    told = found(rows, store, tmp_path, column="sold", span=span)
    counts = {one.name: one.test_rows for one in told.asked}
    assert counts[name] == sum(
        one["split"] == "test" and one["sold"] == "2025-12-31" for one in rows
    )
    assert sum(counts.values()) == sum(one["split"] == "test" for one in rows)
    for wrong in ("2026-13-01", "31.12.2025", "20251231"):
        rows[0]["sold"] = wrong
        if (span, wrong) != ("year", "2026-13-01"):
            with pytest.raises(DataError, match=f"{wrong!r} in one of 1 clean rows"):
                found(rows, store, tmp_path, column="sold", span=span)


def test_sources_are_domains_and_a_row_may_be_of_several_groups(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = shops()
    sources = {one["row_id"]: f"source-{one['shop']}" for one in rows}
    wanted = asked(column="source")
    data, snapshot = report_of(rows, store, tmp_path), snapshot_of(store, tmp_path, sources)
    told = find_domains(data, snapshot, "classification", wanted, store=store)
    assert {one.name: one.test_rows for one in told.asked} == {
        "source-north": 30, "source-east": 25, "source-west": 9, "source-None": 1,
    }  # fmt: skip
    for one in rows:
        one["shop"] = "east| west|east" if one["shop"] == "east" else one["shop"]
    both = {one.name: one.test_rows for one in found(rows, store, tmp_path).asked}
    assert both == {"east": 25, "north": 30, "west": 34}


@settings(max_examples=40)
@given(st.lists(st.one_of(st.none(), st.text(alphabet="ab|", max_size=5)), max_size=30))
def test_rows_are_of_the_domains_that_their_value_names(values: list[str | None]) -> None:
    rows = pa.table(
        {"row_id": [str(n) for n in range(len(values))], "split": ["test"] * len(values)}
    )
    told: DomainRows = _with_domains(rows, pa.chunked_array([pa.array(values, pa.string())]))
    sets = [set((value or "").split("|")) - {""} for value in values]
    assert set(told.names) == set().union(*sets)
    for name, count in zip(told.names, told.counts("test"), strict=True):
        assert told.of(name).tolist() == [name in one for one in sets]
        assert count == told.of(name).sum()


@pytest.fixture
def line(
    store: ObjectStore, tmp_path: Path, tiny_model: Path
) -> tuple[DataReport, Tokens, Any]:  # fmt: skip
    data = report_of(shops(), store, tmp_path)
    base = pin(BaseModelSettings(reference=str(tiny_model)))
    assert base is not None
    wanted = TokenizationSettings(max_length=8)
    return data, tokenize_splits(store, data, base, "classification", wanted), base


def test_neither_training_nor_validation_rows_of_the_domain_are_learned(
    store: ObjectStore, tmp_path: Path, line: tuple[DataReport, Tokens, Any]
) -> None:
    data, whole, _ = line
    snapshot = snapshot_of(store, tmp_path)

    def ids(tokens: Tokens, split: str) -> list[str]:
        folder = store.get_folder(tokens.artifact, tmp_path / tokens.artifact.sha256 / split)
        with pa.OSFile(str(folder / f"{split}.arrow"), "rb") as source:
            return pa.ipc.open_file(source).read_all()["row_id"].to_pylist()  # type: ignore[no-any-return]

    cut = cut_domain(whole, data, snapshot, "classification", asked(), "east", store=store)
    for split, gone in (("train", 40), ("validation", 6), ("test", 0)):
        before, after = ids(whole, split), ids(cut, split)
        keeps = split == "test"
        assert after == [one for one in before if keeps or not one.endswith("east")]
        assert cut.rows_by_split[split] == len(after) == whole.rows_by_split[split] - gone
        is_less = cut.tokens_by_split[split] < whole.tokens_by_split[split]
        assert is_less is not keeps
    again = cut_domain(whole, data, snapshot, "classification", asked(), "east", store=store)
    assert again == cut


def told_by(
    test: pa.Table, ours: Model, theirs: Model, evaluation: EvaluationSettings = EVALUATION
) -> tuple[measuring._Asked, pa.Table]:
    from tasks.task_types.examiner import examiner_of
    from tasks.task_types.limits import TokenLimits

    plain = examiner_of("classification", LABELS, TokenLimits(8))
    one, other = (Planted(plain, evaluation, model) for model in (ours, theirs))
    answers = one.predict(Path(), test)
    leading = one.measure(test, answers).leading
    return measuring._Asked(test, answers, one, leading), other.predict(Path(), test)


def test_a_drop_is_the_candidate_less_the_other_model_on_the_rows_of_the_domain() -> None:
    texts = [(f"{'east' if n % 2 else 'west'} {n % 4 // 2} {n}", LABELS[n % 4 // 2])
             for n in range(160)]  # fmt: skip
    test = rows_of(texts)

    def right(text: str) -> float:
        return 0.9 if text.split()[1] == "1" else 0.1

    def unlearned(text: str) -> float:
        """Wrong on half of the rows of the east, which it did not learn."""
        wrong = text.startswith("east") and int(text.split()[2]) % 8 < 4
        return 1 - right(text) if wrong else right(text)

    known, answers = told_by(test, right, unlearned)
    members = np.array([text.startswith("east") for text, _ in texts])
    domain = Domain("east", 40, 6, 80)
    family = "leave_one_domain_out.shop.east"
    told = {one.name: one for one in known.told(domain, family, members, answers).estimates}
    assert {f"{family}.accuracy", f"{family}.accuracy_drop", f"{family}.elsewhere.accuracy_drop"} \
        <= told.keys()  # fmt: skip
    drop, elsewhere = told[f"{family}.accuracy_drop"], told[f"{family}.elsewhere.accuracy_drop"]
    assert told[f"{family}.accuracy"].value == pytest.approx(0.5)
    assert (drop.value, drop.n) == (pytest.approx(0.5), 80)
    assert drop.low is not None
    assert drop.low > 0.3
    assert (elsewhere.value, elsewhere.n) == (0.0, 80)
    nowhere = known.told(domain, family, np.ones(160, dtype=bool), answers).elsewhere
    assert {one.reason for one in nowhere} == {"no test row is of another domain"}
    few = rows_of(texts, cluster=[f"author {n % (MIN_CLUSTERS - 1)}" for n in range(160)])
    clustered, answers = told_by(few, right, unlearned)
    lone = clustered.told(domain, family, members, answers).drops
    assert all("clusters say too little" in one.reason for one in lone)


def test_the_whole_probe_asks_each_model_and_tells_what_was_not_trained(
    store: ObjectStore, tmp_path: Path, line: tuple[DataReport, Tokens, Any]
) -> None:
    data, tokens, base = line
    wanted = asked(min_rows=26)
    snapshot = snapshot_of(store, tmp_path)
    domains = find_domains(data, snapshot, "classification", wanted, store=store)
    training = TrainingSettings(
        epochs=1, batch_size=32, batching="padded", precision="float32", compile="off"
    )
    weights = train_model(store, NoTracking(), "x", tokens, base, "classification", training)
    made = add_left_out_domains(
        SCORES, weights, data, snapshot, domains, [weights], "classification", wanted,
        EVALUATION, store=store,
    )  # fmt: skip
    told = made.leave_one_domain_out
    assert told is not None
    assert made.estimates == told.estimates
    assert (told.rows, told.data_sha256) == (65, data.clean.sha256)
    north, east, west = told.left_out
    # The same model with another name has no drop.
    assert {one.value for one in (*north.drops, *north.elsewhere)} == {0.0}
    assert {one.n for one in north.drops} == {30}
    for one in (east, west):
        assert one.domain.reason
        assert {each.reason for each in one.estimates} == {one.domain.reason}
        assert [each.name.rpartition(".")[2] for each in one.estimates] == [
            each.name.rpartition(".")[2] for each in north.estimates
        ]


@pytest.mark.slow
def test_a_domain_with_words_of_its_own_is_found_and_others_are_not(
    store: ObjectStore, tmp_path: Path, tiny_model: Path
) -> None:
    """East says good and bad in words that no other shop has; all other shops speak alike."""
    random = np.random.default_rng(0)
    words = {"east": ("won", "late")}
    rows = [
        row(split, number, shop, f"{random.choice(['the', 'a', 'they'])} film {word}", label)
        for split, count in (("train", 120), ("validation", 40), ("test", 80))
        for shop in ("east", "north", "west")
        for number in range(count)
        for label, word in [(LABELS[number % 2], words.get(shop, ("bad", "good"))[number % 2])]
    ]
    data, snapshot = report_of(rows, store, tmp_path), snapshot_of(store, tmp_path)
    base = pin(BaseModelSettings(reference=str(tiny_model)))
    assert base is not None
    whole = tokenize_splits(store, data, base, "classification", TokenizationSettings(max_length=8))
    training = TrainingSettings(
        epochs=8, learning_rate=5e-3, batch_size=16, batching="padded", precision="float32",
        compile="off",
    )  # fmt: skip
    wanted = asked()
    domains = find_domains(data, snapshot, "classification", wanted, store=store)
    weights, *unseen = (
        train_model(store, NoTracking(), "x", tokens, base, "classification", training)
        for tokens in (
            whole,
            *(
                cut_domain(whole, data, snapshot, "classification", wanted, one.name, store=store)
                for one in domains.trained
            ),
        )
    )
    made = add_left_out_domains(
        SCORES, weights, data, snapshot, domains, unseen, "classification", wanted, EVALUATION,
        store=store,
    )  # fmt: skip
    told = {one.name.removeprefix("leave_one_domain_out.shop."): one for one in made.estimates}
    east = told["east.accuracy_drop"]
    assert east.low is not None
    assert east.low > 0.2
    for name in ("north.accuracy_drop", "west.accuracy_drop", "east.elsewhere.accuracy_drop"):
        assert told[name].high is not None
        assert told[name].high < 0.1
