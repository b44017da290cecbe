"""Golden sets and behaviour suites on real files, a real store and a real model."""

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scipy.stats import binomtest

from infra.digests import as_json
from infra.errors import DataError, SettingsError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.golden import evaluate_golden_sets
from tasks.evaluation.golden_settings import BehaviourSettings, GoldenSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.ingestion.golden_sets import (
    check_gated_functionalities,
    ingest_golden_source,
    pin_golden_source,
)
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Champion
from tasks.records.golden import GoldenSet, GoldenSets
from tasks.records.registry import Version
from tasks.sources.pinning import pin
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tests.integration.conftest import Candidate
from tests.source_files import settings_of
from tests.stored_tables import get_table

WORDS = {
    "business": "shares fell bank raised rates", "film": "good bad film said",
    "sport": "match was won late goal",
}  # fmt: skip
QUICK = EvaluationSettings(repeats=4_000)


def write(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    return path


def sentence(label: str, number: int) -> str:
    """A text of a label that is like no other one."""
    mark = hashlib.sha256(f"{label} {number}".encode()).hexdigest()[:24]
    return f"{WORDS[label]} {mark}"


def labelled(rows: int, start: int = 0) -> list[tuple[str, str]]:
    labels = sorted(WORDS)
    return [(sentence(labels[n % 3], n), labels[n % 3]) for n in range(start, start + rows)]


def golden_set(path: Path, store: ObjectStore, kind: str = "golden", **source: Any) -> GoldenSet:
    """A set named after its file, ingested as a run does it."""
    settings = {"format": "csv", "path": str(path), **source}
    of_kind = {"golden": settings} if kind == "golden" else {"behaviour": {"source": settings}}
    wanted = {kind: {path.stem: of_kind[kind]}}
    ((kind_of, name, read),) = GoldenSettings.model_validate(wanted).sources()
    column = "functionality" if kind == "behaviour" else ""
    return ingest_golden_source(
        pin_golden_source(kind_of, name, read, store), read, column, "classification", store
    )


def suite_rows(passing: int = 12, templates: int = 0) -> list[tuple[str, ...]]:
    """HateCheck's columns: what is tried, the case and its label; a template where asked for."""
    rows: list[tuple[str, ...]] = []
    for place, functionality in enumerate(["plain", "negation", "slang"]):
        for number in range(passing + place):
            label = sorted(WORDS)[number % 3]
            row = (functionality, sentence(label, 5_000 + 100 * place + number), label)
            rows.append((*row, f"t{number % templates}") if templates else row)
    return rows


def source_snapshot(path: Path, store: ObjectStore, splits: SplitSettings) -> Snapshot:
    source = settings_of(format="csv", path=str(path))
    version = pin(path.parent.name, source, store)
    return write_snapshot(version, source, splits, "classification", store)


def validated(snapshot: Snapshot, store: ObjectStore, *golden: GoldenSet) -> DataReport:
    contract = ContractSettings(max_quarantine_share=0.5, languages=None)
    return validate_snapshot(
        snapshot, None, contract, LeakageSettings(), PrivacySettings(), store,
        golden=GoldenSets(golden),
    )  # fmt: skip


HEAD = ("text", "label", "split")


def split_rows() -> list[tuple[str, str, str]]:
    """90 rows, of which each tenth is of validation and each fifth but one of test."""
    rows = labelled(90)
    split = {0: "validation", 3: "test", 8: "test"}
    return [(*row, split.get(n % 10, "train")) for n, row in enumerate(rows)]


def test_training_rows_that_stand_in_a_golden_set_leave_training(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = split_rows()
    own = labelled(30, start=1_000)
    by_split = {split: [row for row in rows if row[2] == split] for split in ("train", "test")}
    equal, near, held_out = by_split["train"][0], by_split["train"][1], by_split["test"][0]
    own += [
        (equal[0].upper() + "!", equal[1]), (f"{near[0]} x", near[1]), held_out[:2],
    ]  # fmt: skip
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], own), store)
    snapshot = source_snapshot(
        write(tmp_path / "rows.csv", HEAD, rows), store, SplitSettings(column="split")
    )
    data = validated(snapshot, store, golden)
    assert golden.snapshot.rows_by_split == {"train": 0, "validation": 0, "test": 33}
    assert data.quarantined_by_reason == {"golden row": 2}
    assert data.leakage.golden == {"evaluation.golden.team": 2}
    assert data.rows_by_split == snapshot.rows_by_split | {
        "train": snapshot.rows_by_split["train"] - 2
    }
    aside = get_table(data.quarantine, store).to_pylist()
    assert {row["text"] for row in aside} == {equal[0], near[0]}
    reasons = " ".join(reason for row in aside for reason in row["reasons"])
    assert "of evaluation.golden.team: equal but for case, punctuation" in reasons
    assert "of evaluation.golden.team: Jaccard similarity 0.9" in reasons


