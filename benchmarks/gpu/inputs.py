"""What the steps work on, as the first of them made it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.gpu.folder_store import FolderStore
from benchmarks.gpu.shapes import SIZES, ModelName, Size, SizeName
from infra.store import Artifact
from tasks.records.training import BaseModel, Tokens

FILE: Final = "inputs.json"
ROWS_FILE: Final = "rows.parquet"


@dataclass(frozen=True)
class Inputs:
    """Models, tokens and texts in a working folder.

    Attributes:
        folder: the working folder, shared by all steps.
        size: how large the check is.
        bases: each model with its tokenizer.
        tokens: of all rows, by task type and model, as ``classification/minilm``.

    """

    folder: Path
    size: Size
    bases: dict[ModelName, BaseModel]
    tokens: dict[str, Tokens]

    @property
    def store(self) -> FolderStore:
        """Where tokens, checkpoints and weights go."""
        return FolderStore(self.folder / "store")

    @property
    def rows(self) -> pa.Table:
        """Columns row_id, text, label and split."""
        return pq.read_table(self.folder / ROWS_FILE)

    def texts(self, split: str) -> list[str]:
        """The texts of a split."""
        table = self.rows
        return [
            text
            for text, of in zip(table["text"].to_pylist(), table["split"].to_pylist(), strict=True)
            if of == split
        ]

    def save(self) -> None:
        """Write for the steps to come."""
        values = {
            "size": self.size.name,
            "bases": {name: asdict(base) for name, base in self.bases.items()},
            "tokens": {name: asdict(tokens) for name, tokens in self.tokens.items()},
        }
        (self.folder / FILE).write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Inputs":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: the step that makes them came to no end.

        """
        values: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        name: SizeName = values["size"]
        return cls(
            folder,
            SIZES[name],
            {model: BaseModel(**base) for model, base in values["bases"].items()},
            {key: tokens_of(tokens) for key, tokens in values["tokens"].items()},
        )


def tokens_of(values: dict[str, Any]) -> Tokens:
    """Tokens as `dataclasses.asdict` and JSON leave them."""
    artifact, labels = Artifact(**values["artifact"]), tuple(values["labels"])
    return Tokens(**{**values, "artifact": artifact, "labels": labels})
