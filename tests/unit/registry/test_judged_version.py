"""What a version was judged by comes back from the store as it was kept."""

import math
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.records.evaluation import Champion
from tasks.records.judged_version import JudgedVersion, from_bytes, to_bytes
from tasks.records.registry import Report
from tasks.verdicts import exact

SAMPLES = runpy.run_path(str(Path(__file__).parents[1] / "reporting" / "conftest.py"))


@pytest.mark.parametrize("passing", [True, False])
def test_a_record_comes_back_as_it_was(passing: bool) -> None:  # noqa: FBT001
    made = SAMPLES["build_evidence"](passing=passing)
    odd = replace(
        made.scores, estimates=(*made.scores.estimates, exact("quality.odd", math.inf, 1))
    )
    report = Report(made.data.clean, made.data.clean, "http://mlflow/report")
    judged = JudgedVersion(
        made.version, made.judgement, report, Champion("bbc-news", 1, "w" * 64), made.staged,
        odd, made.fairness, made.golden,
    )  # fmt: skip
    assert from_bytes(to_bytes(judged)) == judged


def test_something_else_is_no_such_record() -> None:
    with pytest.raises(ValueError, match="JudgedVersion"):
        from_bytes(b'{"version": 1}')
