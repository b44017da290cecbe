"""A line whose answers are explained: measured, gated, in report and card, and asked by command."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.tracking import Tracking
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import RUN_S, policy, write_config, write_topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

LINE = "topics-explained"
GATES = [
    {"metric": "explanation.occlusion.comprehensiveness_gain", "at_least": -0.5},
    {"metric": "explanation.integrated_gradients.sufficiency_gain", "at_least": -0.5},
]
EXPLANATION: dict[str, Any] = {"rows": 40, "identity_attributes": ["gender"]}
TEXT = "The match was won by a late goal."


@pytest.fixture(scope="module")
def printed(stack: RunningStack, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `assayline run` printed."""
    folder = tmp_path_factory.mktemp("explained")
    write_topics(folder / "topics.csv")
    path = write_config(
        folder, "explained.yaml", tiny_model, line=LINE, policy=policy(*GATES),
        explanation=EXPLANATION,
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_gates_are_judged_and_the_numbers_stand_with_the_version(
    stack: RunningStack, printed: str
) -> None:
    for gate in GATES:
        assert str(gate["metric"]) in printed
    assert f"models:/{LINE}@production version 1" in printed
    tracking = Tracking(stack.settings)
    run = tracking._client.get_model_version(LINE, "1").run_id
    metrics = tracking._client.get_run(run).data.metrics
    for method in ("integrated_gradients", "gradient_x_input", "occlusion", "attention_rollout"):
        assert f"test_explanation_{method}_comprehensiveness" in metrics
        assert -1 <= metrics[f"test_explanation_{method}_randomisation_correlation"] <= 1


def test_the_report_has_a_section_and_the_card_too(stack: RunningStack, printed: str) -> None:
    done = stack.assayline("report", LINE)
    assert done.returncode == 0, done.stdout + done.stderr
    report = stack.settings.home.absolute() / "reports" / f"{LINE}-v1.html"
    page = report.read_text(encoding="utf-8")
    assert 'id="explanation"' in page
    assert "Words that push each answer" in page
    assert "40 test rows were explained" in page


def test_the_command_explains_the_version_in_production(
    stack: RunningStack, printed: str, tmp_path: Path
) -> None:
    page = tmp_path / "why.html"
    done = stack.assayline("explain", LINE, TEXT, "--html", str(page))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{LINE} version 1, by integrated gradients" in done.stdout
    assert TEXT in done.stdout
    assert "<title>topics-explained version 1</title>" in page.read_text(encoding="utf-8")
    asked = ("explain", LINE, TEXT, "--method", "occlusion", "--json")
    told = json.loads(stack.assayline(*asked).stdout)
    assert [word["text"] for word in told["words"]] == [
        "The", "match", "was", "won", "by", "a", "late", "goal", ".",
    ]  # fmt: skip
    assert told["label"] == told["predicted"]
    done = stack.assayline("explain", "no-such-line", TEXT)
    assert done.returncode == 1
    assert "no version in production" in done.stderr
