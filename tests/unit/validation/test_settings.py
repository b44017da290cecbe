import pytest
from pydantic import ValidationError

from tasks.ingestion.splits import SplitSettings
from tasks.validation.contract.settings import ContractSettings


def test_shares_must_sum_to_one() -> None:
    with pytest.raises(ValidationError, match=r"must sum to 1, and sum to 0\.9"):
        SplitSettings(train=0.5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labels": ["a"]}, "at least 2 items"),
        ({"labels": ["a", "a"]}, "named twice"),
        ({"min_text_length": 9, "max_text_length": 8}, "exceeds max_text_length 8"),
        ({"max_quarantine_share": 1.1}, "less than or equal to 1"),
        ({"min_row": 1}, "min_row"),
    ],
)
def test_wrong_contract_settings_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ContractSettings.model_validate(settings)
