"""Whose rows have a loss of their own; apart from the settings, which no learner shapes."""

from tasks.task_types.learner import LEARNERS


def why_no_row_loss(task_type: str) -> str:
    """Why a row of a task type has no loss of its own; empty where it has one."""
    why = LEARNERS.load(task_type).why_not_private
    return f"the loss of a row is not of that row alone: {why}" if why else ""
