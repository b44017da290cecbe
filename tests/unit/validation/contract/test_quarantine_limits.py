import pytest

from tasks.validation.contract.quarantine_limits import check_shares
from tasks.validation.contract.settings import ContractSettings


def breaches(by_reason: dict[str, int], put_aside: int, **contract: object) -> list[str]:
    settings = ContractSettings.model_validate(contract)
    broken = {reason: n for reason, n in by_reason.items() if reason == "broken JSON"}
    shares = check_shares(settings, 1_000, put_aside, by_reason, broken)
    return [share.breach for share in shares if not share.check.passed]


@pytest.mark.parametrize(("put_aside", "broken"), [(50, False), (51, True), (0, False)])
def test_the_share_of_all_rows_is_held_against_its_limit(put_aside: int, broken: bool) -> None:  # noqa: FBT001
    assert bool(breaches({}, put_aside)) is broken


def test_a_breach_names_the_rows_the_share_and_the_setting() -> None:
    assert breaches({}, 60) == [
        "60 of 1,000 rows, 6.00%, were put aside; contract.max_quarantine_share is 0.05"
    ]


def test_a_reason_can_have_a_limit_of_its_own() -> None:
    limits = {"max_quarantine_share_by_reason": {"unknown label": 0.01, "text length": 0.01}}
    (found,) = breaches({"unknown label": 11, "text length": 10}, 21, **limits)
    assert found == (
        "11 of 1,000 rows, 1.10%, were put aside as unknown label; "
        "contract.max_quarantine_share_by_reason['unknown label'] is 0.01"
    )


def test_broken_rows_have_a_limit_whatever_broke_them() -> None:
    limits = {"max_quarantine_share_by_reason": {"broken row": 0.001}}
    assert "put aside as broken row" in breaches({"broken JSON": 2}, 2, **limits)[0]
    assert not breaches({"broken JSON": 1}, 1, **limits)
