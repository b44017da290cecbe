"""Settings of the checks on labels, and of temperature scaling, that cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from tasks.label_checks.settings import LabelCheckSettings

LINE: dict[str, Any] = {"line": "desk", "source": {"format": "csv", "path": "a.csv"}}


def test_a_run_cannot_end_below_the_limit_of_a_warning() -> None:
    with pytest.raises(ValidationError, match=r"refuse_from 0\.7 lies below the limit"):
        LabelCheckSettings.model_validate({"spurious": {"refuse_from": 0.7}})


def test_temperature_scaling_is_of_classification_alone() -> None:
    scaled = {"evaluation": {"temperature_scaling": True}}
    assert RetrainConfig.model_validate(LINE | scaled).evaluation.temperature_scaling
    regression = {"task_type": "regression"}
    with pytest.raises(ValidationError, match="temperature_scaling is of classification"):
        RetrainConfig.model_validate(LINE | scaled | regression)
