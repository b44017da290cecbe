"""How much of what a model writes stands word for word in rows that it learned."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.exposure import mean_estimate
from tasks.probes.memory.settings import FAMILY, OverlapSettings
from tasks.records.memory import Copied, Overlap
from tasks.task_types.examiner import Examiner
from tasks.task_types.rows import RowShape, arrow_type, texts_of
from tasks.task_types.unspaced import UNSPACED
from tasks.task_types.written_answers import ASSISTANT, WRITTEN, written_texts
from tasks.text_normalisation import normalise
from tasks.verdicts import Estimate, undetermined

OVERLAP, CONTROL = "verbatim_overlap", "verbatim_overlap_control"
# Words of a text that the model is asked to go on from.
BEGUN_WORDS: Final = 32
EXAMPLES_SHOWN: Final = 5
# Texts with a run of words, with fewer nothing is told.
MIN_TEXTS: Final = 10
# A character of a script without spaces, or what stands between two spaces.
WORD: Final = re.compile(rf"{UNSPACED.pattern}|(?:(?!{UNSPACED.pattern})\S)+")

Run = tuple[str, ...]


@dataclass(frozen=True)
class WrittenRuns:
    """Runs of words that a model wrote.

    Attributes:
        row_id: of the row that it was asked about.
        runs: in the text, those left out that stand in what it was asked.

    """

    row_id: str
    runs: tuple[Run, ...]


def measure_overlap(
    examiner: Examiner,
    model: Path,
    shape: RowShape,
    learned: pa.Table,
    sides: tuple[pa.Table, pa.Table],
    settings: OverlapSettings,
    evaluation: EvaluationSettings,
) -> Overlap:
    """The share of the runs of words of each written text that stand in a training row.

    A run that stands in what was asked is no memory of anything, and counts nowhere.

    Args:
        examiner: of the task type, whose answers are the served model's.
        model: folder of it.
        shape: of the task type.
        learned: all training rows.
        sides: training rows that are asked about, and test rows.
        settings: how many rows, and how long a run is.
        evaluation: how intervals are made.

    Raises:
        BaseModelError, TrainingError: the model cannot be asked.

    """
    texts = [_write(examiner, model, shape, rows.slice(0, settings.rows), settings.words)
             for rows in sides]  # fmt: skip
    known = _known({run for side in texts for text in side for run in text.runs}, shape, learned,
                   settings.words)  # fmt: skip
    copied = [replace(text, runs=tuple(run for run in text.runs if run in known))
              for text in texts[0]]  # fmt: skip
    return Overlap(
        words=settings.words,
        asked=len(texts[0]),
        copied=_mean(f"{FAMILY}.{OVERLAP}", texts[0], known, evaluation),
        control=_mean(f"{FAMILY}.{CONTROL}", texts[1], known, evaluation),
        examples=tuple(Copied(text.row_id, " ".join(text.runs[0])) for text in copied if text.runs)[
            :EXAMPLES_SHOWN
        ],
    )


def _write(
    examiner: Examiner, model: Path, shape: RowShape, rows: pa.Table, words: int
) -> list[WrittenRuns]:
    begun = WRITTEN[shape.task_type].begun
    asked = _begun(rows, begun) if begun else _without_answers(rows, shape)
    answers = written_texts(examiner, model, asked)
    prompts = texts_of(shape, asked).to_pylist()
    ids = rows["row_id"].to_pylist()
    found = []
    for row_id, prompt, answer in zip(ids, prompts, answers, strict=True):
        given = set(runs_of(prompt or "", words))
        runs = tuple(run for run in runs_of(answer, words) if run not in given)
        found.append(WrittenRuns(row_id, runs))
    return found


def _without_answers(rows: pa.Table, shape: RowShape) -> pa.Table:
    """The rows as a model is asked them: of a chat up to the last turn of its user.

    The turn behind it is the answer that was learned, and is shown to nobody.
    """
    for column in shape.inputs:
        if column.kind == "turns":
            asked = [_asked_turns(turns) for turns in rows[column.name].to_pylist()]
            place = rows.column_names.index(column.name)
            rows = rows.set_column(place, column.name, pa.array(asked, arrow_type(column.kind)))
    return rows


def _asked_turns(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    return turns[:-1] if turns and turns[-1]["role"] == ASSISTANT else turns


def _begun(rows: pa.Table, column: str) -> pa.Table:
    """The rows with the beginning of a text each."""
    texts = [_beginning(text) for text in rows[column].to_pylist()]
    place = rows.column_names.index(column)
    return rows.set_column(place, column, pa.array(texts, pa.string()))


def _beginning(text: str) -> str:
    """The first words of a text as they stand there; half of one that has fewer than twice so many.

    Of a script without spaces, characters are counted.
    """
    words = list(WORD.finditer(text))
    wanted = min(BEGUN_WORDS, max(len(words) // 2, 1))
    return text[: words[wanted - 1].end()] if words else text


def runs_of(text: str, words: int) -> Iterator[Run]:
    """Each run of so many words, in lower case and without punctuation."""
    found = WORD.findall(normalise(text))
    return (tuple(found[place : place + words]) for place in range(len(found) - words + 1))


def _known(wanted: set[Run], shape: RowShape, learned: pa.Table, words: int) -> set[Run]:
    """Those of some runs that stand in a training row."""
    known: set[Run] = set()
    if not wanted:
        return known
    answered = shape.answered.name if shape.answered else ""
    columns: Sequence[Any] = [texts_of(shape, learned)]
    if answered and shape.pair:
        columns = [*columns, learned[shape.pair[1]]]
    for column in columns:
        for text in column.to_pylist():
            known.update(run for run in runs_of(text or "", words) if run in wanted)
    return known


def _mean(
    name: str, texts: Sequence[WrittenRuns], known: set[Run], evaluation: EvaluationSettings
) -> Estimate:
    shares = _shares(texts, known)
    if len(shares) < MIN_TEXTS:
        reason = (
            f"{len(shares)} of {len(texts)} texts have a run of so many words, and {MIN_TEXTS} "
            "would do; lower probes.memory.overlap.words"
        )
        return undetermined(name, len(shares), reason)
    return mean_estimate(name, np.array(list(shares.values())), 1.0, evaluation)


def _shares(texts: Sequence[WrittenRuns], known: set[Run]) -> Mapping[str, float]:
    return {
        text.row_id: sum(run in known for run in text.runs) / len(text.runs)
        for text in texts
        if text.runs
    }