def test_a_source_made_of_the_golden_set_ends_the_run_and_says_why(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = split_rows()
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], [row[:2] for row in rows]), store)
    snapshot = source_snapshot(
        write(tmp_path / "rows.csv", HEAD, rows), store, SplitSettings(column="split")
    )
    with pytest.raises(DataError, match=r"golden row [0-9]+\n.*are like one of a golden set"):
        validated(snapshot, store, golden)


def test_golden_rows_that_cannot_be_judged_are_one_message(
    store: ObjectStore, tmp_path: Path
) -> None:
    snapshot = source_snapshot(
        write(tmp_path / "rows.csv", HEAD, split_rows()), store, SplitSettings(column="split")
    )
    rows = [*labelled(30, 1_000), ("a text of its own", "spam"), ("", "film"), ("another", "")]
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], rows), store)
    with pytest.raises(DataError) as refused:
        validated(snapshot, store, golden)
    message = str(refused.value)
    assert "evaluation.golden.team: 1 label(s) are none of the line's: 'spam' (1)" in message
    assert "team.csv: row 32. The line's labels are business, film, sport" in message
    assert "evaluation.golden.team: 1 row(s) hold no text; the first is" in message
    assert "evaluation.golden.team: 1 row(s) hold no label; the first is" in message


def test_labels_of_a_golden_set_are_mapped_as_those_of_the_line(tmp_path: Path) -> None:
    line = settings_of(format="csv", path="rows.csv", label_map={"FIN": "business"})
    own = {"format": "csv", "path": "a.csv", "label_map": {"money": "business"}}
    suite = {"source": {"format": "csv", "path": "b.csv"}}
    settings = GoldenSettings.model_validate(
        {"golden": {"bare": suite["source"], "own": own}, "behaviour": {"suite": suite}}
    ).labelled_as(line)
    maps = {name: source.label_map for _, name, source in settings.sources()}
    assert maps == {
        "bare": {"FIN": "business"}, "own": {"money": "business"}, "suite": {"FIN": "business"},
    }  # fmt: skip


def test_a_golden_source_that_is_missing_is_said_with_its_setting(
    store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"^evaluation.golden.none: source.path: .* does not exist"):
        golden_set(tmp_path / "none.csv", store)


def test_broken_and_empty_golden_files_end_the_run(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_text("text,label\na,film\nb,film,more\n")
    with pytest.raises(DataError, match=r"evaluation.golden.broken: 1 row\(s\) cannot be read"):
        golden_set(tmp_path / "broken.csv", store)
    (tmp_path / "empty.csv").write_text("text,label\n")
    with pytest.raises(DataError, match=r"evaluation.golden.empty: .* no rows"):
        golden_set(tmp_path / "empty.csv", store)


def test_metrics_of_a_golden_set_are_those_of_its_rows(
    candidate: Candidate, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    rows = labelled(60, start=2_000)
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], rows), store)
    found = scored(candidate, None, GoldenSets((golden,)), store, tracking)
    (one,) = found.sets
    table = get_table(one.artifact, store)
    right = int(sum(table["row_score"].to_pylist()))
    assert one.rows == table.num_rows == 60
    by_name = {estimate.name: estimate for estimate in found.estimates}
    accuracy = by_name["golden.team.accuracy"]
    interval = binomtest(right, 60).proportion_ci(method="exact")
    assert accuracy.value == pytest.approx(right / 60)
    assert (accuracy.low, accuracy.high) == pytest.approx((interval.low, interval.high))
    assert by_name["golden.team.macro_f1_gain"].reason == "no version in production yet"
    sliced = [name for name in by_name if name.startswith("golden.team.slice.")]
    assert "golden.team.slice.length.q1.score_gap" in sliced
    assert {name.split(".")[0] for name in by_name} == {"golden"}


def scored(
    candidate: Candidate,
    champion: Champion | None,
    golden: GoldenSets,
    store: ObjectStore,
    tracking: Tracking,
) -> Any:
    return evaluate_golden_sets(
        candidate.weights, candidate.data, champion, golden, "classification", QUICK,
        store=store, tracking=tracking,
    )  # fmt: skip


