"""Which steps a canary may have."""

import pytest
from pydantic import ValidationError

from tasks.registry.canary_settings import MOST_SHARE, CanarySettings


def test_some_requests_are_left_to_compare_with() -> None:
    CanarySettings.model_validate({"steps": [{"share": 0}, {"share": MOST_SHARE}]})
    with pytest.raises(ValidationError, match=r"steps\.0\.share.*\n.*less than or equal to 0\.95"):
        CanarySettings.model_validate({"steps": [{"share": 1}]})


def test_shares_do_not_fall() -> None:
    CanarySettings.model_validate({"steps": [{"share": 0.1}, {"share": 0.1}]})
    with pytest.raises(ValidationError, match=r"step 3 .* 0\.05, less than the 0\.25"):
        CanarySettings.model_validate({"steps": [{"share": 0}, {"share": 0.25}, {"share": 0.05}]})
