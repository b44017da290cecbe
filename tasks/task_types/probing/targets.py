"""How well a number is read off a base model that is not trained."""

from typing import TYPE_CHECKING

from tasks.task_types.probing.linear import TextProbe, fit_numbers, groups_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.probing.probe import ProbedRows


class NumberProbe(TextProbe):
    """Ridge regression on the vectors of texts."""

    def answers(self, train: "ProbedRows", held_out: "ProbedRows") -> "pa.Table | str":
        """Column predicted; see `Probe.answers`."""
        import numpy as np
        import pyarrow as pa

        from tasks.task_types.labels.regression.targets import targets_of

        targets = np.array(targets_of(train.rows), dtype=np.float64)
        model = fit_numbers(train.features, targets, groups_of(train.rows), self.seed)
        if isinstance(model, str):
            return model
        predicted = np.asarray(model.predict(held_out.features), dtype=np.float64)
        return pa.table({"predicted": predicted})
