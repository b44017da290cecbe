"""How many test rows there are, by label, by group and by cluster."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.held_out import count_held_out_rows
from tasks.fairness.settings import FairnessSettings
from tasks.records.power import GroupSize
from tests.unit.reporting.conftest import build_evidence

ROWS = [
    # text, label, split, country, cluster
    ("she said so", "a", "test", "fr", "one"),
    ("he said so", "b", "test", "de", "one"),
    ("he and she said so", "a", "test", "fr", "two"),
    ("nobody said so", "b", "test", None, None),
    ("she was there", "a", "train", "fr", "three"),
]


class Folder:
    """A store that has one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_file(self, _: object, __: Path) -> Path:
        return self.path


@pytest.mark.parametrize("by_cluster", [True, False])
def test_test_rows_are_counted_by_label_group_and_cluster(
    tmp_path: Path, *, by_cluster: bool
) -> None:
    names = ("text", "label", "split", "country", "cluster")
    columns = dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True))
    path = tmp_path / "clean.parquet"
    pq.write_table(pa.table({"row_id": [str(n) for n in range(len(ROWS))], **columns}), path)
    data = build_evidence(passing=True).data
    data = type(data)(**{**vars(data), "group_columns": ("country",)})
    counted = count_held_out_rows(
        data,
        FairnessSettings(by_cluster=by_cluster, groups={"country": ("fr", "it")}),
        CounterfactualSettings(),
        by_cluster=by_cluster,
        store=Folder(path),  # type: ignore[arg-type]
    )
    assert (counted.rows, counted.rows_by_label) == (4, {"a": 2, "b": 2})
    assert counted.clusters == (3 if by_cluster else None)
    two, one, none = (2, 1, 0) if by_cluster else (None, None, None)
    assert counted.groups == (
        GroupSize("country", "fr", 2, 2, two, {"a": 2}),
        GroupSize("country", "it", 0, 0, none, {}),
        GroupSize("gender", "female", 2, 1, two, {"a": 2}),
        GroupSize("gender", "male", 2, 1, two, {"a": 1, "b": 1}),
        GroupSize("gender_exclusive", "female", 1, 1, one, {"a": 1}),
        GroupSize("gender_exclusive", "male", 1, 1, one, {"b": 1}),
        GroupSize("gender_exclusive", "several", 1, 1, one, {"a": 1}),
    )
