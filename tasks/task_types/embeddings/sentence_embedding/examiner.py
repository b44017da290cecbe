"""How vectors of texts are examined: how well they find the text that belongs to a text."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.task_types.answered_sample import answer_each, answer_first
from tasks.task_types.examiner_base import ExaminerBase

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.task_types.embeddings.retrieval import Vectors
    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class SentenceEmbeddingExaminer(ExaminerBase):
    """The mean of the last hidden state over a text's real tokens."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema([("vector", pa.list_(pa.float32()))])

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Columns answer (of the first rows), rank and cosine; see `Examiner.predict`."""
        import pyarrow as pa

        source, target = (self._vectors(folder, rows[name]) for name in ("source", "target"))
        answers = answer_first(rows["row_id"].to_pylist(), lambda row: _answer(source[row]))
        return pa.table({"answer": answers, **found_targets(rows, source, target)})

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """The vector of each source; see `Examiner.answer`."""
        return answer_each(self._vectors(folder, rows["source"]), _answer)

    def _vectors(self, folder: Path, texts: "pa.ChunkedArray") -> "NDArray[np.float32]":
        from tasks.task_types.embeddings.embedding import embed_texts

        return embed_texts(folder, texts.to_pylist(), max_length=self.limits.max_length)

    def measure(self, _rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """How often, and how far up, a source finds its own target among those of the test rows."""
        from tasks.task_types.embeddings.retrieval_measures import measure_ranks

        return measure_ranks(answers["rank"].to_numpy(), answers["cosine"].to_numpy())

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """Cosines of TF-IDF bags of words, of the words of sources and targets."""
        import pyarrow as pa

        from tasks.task_types.labels.bag_of_words import bag_of_words

        pairs = zip(train["source"].to_pylist(), train["target"].to_pylist(), strict=True)
        texts = [text for pair in pairs for text in pair]
        words = bag_of_words(texts)
        try:
            words.fit(texts)
        except ValueError as error:  # no word at all is left of the texts
            return f"no TF-IDF baseline of these texts: {error}"
        source, target = (words.transform(test[name].to_pylist()) for name in ("source", "target"))
        return pa.table(found_targets(test, source, target))


def _answer(vector: "NDArray[np.float32]") -> str:
    return json.dumps({"vector": vector.tolist()})


def found_targets(
    rows: "pa.Table", source: "Vectors", target: "Vectors"
) -> "dict[str, NDArray[Any]]":
    """Rank and cosine of the own target, of those of the first rows by row_id."""
    import numpy as np

    from tasks.task_types.embeddings.retrieval import find_own_targets

    order = _by_row_id(rows)
    texts = rows["target"].to_pylist()
    numbers = np.unique(np.array(texts, dtype=object), return_inverse=True)[1]
    ranks, cosines = (np.empty(len(texts), kind) for kind in (np.int32, np.float64))
    ranks[order], cosines[order] = find_own_targets(source[order], target[order], numbers[order])
    return {"rank": ranks, "cosine": cosines}


def _by_row_id(rows: "pa.Table") -> "NDArray[np.int64]":
    """Row numbers in the order of the ids, which are digests, so that the order means nothing."""
    import numpy as np

    return np.argsort(np.array(rows["row_id"].to_pylist(), dtype=str), kind="stable")
