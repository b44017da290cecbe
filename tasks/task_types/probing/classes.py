"""How well classes are read off a base model that is not trained."""

from typing import TYPE_CHECKING

from tasks.task_types.probing.linear import TextProbe, fit_classes, groups_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.probing.probe import ProbedRows


class ClassProbe(TextProbe):
    """Logistic regression on the vectors of texts."""

    def answers(self, train: "ProbedRows", held_out: "ProbedRows") -> "pa.Table | str":
        """Columns predicted (class ids) and probabilities; see `Probe.answers`."""
        import numpy as np
        import pyarrow as pa

        from tasks.task_types.labels.classification_measures import class_ids

        classes = class_ids(train.rows, self.labels)
        model = fit_classes(train.features, classes, groups_of(train.rows), self.seed)
        if isinstance(model, str):
            return model
        scores = np.zeros((len(held_out.features), len(self.labels)))
        scores[:, model.classes_] = model.predict_proba(held_out.features)
        return pa.table(
            {
                "predicted": pa.array(scores.argmax(axis=1), pa.int32()),
                "probabilities": pa.array(list(scores), pa.list_(pa.float64())),
            }
        )
