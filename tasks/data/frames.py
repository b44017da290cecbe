"""Snapshot rows as the pandas frame that Great Expectations judges."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa


def frame_of_rows(table: pa.Table) -> pd.DataFrame:
    """The snapshot's columns, and those that only a check reads.

    Added are ``position`` (row number), ``text_length`` (characters, so that no message and no
    page has to show a text) and ``splits_of_text`` (how many splits a text stands in).
    """
    frame: pd.DataFrame = table.to_pandas()
    frame["position"] = range(len(frame))
    frame["text_length"] = frame["text"].str.len()
    frame["splits_of_text"] = frame.groupby("row_id")["split"].transform("nunique")
    return frame


def describe_conflicts(
    frame: pd.DataFrame, labels: Sequence[str], group_columns: Sequence[str]
) -> dict[str, str]:
    """For each text in several rows with a known label: the columns in which these disagree.

    Returns:
        By row_id, for example ``label (business, tech)``.

    """
    usable = frame[frame["text"].notna() & frame["label"].isin(labels)]
    repeated = usable[usable.duplicated("row_id", keep=False)]
    return {
        str(row_id): _describe(rows, ["label", *group_columns])
        for row_id, rows in repeated.groupby("row_id")
    }


def _describe(rows: pd.DataFrame, columns: Sequence[str]) -> str:
    parts = []
    for name in columns:
        values = sorted(rows[name].fillna("none").unique())
        if len(values) > 1:
            parts.append(f"{name} ({', '.join(values)})")
    return " and ".join(parts) or "split"
