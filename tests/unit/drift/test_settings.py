import pytest
from pydantic import ValidationError
from scipy.stats import false_discovery_control

from tasks.drift.checks import questions_of
from tasks.drift.settings import DriftSettings
from tasks.task_types.row_shapes import shape_of


def test_permutations_too_few_for_any_call_of_drift_are_refused() -> None:
    DriftSettings(false_discovery_rate=0.05, permutations=294)
    DriftSettings(false_discovery_rate=0.005, permutations=2_940)
    with pytest.raises(ValidationError, match="set permutations to at least 294"):
        DriftSettings(false_discovery_rate=0.05, permutations=293)
    with pytest.raises(ValidationError, match="set permutations to at least 2940"):
        DriftSettings(false_discovery_rate=0.005)


def test_there_are_as_many_questions_as_the_settings_reckon_with() -> None:
    settings = DriftSettings(permutations=294)
    questions = questions_of(settings, shape_of("classification"))
    least = [1 / (1 + settings.permutations), *[1.0] * (len(questions) - 1)]
    assert false_discovery_control(least, method="by")[0] < settings.false_discovery_rate


def test_rows_without_classes_are_not_asked_for_label_shares() -> None:
    of_classes, of_text = (
        questions_of(DriftSettings(), shape_of(name)) for name in ("multi_label", "causal_lm")
    )
    assert set(of_classes) - set(of_text) == {"drift.label_shares"}
    assert list(of_text) == list(of_classes)[1:]
