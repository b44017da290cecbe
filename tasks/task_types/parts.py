"""What a task type of another distribution is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTypeParts:
    """Where each part is defined, as ``package.module:attribute``.

    An entry point of the group ``assayline.task_types`` names such an object. Write it as a call
    with literal strings at the top of a module: the key of a stage reads from the source which
    part the stage reaches, and imports none of them.

    Attributes:
        row_shape: a `tasks.task_types.rows.RowShape`.
        learner: a class with the methods of `tasks.task_types.learner.Learner`.
        examiner: a class with those of `tasks.task_types.examiner.Examiner`.
        server: a `tasks.task_types.server.Server`.
        model_card: a `tasks.task_types.model_card_texts.ModelCardTexts`.
        metrics: a tuple of `tasks.task_types.metrics.Metric`, which gates are checked against
            before anything runs; left out, a gate on any metric of quality is taken.

    """

    row_shape: str
    learner: str
    examiner: str
    server: str
    model_card: str
    metrics: str = ""