def test_a_champion_of_the_same_weights_gains_nothing(
    candidate: Candidate, registered: Version, store: ObjectStore, tracking: Tracking,
    tmp_path: Path,
) -> None:  # fmt: skip
    champion = champion_made_with(candidate.data.clean, registered)
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], labelled(60, 3_000)), store)
    suite = golden_set(
        write(tmp_path / "suite.csv", ("functionality", "case", "gold"), suite_rows()), store,
        "behaviour", columns={"text": "case", "label": "gold"},
    )  # fmt: skip
    found = scored(candidate, champion, GoldenSets((golden, suite)), store, tracking)
    gain = next(one for one in found.estimates if one.name == "golden.team.macro_f1_gain")
    assert gain.value == 0
    assert found.sets[0].champion_version == registered.version
    for one in found.sets[1].functionalities:
        assert one.champion == pytest.approx(one.pass_rate.value)


def champion_made_with(rows: Artifact, registered: Version) -> Champion:
    return Champion(
        registered.line, registered.version, registered.weights_sha256,
        registered.manifest_sha256, data_sha256=rows.sha256, data_uri=rows.uri,
    )  # fmt: skip


def test_golden_rows_that_the_champion_was_trained_on_leave_its_comparison(
    candidate: Candidate, registered: Version, store: ObjectStore, tracking: Tracking,
    tmp_path: Path,
) -> None:  # fmt: skip
    rows, functions = labelled(160, 6_000), ["plain"] * 20 + ["negation"] * 140
    learnt = [(*row, "train") for row in rows[:20]] + [(*row, "test") for row in labelled(20)]
    snapshot = source_snapshot(
        write(tmp_path / "rows.csv", HEAD, learnt), store, SplitSettings(column="split")
    )
    champion = champion_made_with(snapshot.artifact, registered)
    team = golden_set(write(tmp_path / "team.csv", HEAD[:2], rows), store)
    told = [(function, *row) for function, row in zip(functions, rows, strict=True)]
    suite = golden_set(
        write(tmp_path / "suite.csv", ("functionality", *HEAD[:2]), told), store, "behaviour"
    )
    found = scored(candidate, champion, GoldenSets((team, suite)), store, tracking)
    gain = next(one for one in found.estimates if one.name == "golden.team.macro_f1_gain")
    assert (gain.value, gain.n) == (0, 140)
    for one in found.sets:
        assert one.champion_note == ""
        assert "20 of the 160 test rows are left out of the comparison" in one.left_out_note
        asked = get_table(one.artifact, store)["champion_row_score"]
        assert asked.null_count == 20
    champions = {one.name: one.champion for one in found.sets[1].functionalities}
    assert champions["plain"] is None
    assert champions["negation"] is not None


def test_a_champion_that_was_trained_on_most_of_a_golden_set_is_not_compared(
    candidate: Candidate, registered: Version, store: ObjectStore, tracking: Tracking,
    tmp_path: Path,
) -> None:  # fmt: skip
    rows = labelled(60, 7_000)
    learnt = [(*row, "train") for row in rows[:50]] + [(*row, "test") for row in labelled(20)]
    snapshot = source_snapshot(
        write(tmp_path / "rows.csv", HEAD, learnt), store, SplitSettings(column="split")
    )
    champion = champion_made_with(snapshot.artifact, registered)
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], rows), store)
    (one,) = scored(candidate, champion, GoldenSets((golden,)), store, tracking).sets
    gain = next(each for each in one.estimates if each.name == "golden.team.macro_f1_gain")
    assert gain.value is None
    assert "10 are left, fewer than evaluation.comparison.min_rows (100)" in gain.reason
    assert one.champion_note == gain.reason


def test_a_metric_of_few_rows_of_a_golden_set_is_undetermined(
    candidate: Candidate, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    rows = [row for row in labelled(60, 8_000) if row[1] != "sport"]
    rows += [(sentence("sport", number), "sport") for number in range(9_000, 9_012)]
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], rows), store)
    found = scored(candidate, None, GoldenSets((golden,)), store, tracking)
    by_name = {one.name: one for one in found.estimates}
    assert by_name["golden.team.accuracy"].value is not None
    recall = by_name["golden.team.recall.sport"]
    assert (recall.value, recall.n) == (None, 12)
    assert "12 rows of the golden set; evaluation.min_golden_rows asks for 30" in recall.reason


def test_a_small_golden_set_is_undetermined(
    candidate: Candidate, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], labelled(29, 4_000)), store)
    found = scored(candidate, None, GoldenSets((golden,)), store, tracking)
    assert {estimate.value for estimate in found.estimates} == {None}
    accuracy = next(one for one in found.estimates if one.name == "golden.team.accuracy")
    assert "29 rows of the golden set; evaluation.min_golden_rows asks" in accuracy.reason


