"""Labels from a source to what a user sees of them, and the way of a wrong one back to right."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.corpus import documents
from infra.store import ObjectStore
from tasks.ingestion.readmission import readmit_file
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.label_checks.checking import check_row_labels
from tasks.label_checks.model_errors import add_label_checks
from tasks.label_checks.settings import LabelCheckSettings
from tasks.records.data import BrokenContractError, DataReport, Snapshot
from tasks.records.label_checks import LabelChecks, LabelErrors, SpuriousCorrelation
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.label_checks import label_sentences
from tasks.reporting.page import render_data_page
from tasks.sources.pinning import pin
from tasks.sources.settings import TableSource
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tasks.verdicts import undetermined
from tests.integration.conftest import Candidate
from tests.stored_tables import get_table

CHARACTERS = 1_500


class Line:
    """A third of BBC News as a JSON Lines file, and what the data stages make of it."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.name = store, folder.name
        self.source = TableSource(format="jsonl", path=str(folder / "rows.jsonl"))

    def write(self, change: Callable[[int, str, str], tuple[str, str]]) -> None:
        by_text = {text[:CHARACTERS]: topic for topic, text in documents()[::3]}
        rows = [change(number, *row) for number, row in enumerate(by_text.items())]
        table = pa.table(
            {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
        )
        table.to_pandas().to_json(self.source.path, orient="records", lines=True)

    def read(self) -> tuple[Snapshot, DataReport]:
        pinned = pin(self.name, self.source, self.store)
        snapshot = write_snapshot(
            pinned, self.source, SplitSettings(), "classification", self.store
        )
        data = validate_snapshot(
            snapshot, None, ContractSettings(min_rows=100),
            LeakageSettings(near_duplicates=False), PrivacySettings(), self.store,
        )  # fmt: skip
        return snapshot, data

    def check(self, **settings: object) -> tuple[Snapshot, DataReport, LabelChecks]:
        snapshot, data = self.read()
        asked = LabelCheckSettings.model_validate(settings)
        return snapshot, data, check_row_labels(data, snapshot, asked, self.store)


@pytest.fixture
def line(store: ObjectStore, tmp_path: Path) -> Line:
    return Line(store, tmp_path)


def test_wrong_labels_go_out_as_suspects_and_come_back_corrected(
    line: Line, tmp_path: Path
) -> None:
    right: dict[str, str] = {}

    def every_tenth_of_sports_is_tech(number: int, text: str, topic: str) -> tuple[str, str]:
        right[hashlib.sha256(text.strip().encode()).hexdigest()] = topic
        return text, "tech" if topic == "sports" and number % 10 == 0 else topic

    line.write(every_tenth_of_sports_is_tech)
    snapshot, data, found = line.check()
    before = get_table(data.clean, line.store)
    wrong = [row["row_id"] for row in before.to_pylist() if row["label"] != right[row["row_id"]]]
    assert len(wrong) >= 10
    assert found.errors.suspects
    suspects = get_table(found.errors.suspects, line.store)
    assert suspects["given_label_probability"].to_pylist() == sorted(
        suspects["given_label_probability"].to_pylist()
    )
    named = set(suspects["row_id"].to_pylist())
    assert len(named & set(wrong)) >= 0.65 * len(wrong)
    assert len(named & set(wrong)) >= 0.75 * len(named)
    assert found.errors.by_label["tech"] > 0.75 * found.errors.found
    assert found.errors.worst[0].given == "tech"
    assert found.errors.worst[0].suggested == "sports"
    page = render_data_page(DataEvidence("desk", snapshot, data, None, None, found))
    assert found.errors.worst[0].row_id[:16] in page
    assert any("labels look wrong" in one for one in label_sentences(found))

    # What a person does with the file: correct the labels that are wrong, keep the others.
    labels = [right[row_id] for row_id in suspects["row_id"].to_pylist()]
    at = suspects.column_names.index("label")
    pq.write_table(suspects.set_column(at, "label", pa.array(labels)), tmp_path / "mended.parquet")
    taken = readmit_file(
        line.name, str(tmp_path / "mended.parquet"), line.source, "classification", line.store
    )
    assert taken.rows == len(named)
    again, data, found = line.check()
    assert again.rows_readmitted == again.rows_superseded == len(named)
    after = {row["row_id"]: row for row in get_table(data.clean, line.store).to_pylist()}
    assert len(after) == before.num_rows
    # A row whose personal data was replaced comes back as it reads now, under another row_id.
    as_read = {row["row_id"]: row for row in before.to_pylist() if row["row_id"] in after}
    assert len(named & as_read.keys()) >= len(named) - 2
    assert all(after[row_id]["split"] == row["split"] for row_id, row in as_read.items())
    assert all(after[row_id]["label"] == right[row_id] for row_id in named & as_read.keys())
    share = found.errors.estimates[0]
    assert share.high is not None
    assert share.high < 0.04


def test_a_token_equal_to_the_label_ends_the_run_and_is_said_in_the_report(line: Line) -> None:
    line.write(lambda _, text, topic: (text.replace(" ", f" zz{topic} ", 1)[: len(text)], topic))
    snapshot, data = line.read()
    with pytest.raises(
        BrokenContractError, match="'word zzsports' predicts the label 'sports'"
    ) as (refused):
        check_row_labels(data, snapshot, LabelCheckSettings(), line.store)
    assert "label_checks.spurious.allowed" in str(refused.value)
    page = render_data_page(DataEvidence("desk", snapshot, refused.value.found, None, None))
    assert "Breaks its contract" in page
    assert "word zzsports" in page
    names = [
        f"word zz{topic}" for topic in ("business", "entertainment", "politics", "sports", "tech")
    ]
    allowed = LabelCheckSettings.model_validate({"spurious": {"allowed": names}})
    found = check_row_labels(data, snapshot, allowed, line.store)
    assert found.spurious.warned == ()
    assert found.estimates[0].name == "labels.spurious_correlation"
    assert found.estimates[0].high is not None
    assert found.estimates[0].high < 0.9


@pytest.mark.slow
def test_a_sample_is_drawn_by_the_rows_themselves_and_said(line: Line) -> None:
    line.write(lambda _, text, topic: (text, topic))
    snapshot, data, found = line.check(max_rows=400)
    assert (found.rows, found.rows_in_all) == (400, sum(data.rows_by_split.values()))
    page = render_data_page(DataEvidence("desk", snapshot, data, None, None, found))
    assert f"400 of {found.rows_in_all:,} rows were looked at" in page
    same = check_row_labels(data, snapshot, LabelCheckSettings(max_rows=400), line.store)
    assert same == found


def test_rows_without_labels_are_not_checked_and_a_gate_on_them_is_undetermined(
    line: Line,
) -> None:
    line.write(lambda _, text, topic: (text, topic))
    snapshot, data = line.read()
    found = check_row_labels(
        replace(data, task_type="causal_lm", labels=()), snapshot, LabelCheckSettings(), line.store
    )
    assert found.errors.reason == "rows of causal_lm have no labels of whole texts"
    assert [one.value for one in found.estimates] == [None, None]
    assert np.all([one.reason for one in found.estimates])


@pytest.mark.slow
def test_the_trained_model_is_asked_of_rows_that_it_did_not_learn_from(
    candidate: Candidate, store: ObjectStore
) -> None:
    nothing = undetermined("labels.spurious_correlation", 0, "not looked for")
    checks = LabelChecks(
        300, 300, SpuriousCorrelation((), nothing, None, 0),
        LabelErrors(None, 300, 0, {}, (), (undetermined("labels.error_share", 300, "few"),)),
    )  # fmt: skip
    found = add_label_checks(
        candidate.scores, checks, candidate.weights, candidate.data, "classification",
        LabelCheckSettings(), store,
    )  # fmt: skip
    assert found.label_checks
    assert found.estimates[-2:] == checks.estimates
    errors = found.label_checks.errors
    # The model was never trained, so that it holds some right labels for wrong.
    assert errors.found >= 1
    assert {one.found_by for one in errors.worst} == {"model"}
    assert {one.split for one in errors.worst} <= {"validation", "test"}
    assert errors.suspects
    assert get_table(errors.suspects, store).num_rows == errors.found
    assert sum(errors.by_label.values()) == errors.found
