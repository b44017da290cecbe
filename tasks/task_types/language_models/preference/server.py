"""What serves such a model: it answers as one of the task type chat does."""

from pathlib import Path
from typing import Final

from tasks.task_types.server import Server

SERVER: Final = Server(script=Path(__file__).parent.parent.parent / "served" / "chat.py")
