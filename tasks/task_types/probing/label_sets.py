"""How well sets of labels are read off a base model that is not trained."""

from typing import TYPE_CHECKING

from tasks.task_types.probing.linear import TextProbe, fit_classes, groups_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.probing.probe import ProbedRows


class LabelSetProbe(TextProbe):
    """A logistic regression of each label for itself on the vectors of texts."""

    def answers(self, train: "ProbedRows", held_out: "ProbedRows") -> "pa.Table | str":
        """Column probabilities; of a label that cannot be learned, its share of the rows."""
        import numpy as np
        import pyarrow as pa

        from tasks.task_types.labels.multi_label.label_sets import truth_of

        truth, groups = truth_of(train.rows, self.labels), groups_of(train.rows)
        scores = np.zeros((len(held_out.features), len(self.labels)))
        for place, own in enumerate(truth.T.astype(np.int64)):
            model = fit_classes(train.features, own, groups, self.seed)
            if isinstance(model, str):
                scores[:, place] = own.mean()
            else:
                scores[:, place] = model.predict_proba(held_out.features)[:, 1]
        return pa.table({"probabilities": pa.array(list(scores), pa.list_(pa.float64()))})
