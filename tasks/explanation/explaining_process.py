"""The process that explains what a served version answers.

``python -P -m tasks.explanation.explaining_process``: a child of the server of a line, as
`tasks.serving.model_process` is, which says to a row why the model answers as it does. It gives way
to the processes that answer.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tasks.serving.messages import ModelSpec
from tasks.serving.model_process import Rows, Says, main
from tasks.task_types.row_shapes import shape_of

# Added to its niceness: on busy cores it has a tenth of the time of a process that answers.
NICENESS: Final = 10


def explaining(spec: ModelSpec) -> Says:
    """What explains the answers to rows: a JSON object a row.

    It has the fields of `ExplainedAnswer` but the text.

    Raises:
        SettingsError: answers of the task type are not explained, or not by the method, or a
            package is missing.
        BaseModelError: the folder holds no such model.

    """
    from tasks.explanation.answers import check_can_be_explained, explain_with
    from tasks.explanation.methods import check_method
    from tasks.explanation.network import load_network

    check_can_be_explained(spec.task_type, spec.method)
    network = load_network(Path(spec.folder), spec.task_type, spec.limits)
    check_method(network, spec.method)
    (column,) = shape_of(spec.task_type).inputs

    def explain(rows: Rows) -> list[Any]:
        answers = explain_with(network, [row[column.name] for row in rows], spec.method)
        told = [asdict(answer) for answer in answers]
        return [{name: one[name] for name in one if name != "text"} for one in told]

    return explain


if __name__ == "__main__":
    os.nice(NICENESS)
    main(explaining)
