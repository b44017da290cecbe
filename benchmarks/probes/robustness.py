"""All kinds of robustness probes over the test rows of BBC News, against one evaluation of them.

The default settings, MiniLM with a random head, a real object store. What is measured:

- `probe_pass_cost` (lower is better): seconds of the stage that asks the model about changed rows
  and makes all of its intervals, over those of the stage `evaluate` without a version to compare
  with: scores, a baseline, metrics, slices and intervals.
- `probe_pass_cost_over_scoring`: the same over those of scoring the test rows alone.
"""

import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final
from unittest import mock

import pyarrow as pa

from benchmarks.corpus import TOPICS, documents
from benchmarks.evaluation.scoring import save_model
from benchmarks.evaluation.swaps import MAX_LENGTH, TASK_TYPE, records_of, table_of
from benchmarks.local_store import served_store
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.robustness.probing import add_robustness
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits

# As the line bbc-news has it.
TEST_SHARE: Final = 0.4


def measure(rows: int | None = None) -> dict[str, float]:
    """The ratios, and what was asked.

    Args:
        rows: test documents; None for the test share of the line bbc-news.

    """
    found = documents()
    random.Random(0).shuffle(found)  # noqa: S311 - a benchmark's draw, no secret
    count = rows or int(TEST_SHARE * len(found))
    test, train = table_of(found[:count]), table_of(found[count : 2 * count])
    train = train.set_column(train.column_names.index("split"), "split", [["train"] * len(train)])
    settings, evaluation = RobustnessSettings(), EvaluationSettings()
    with (
        served_store() as server,
        tempfile.TemporaryDirectory(prefix="bench-robustness-") as name,
        quiet_transformers(),
    ):
        store, folder = ObjectStore(server), Path(name)
        model = save_model(folder / "model")
        begin = time.perf_counter()
        answers = examiner_of(TASK_TYPE, TOPICS, TokenLimits(MAX_LENGTH)).predict(model, test)
        scoring_s = time.perf_counter() - begin
        _, _, weights, data = records_of(
            store, folder, model, pa.concat_tables([test, train]), _twice(answers)
        )
        data = replace(data, rows_by_split={"test": count, "train": count})
        begin = time.perf_counter()
        scores = evaluate_weights(
            weights, data, None, TASK_TYPE, evaluation, store=store, tracking=mock.Mock()
        )
        evaluation_s = time.perf_counter() - begin
        begin = time.perf_counter()
        probed = add_robustness(
            scores, weights, data, TASK_TYPE, settings, evaluation.of_one_model, store=store
        )
        probes_s = time.perf_counter() - begin
    told = probed.robustness
    assert told is not None
    changed = sum(one.changed for one in told.probed)
    print(
        f"robustness: {count:,} test rows scored in {scoring_s:.1f} s and evaluated in "
        f"{evaluation_s:.1f} s; {changed:,} changed rows of {len(told.probed)} kinds and "
        f"strengths, of which {told.asked:,} were asked, in {probes_s:.1f} s",
        file=sys.stderr,
    )
    return {
        "probe_pass_cost": probes_s / evaluation_s,
        "probe_pass_cost_over_scoring": probes_s / scoring_s,
        "probed_rows": float(count),
        "probed_texts": float(told.asked),
        "changed_rows_judged": float(
            sum(one.changed for one in told.probed if one.flip_rate.value is not None)
        ),
    }


def _twice(answers: pa.Table) -> pa.Table:
    return pa.concat_tables([answers, answers])
