"""What serves such a model."""

from pathlib import Path
from typing import Final

from tasks.task_types.server import Server

SERVER: Final = Server(
    pipeline="text-classification",
    in_place_of_pipeline=Path(__file__).parent.parent.parent / "served" / "classification.py",
)
