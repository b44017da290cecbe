"""A tag for each word: named entities, parts of speech."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import BaseModelError
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.tags.word_windows import read_words

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class TaggingExaminer(ExaminerBase):
    """One tag of a fixed set for each word of a row; a word without a token lies outside."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        entity = [
            ("type", pa.string()), ("start", pa.int64()), ("end", pa.int64()),
            ("text", pa.string()),
        ]  # fmt: skip
        return pa.schema(
            [("tags", pa.list_(pa.string())), ("entities", pa.list_(pa.struct(entity)))]
        )

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Columns answer and tags (list of strings); see `Examiner.predict`."""
        import pyarrow as pa

        from infra.transformers_logs import quiet_transformers
        from tasks.task_types.scoring import load_model
        from tasks.task_types.tags.tag_answers import answers_of, tags_of
        from tasks.task_types.tokenizers import load_tokenizer

        with quiet_transformers():
            tokenizer = load_tokenizer(folder)
            model = load_model(folder, "AutoModelForTokenClassification")
        if model.config.num_labels != len(self.labels):
            raise BaseModelError(
                f"the model in {folder} tells {model.config.num_labels} tags apart, and the label "
                f"set has {len(self.labels)}"
            )
        words = rows.column("tokens").to_pylist()
        read = list(read_words(words, tokenizer, self.limits.max_length, self.limits.stride))
        tags = tags_of(
            read, list(map(len, words)), model, tokenizer.pad_token_id, self.labels, folder
        )
        answers = [json.dumps(a, ensure_ascii=False) for a in answers_of(words, tags, self.labels)]
        return pa.table(
            {
                "answer": pa.array(answers, pa.string()),
                "tags": pa.array(tags, pa.list_(pa.string())),
            }
        )

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """As `predict`, which reads the inputs alone; see `Examiner.answer`."""
        return self.predict(folder, rows).column("answer").combine_chunks()

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Spans and tags; see `tasks.task_types.tags.tagging_measures`."""
        from tasks.task_types.tags.tagging_measures import measure_tags

        return measure_tags(rows.column("tags"), answers.column("tags"), self.labels)

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """The tag that a word has most often in the training rows, else in any case; else O."""
        from tasks.task_types.tags.tag_lookup import most_frequent_tags

        return most_frequent_tags(train, test, self.labels)
