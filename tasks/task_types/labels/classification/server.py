"""What serves such a model."""

from typing import Final

from tasks.task_types.server import Server

SERVER: Final = Server(pipeline="text-classification")
