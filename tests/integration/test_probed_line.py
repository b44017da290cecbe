"""A line with robustness probes, from its source to the report."""

from pathlib import Path

import pytest

from infra.tracking import Tracking
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import write_config, write_topics

# Whole runs on a machine that does something else meanwhile.
RUN_S = 600
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

LINE = "topics-probed"
POLICY = {
    "gates": [
        {"metric": "quality.macro_f1", "at_least": 0.6},
        {"metric": "staging.same_predictions", "at_least": 1.0},
        {"metric": "robustness.upper_case.flip_rate", "at_most": 0.2},
    ],
    "fairness_not_gated": "few rows of a test, of which it asks something else",
}


def test_a_probed_line_is_gated_told_and_repeated_for_free(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> None:
    write_topics(tmp_path / "topics.csv")
    path = write_config(
        tmp_path, "probed.yaml", tiny_model, line=LINE, policy=POLICY,
        probes={"robustness": {"texts_per_row": 20, "min_rows": 10, "attack": {"rows": 20}}},
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"models:/{LINE}@production version 1" in done.stdout
    assert "robustness.upper_case.flip_rate" in done.stdout
    tracking = Tracking(stack.settings)
    run = tracking._client.get_run(tracking._client.get_model_version(LINE, "1").run_id).data
    # The tokenizer has no capitals, so that capitals move nothing.
    assert run.metrics["test_robustness_upper_case_flip_rate"] == 0
    assert "test_robustness_typos_flip_rate" in run.metrics
    told = stack.assayline("report", LINE, timeout_s=60)
    assert told.returncode == 0, told.stdout + told.stderr
    place = next(word for word in told.stdout.split() if word.endswith(".html"))
    page = Path(place).read_text(encoding="utf-8")
    assert "kinds of small changes were tried" in page
    assert "Worst change that was found" in page
    again = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{'probe_robustness':<22} unchanged" in again.stdout
