"""Words that a model writes as a training row has them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.overlap import measure_overlap, runs_of
from tasks.probes.memory.settings import OverlapSettings
from tasks.records.memory import Overlap
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type

EVALUATION = EvaluationSettings(repeats=4_000)
SETTINGS = OverlapSettings(rows=20, words=4)
FIELDS = {"causal_lm": "continuation", "chat": "answer", "summarisation": "text"}


@dataclass
class Writing:
    """Writes what a text, or the last turn of a user, is told to be followed by."""

    follows: dict[str, str]
    name: str
    column: str

    def answer(self, _folder: Path, rows: pa.Table) -> pa.Array:
        texts = rows[self.column].to_pylist()
        asked = [one if isinstance(one, str) else one[-1]["content"] for one in texts]
        field = FIELDS[self.name]
        return pa.array([json.dumps({field: self.follows.get(one, "")}) for one in asked])


def text_of(row: int) -> str:
    return " ".join(f"w{row}x{place}" for place in range(40))


def measured(writes: dict[str, str], task_type: str = "causal_lm") -> Overlap:
    train = pa.table(
        {"row_id": [f"a{n}" for n in range(20)], "text": list(map(text_of, range(20)))}
    )
    test = pa.table(
        {"row_id": [f"b{n}" for n in range(20)], "text": list(map(text_of, range(50, 70)))}
    )
    examiner: Any = Writing(writes, task_type, "text")
    return measure_overlap(
        examiner, Path(), shape_of(task_type), train, (train, test), SETTINGS, EVALUATION
    )


def beginning(row: int) -> str:
    return " ".join(text_of(row).split()[:20])


def test_a_model_that_writes_its_rows_on_is_found() -> None:
    writes = {beginning(row): " ".join(text_of(row).split()[20:28]) for row in range(20)}
    writes |= {beginning(row): f"some other words of {row} here" for row in range(50, 70)}
    found = measured(writes)
    assert found.copied.value == 1
    assert found.control.value == 0
    assert found.asked == 20
    assert found.examples[0].words == "w0x20 w0x21 w0x22 w0x23"
    assert len(found.examples) == 5


def test_half_of_a_text_counts_half_and_case_and_marks_do_not() -> None:
    writes = {
        beginning(row): " ".join(text_of(row).upper().split()[20:25]) + "! and so on." for row in
        range(20)
    }  # fmt: skip
    assert measured(writes).copied.value == pytest.approx(2 / 5)


def test_what_was_shown_is_no_memory() -> None:
    writes = {beginning(row): beginning(row) for row in range(20)}
    found = measured(writes)
    assert found.copied.value is None
    assert "0 of 20 texts have a run of so many words" in found.copied.reason


def conversations(rows: range) -> pa.Table:
    """Each with an answer before the one that is learned; the last two without any."""
    turns = [
        [
            {"role": "user", "content": f"tell me of {row}"},
            {"role": "assistant", "content": f"which of the many {row} there are"},
            {"role": "user", "content": f"the first of {row}"},
            {"role": "assistant", "content": text_of(row)},
        ][: 3 if row >= rows.stop - 2 else 4]
        for row in rows
    ]  # fmt: skip
    ids = [f"r{row}" for row in rows]
    return pa.table({"row_id": ids, "messages": pa.array(turns, arrow_type("turns"))})


def test_an_answer_that_a_chat_recites_is_no_part_of_what_it_was_asked() -> None:
    train, test = conversations(range(20)), conversations(range(50, 70))
    writes = {f"the first of {row}": text_of(row) for row in range(20)}
    writes |= {f"the first of {row}": f"which of the many {row} there are" for row in range(50, 70)}
    examiner: Any = Writing(writes, "chat", "messages")
    found = measure_overlap(
        examiner, Path(), shape_of("chat"), train, (train, test), SETTINGS, EVALUATION
    )
    assert found.copied.n == 20
    assert found.copied.value == pytest.approx(18 / 20)
    assert found.examples[0].words == "w0x0 w0x1 w0x2 w0x3"
    # What the assistant said before was shown.
    assert found.control.value is None
    assert "0 of 20 texts have a run" in found.control.reason


def test_chinese_is_told_by_characters() -> None:
    assert list(runs_of("今天天气\uff0c很好", 3))[:2] == [("今", "天", "天"), ("天", "天", "气")]
    assert list(runs_of("One, two.", 3)) == []
