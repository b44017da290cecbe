"""The evaluated answers to held-out rows, and when a served answer is like one of them.

What a version answered when it was staged is kept by its digest, so that it can be asked again.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeGuard

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import PromotionError
from infra.serving import Answer, Json
from infra.store import ObjectStore, keep_by_digest, read_by_digest
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.task_types.requests import Request, request_of
from tasks.task_types.row_shapes import shape_of

ANSWER_COLUMN: Final = "answer"
_FOLDER: Final = "answers"


@dataclass(frozen=True)
class Expected:
    """A held-out row as it is asked, and what the evaluation found for it."""

    request: Request
    answer: Answer


def evaluated_answers(scores: Scores, rows: int, store: ObjectStore) -> dict[str, Answer]:
    """Answers by row id, of the first rows in the order of their ids that were asked.

    The ids are digests, so that the choice is fixed, and says nothing of the rows.

    Raises:
        PromotionError: no answer was written down, or one is no JSON object.

    """
    with tempfile.TemporaryDirectory(prefix="assayline-answers-") as name:
        scored = pq.ParquetFile(store.get_file(scores.artifact, Path(name) / "scores.parquet"))
        if ANSWER_COLUMN not in scored.schema_arrow.names:
            raise PromotionError(
                f"{scores.artifact.uri} was written without the model's answers (column "
                f"{ANSWER_COLUMN}); evaluate again"
            )
        table = scored.read(["row_id", ANSWER_COLUMN])
    asked = table.filter(pc.is_valid(table[ANSWER_COLUMN])).sort_by("row_id")[:rows].to_pydict()
    if not asked["row_id"]:
        raise PromotionError(
            f"{scores.artifact.uri} has {table.num_rows} scored rows, and an answer to none of "
            "them; evaluate again"
        )
    found = zip(asked["row_id"], asked[ANSWER_COLUMN], strict=True)
    return {row_id: _read(row_id, answer, scores) for row_id, answer in found}


def _read(row_id: str, answer: str, scores: Scores) -> Answer:
    try:
        read = json.loads(answer)
    except json.JSONDecodeError:
        read = None
    if not isinstance(read, dict):
        raise PromotionError(
            f"{scores.artifact.uri} has the answer {answer[:40]!r} to row {row_id}; right would be "
            "a JSON object: evaluate again"
        )
    return read


def held_out_rows(
    data: DataReport, scores: Scores, rows: int, store: ObjectStore
) -> list[Expected]:
    """Requests with the evaluated answers, as `evaluated_answers` picks them.

    Raises:
        PromotionError: a scored row is not among the clean rows, or there is none.

    """
    answers = evaluated_answers(scores, rows, store)
    shape = shape_of(data.task_type)
    columns = ["row_id", *(column.name for column in shape.inputs)]
    with tempfile.TemporaryDirectory(prefix="assayline-answers-") as name:
        clean = store.get_file(data.clean, Path(name) / "clean.parquet")
        chosen = pc.is_in(pc.field("row_id"), pa.array(answers, pa.string()))
        found = pq.read_table(clean, columns=columns, filters=chosen).to_pylist()
    row_of = {row["row_id"]: row for row in found}
    if row_of.keys() != answers.keys():
        raise PromotionError(
            f"{scores.artifact.uri} has answers to rows, and not all are among the clean rows "
            f"{data.clean.uri}; evaluate again on this data"
        )
    return [
        Expected(request_of(shape, row_of[row_id]), answer) for row_id, answer in answers.items()
    ]


@dataclass(frozen=True)
class KeptAnswers:
    """What a version answered when it was staged.

    Attributes:
        tolerance: how far a number may lie off when it is asked again; see `is_same`.
        rows: each request with its answer.

    """

    tolerance: float
    rows: tuple[Expected, ...]


def keep_answers(
    expected: Sequence[Expected],
    served: Sequence[Answer | None],
    tolerance: float,
    store: ObjectStore,
) -> str:
    """Keep what a version answered in the store, and return its digest.

    A row that it gave no proper answer to is left out.
    """
    rows = tuple(
        Expected(row.request, answer)
        for row, answer in zip(expected, served, strict=True)
        if answer is not None
    )
    content = json.dumps(asdict(KeptAnswers(tolerance, rows)), sort_keys=True).encode()
    return keep_by_digest(store, _FOLDER, content).sha256


def kept_answers(sha256: str, store: ObjectStore) -> KeptAnswers:
    """What a version answered when it was staged, as it was kept.

    Raises:
        IntegrityError: it was changed since.
        StoreError: the store lacks it, or is unreachable.

    """
    kept = json.loads(read_by_digest(store, _FOLDER, sha256))
    return KeptAnswers(kept["tolerance"], tuple(Expected(**row) for row in kept["rows"]))


def is_same(served: Json, evaluated: Json, tolerance: float) -> bool:
    """Whether two answers are alike: texts and form exactly, numbers nearly.

    Args:
        served: what is compared.
        evaluated: what it is compared with.
        tolerance: how far a number may lie off; of one above 1, as a share of it.

    """
    if isinstance(evaluated, dict):
        return (
            isinstance(served, dict)
            and served.keys() == evaluated.keys()
            and all(is_same(served[key], value, tolerance) for key, value in evaluated.items())
        )
    if isinstance(evaluated, list):
        return (
            isinstance(served, list)
            and len(served) == len(evaluated)
            and all(map(is_same, served, evaluated, [tolerance] * len(served)))
        )
    if _is_number(served) and _is_number(evaluated):
        return abs(served - evaluated) <= tolerance * max(1.0, abs(evaluated))
    return type(served) is type(evaluated) and served == evaluated


def _is_number(value: Json) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