def test_pass_rates_are_exact_by_functionality_worst_first(
    candidate: Candidate, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    rows = suite_rows()
    path = write(tmp_path / "suite.csv", ("functionality", "test_case", "label_gold"), rows)
    suite = golden_set(
        path, store, "behaviour", columns={"text": "test_case", "label": "label_gold"}
    )
    assert suite.rows_by_functionality == (("negation", 13), ("plain", 12), ("slang", 14))
    (one,) = scored(candidate, None, GoldenSets((suite,)), store, tracking).sets
    by_name = {estimate.name: estimate for estimate in one.estimates}
    assert set(by_name) == {
        "behaviour.suite.pass_rate",
        *(f"behaviour.suite.{name}.pass_rate" for name in ("negation", "plain", "slang")),
    }
    answers = get_table(one.artifact, store)
    right = dict(zip(answers["row_id"].to_pylist(), answers["row_score"].to_pylist(), strict=True))
    for name, texts in (
        (name, [text for function, text, _ in rows if function == name])
        for name in ("negation", "plain", "slang")
    ):
        hits = int(sum(right[hashlib.sha256(text.encode()).hexdigest()] for text in texts))
        interval = binomtest(hits, len(texts)).proportion_ci(method="exact")
        found = by_name[f"behaviour.suite.{name}.pass_rate"]
        assert (found.value, found.n) == (pytest.approx(hits / len(texts)), len(texts))
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    values = [result.pass_rate.value for result in one.functionalities]
    assert values == sorted(values)
    failed = [case for result in one.functionalities for case in result.failed]
    assert failed
    assert all(case.expected != case.answered for case in failed)
    assert {case.answered for case in failed} <= set(WORDS)


@pytest.mark.parametrize(("templates", "determined"), [(9, False), (12, True)])
def test_templates_are_drawn_and_few_of_them_are_undetermined(
    templates: int, *, determined: bool, candidate: Candidate, store: ObjectStore,
    tracking: Tracking, tmp_path: Path,
) -> None:  # fmt: skip
    rows = suite_rows(60, templates)
    path = write(tmp_path / "suite.csv", ("functionality", "text", "label", "templ_id"), rows)
    suite = golden_set(path, store, "behaviour", cluster_column="templ_id")
    (one,) = scored(candidate, None, GoldenSets((suite,)), store, tracking).sets
    for result in one.functionalities:
        assert (result.pass_rate.value is not None) is determined
        words = "clusters" if determined else f"{templates} clusters (templates)"
        assert words in (result.pass_rate.method if determined else result.pass_rate.reason)


def test_a_gate_on_a_functionality_that_no_row_tries_is_refused(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = write(tmp_path / "suite.csv", ("functionality", "text", "label"), suite_rows())
    suite = golden_set(path, store, "behaviour")
    gates = ["behaviour.suite.pass_rate", "behaviour.suite.plain.pass_rate"]
    check_gated_functionalities([suite], gates)
    with pytest.raises(SettingsError) as refused:
        check_gated_functionalities([suite], [*gates, "behaviour.suite.negatoin.pass_rate"])
    message = str(refused.value)
    assert "no row of evaluation.behaviour.suite tries 'negatoin'" in message
    assert "there are negation, plain, slang; did you mean 'negation'?" in message


def test_rows_of_a_suite_say_what_they_try(store: ObjectStore, tmp_path: Path) -> None:
    rows = [*suite_rows(), ("", "a text", "film")]
    path = write(tmp_path / "suite.csv", ("functionality", "text", "label"), rows)
    with pytest.raises(DataError, match=r"evaluation.behaviour.suite: 1 row\(s\) hold nothing"):
        golden_set(path, store, "behaviour")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"functionality_column": "label"}, "is a column of the row itself"),
        ({"source": {"format": "text_files", "path": "a"}}, "files name no columns"),
    ],
)
def test_wrong_settings_of_a_suite_are_refused(wrong: dict[str, Any], message: str) -> None:
    settings = {"source": {"format": "csv", "path": "a.csv"}} | wrong
    with pytest.raises(ValidationError, match=message):
        BehaviourSettings.model_validate(settings)


def test_records_survive_json(store: ObjectStore, tmp_path: Path) -> None:
    golden = golden_set(write(tmp_path / "team.csv", HEAD[:2], labelled(30)), store)
    assert json.loads(json.dumps(as_json(GoldenSets((golden,)))))
