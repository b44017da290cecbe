from typing import Any

import pytest
from pydantic import ValidationError

from tasks.sources import shards
from tasks.validation.contract.messages import (
    excerpt,
    explain_unknown,
    name_values,
    nearest,
    plain_form,
    tell_apart,
)
from tasks.validation.contract.settings import BROKEN_ROW_REASONS, ContractSettings


def refuse(**given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        ContractSettings.model_validate(given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"languages": ["english"]}, "'english' is no ISO 639-1 code of a known language; did you"),
        ({"languages": ["english"]}, "mean 'en'?"),
        ({"languages": ["EN"]}, "did you mean 'en'?"),
        ({"languages": ["en", "xq"]}, "'xq' is no ISO 639-1 code"),
        ({"languages": []}, "at least 1 item"),
        (
            {"scripts": ["latin"]},
            "'latin' is no Unicode script that is known; did you mean 'Latin'",
        ),
        ({"scripts": ["Klingon"]}, "'Klingon' is no Unicode script that is known: Adlam, Ahom, "),
        ({"labels": ["a", " b"]}, "label ' b' is empty or has white space around it"),
        ({"labels": ["a", ""]}, "label '' is empty"),
        ({"labels": ["a", "a"]}, "a label is named twice in ['a', 'a']"),
        ({"labels": ["a"]}, "at least 2 items"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens 5 exceeds max_tokens 4"),
        ({"min_length_ratio": 2, "max_length_ratio": 1}, "min_length_ratio 2.0 exceeds"),
        ({"min_target": 2, "max_target": 1}, "min_target 2.0 exceeds max_target 1.0"),
        ({"min_target": float("nan")}, "should be a finite number"),
        ({"min_language_characters": 0}, "greater than or equal to 1"),
        ({"tag_scheme": "IOB"}, "'BIO' or 'any'"),
        ({"language": ["en"]}, "Extra inputs are not permitted"),
    ],
)
def test_a_setting_that_cannot_be_met_is_refused_with_what_would_be_right(
    given: dict[str, Any], told: str
) -> None:
    assert told in refuse(**given)


@pytest.mark.parametrize(
    ("reason", "share", "told"),
    [
        ("unknown labels", 0.1, "did you mean 'unknown label'?"),
        ("zzz", 0.1, "'zzz' is no reason for which a row is put aside: missing COLUMN, "),
        ("script", 1.5, "1.5 for 'script' is no share; name one from 0 to 1"),
        ("unknown gender", 0.1, "'unknown gender' is no reason"),
    ],
)
def test_a_limit_for_an_unknown_reason_or_beyond_all_rows_is_refused(
    reason: str, share: float, told: str
) -> None:
    assert told in refuse(max_quarantine_share_by_reason={reason: share})


def test_reasons_of_rules_readers_and_groups_can_be_limited() -> None:
    limits = {"unknown gender": 0.1, "broken row": 0, "invalid utf-8": 0.2, "language": 1}
    contract = ContractSettings(
        groups={"gender": ("f", "m")}, max_quarantine_share_by_reason=limits
    )
    assert contract.max_quarantine_share_by_reason == limits


def test_every_reason_of_the_readers_can_be_limited() -> None:
    of_readers = {
        value for name, value in vars(shards).items() if name.isupper() and isinstance(value, str)
    }
    assert of_readers
    assert of_readers <= set(BROKEN_ROW_REASONS)


@pytest.mark.parametrize(
    ("seen", "known", "meant"),
    [
        ("Sport", ["business", "sports"], "sports"),
        ("TECH", ["tech", "sport"], "tech"),
        ("new-york", ["New York", "Boston"], "New York"),
        ("\uff54\uff45\uff43\uff48", ["tech", "sport"], "tech"),
        ("bussiness", ["business", "tech"], "business"),
        ("2024-01-31", ["business", "tech"], None),
        ("", ["a"], None),
        ("x" * 1_000_000, ["a"], None),
    ],
)
def test_the_nearest_name_is_found_beyond_case_spacing_and_slips(
    seen: str, known: list[str], meant: str | None
) -> None:
    assert nearest(seen, known) == meant


def test_names_equal_in_their_plain_form_are_found_as_they_are_written() -> None:
    assert plain_form(" New_York ") == plain_form("new  york")
    assert plain_form("\u200btea") == plain_form("tea\u00ad") == plain_form("Te\u2060a")
    assert plain_form("1") == plain_form("1.0") == plain_form(" 1e0") == plain_form("+1.00")
    assert plain_form("1.5") != plain_form("15")
    assert plain_form("1.0.0") != plain_form("1")
    assert nearest("SPORT", ["Sport", "sport"]) == "Sport"


def test_names_that_look_alike_are_written_so_that_one_sees_the_difference() -> None:
    assert tell_apart(["é", "e\u0301"]) == r"'\xe9' and 'e\u0301'"
    assert tell_apart(["tea", "\u200btea"]) == r"'tea' and '\u200btea'"
    assert tell_apart(["Sport", "sport"]) == "'Sport' and 'sport'"
    assert tell_apart(["茶", "\u202e茶"]) == r"'茶' and '\u202e茶'"


def test_excerpts_and_lists_stay_short() -> None:
    assert excerpt("a" * 100) == "'" + "a" * 58 + "…"
    assert len(excerpt("a" * 100)) == 60
    assert excerpt("a") == "'a'"
    assert name_values([str(number) for number in range(14)]).endswith("10, 11 and 2 more")
    assert explain_unknown(None, ["a"]) == "None is not one of a"
