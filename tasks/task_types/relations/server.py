"""What serves such a model."""

from pathlib import Path
from typing import Final

from tasks.task_types.server import Server

SERVER: Final = Server(script=Path(__file__).parents[1] / "served" / "relation_extraction.py")
