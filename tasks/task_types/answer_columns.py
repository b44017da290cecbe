"""Answers as columns of a table, and as what two models may be compared by."""

import io
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

# The one column of a task type that does not say which fields its answers have.
ANSWER: Final = "answer"
# The column of the probability of each label, where a task type has labels with probabilities.
PROBABILITIES: Final = "probabilities"
# The fields of an answer of a classifier: what to act on, and, of one that may withhold it, the
# label that it would have given.
LABEL, LIKELIEST = "label", "likeliest"


def columns_of_answers(answers: "pa.Array", fields: "pa.Schema | None") -> "pa.Table":
    """A table (N rows) of the fields of N answers.

    Args:
        answers: strings, a JSON object each.
        fields: their names and types; None leaves the answers as they are, in the column `ANSWER`.

    Raises:
        ValueError: an answer has another field, or a value of another type (pyarrow's own error).

    """
    import pyarrow as pa
    from pyarrow import json as arrow_json

    if fields is None:
        return pa.table({ANSWER: answers})
    if not len(answers):
        return fields.empty_table()
    lines = "\n".join(answers.to_pylist()).encode()
    read = arrow_json.read_json(
        io.BytesIO(lines),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=fields, unexpected_field_behavior="error"
        ),
    )
    return read.select(fields.names).cast(fields)


def without_numbers(value: Any) -> Any:
    """What is left of an answer's JSON without scores, and without numbers that have a fraction.

    No two models give one number, so that they agree in labels, texts and places.
    """
    if isinstance(value, dict):
        kept = {key: without_numbers(one) for key, one in value.items() if key != "score"}
        return {key: one for key, one in kept.items() if one is not None}
    if isinstance(value, list):
        kept_ones = [one for one in map(without_numbers, value) if one is not None]
        return kept_ones if kept_ones or not value else None
    return None if isinstance(value, float) else value


def before_threshold(answer: Any) -> Any:
    """What a model would say if it withheld nothing: its likeliest label in the label's place.

    So a classifier with a threshold is compared with one that has none, or another.
    """
    if not isinstance(answer, dict) or LIKELIEST not in answer or LABEL not in answer:
        return answer
    kept = {key: one for key, one in answer.items() if key != LIKELIEST}
    return kept | {LABEL: answer[LIKELIEST]}


def after_threshold(answer: Any) -> Any:
    """What a consumer acts on, without the label that a withheld answer would have had."""
    if not isinstance(answer, dict) or LABEL not in answer:
        return answer
    return {key: one for key, one in answer.items() if key != LIKELIEST}


def comparable(answer: str) -> Any:
    """What two answers are compared by: an answer's JSON without numbers, its labels in order.

    Of a classifier that abstains, what it would say: see `before_threshold`.
    """
    found = without_numbers(before_threshold(json.loads(answer)))
    if isinstance(found, dict) and isinstance(labels := found.get("labels"), list):
        return {**found, "labels": sorted(labels)}  # each model has its own order of them
    return found
