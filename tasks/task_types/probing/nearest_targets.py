"""How near texts of one meaning lie in a base model that is not trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.task_types.probing.probe import ProbedRows


@dataclass(frozen=True, kw_only=True)
class NearestTargetProbe:
    """The base model's own vectors: nothing is fitted, since they are what is asked for.

    Attributes:
        labels: none.
        limits: tokens that a text is cut to.
        seed: without meaning here.

    """

    labels: tuple[str, ...]
    limits: TokenLimits
    seed: int

    def features(self, folder: Path, rows: "pa.Table") -> "NDArray[np.float32]":
        """Vectors of the source and of the target of each row, (N, 2, H)."""
        import numpy as np

        from tasks.task_types.embeddings.embedding import embed_texts

        texts = [*rows["source"].to_pylist(), *rows["target"].to_pylist()]
        vectors = embed_texts(folder, texts, max_length=self.limits.max_length)
        return np.stack([vectors[: rows.num_rows], vectors[rows.num_rows :]], axis=1)

    def answers(self, _train: "ProbedRows", held_out: "ProbedRows") -> "pa.Table | str":
        """Columns rank and cosine; see `Probe.answers`."""
        import pyarrow as pa

        from tasks.task_types.embeddings.sentence_embedding.examiner import found_targets

        source, target = held_out.features[:, 0], held_out.features[:, 1]
        return pa.table(found_targets(held_out.rows, source, target))
