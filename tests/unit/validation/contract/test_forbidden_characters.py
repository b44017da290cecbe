"""NUL is in no text and in no setting: PostgreSQL, where Prefect keeps these, has none in JSON."""

import json

import pytest

from flows.config import RetrainConfig
from tasks.validation.contract.settings import ContractSettings


@pytest.mark.parametrize(
    ("given", "kept"), [("\x00\ufffd", "\ufffd"), ("\x00", ""), ("x", "x"), ("", "")]
)
def test_a_setting_never_holds_nul(given: str, kept: str) -> None:
    settings = ContractSettings(forbidden_characters=given)
    assert settings.forbidden_characters == kept
    assert "\\u0000" not in settings.model_dump_json()


def test_what_prefect_keeps_of_a_line_has_no_nul() -> None:
    assert "\\u0000" not in json.dumps(RetrainConfig.model_json_schema())
