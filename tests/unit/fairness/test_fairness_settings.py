"""Settings of the assessment: what is refused, and what they say is assessed."""

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.fairness.settings import FairnessSettings


def test_pairs_are_assessed_after_single_attributes() -> None:
    chosen = FairnessSettings(
        identity_attributes=("gender", "religion"),
        intersections=(("gender", "religion"), ("region", "gender")),
    )
    assert chosen.attributes(("region", "gender")) == (
        "region", "region_exclusive", "gender", "gender_exclusive", "religion",
        "religion_exclusive", "gender+religion", "region+gender",
    )  # fmt: skip
    assert chosen.unassessed(("region",)) == []
    assert chosen.unassessed(()) == ["region"]
    named = FairnessSettings(groups={"gender": ("a", "b"), "caste": ("a", "b")})
    assert named.unassessed(()) == ["caste"]
    cells = FairnessSettings(
        intersections=(("gender_exclusive", "region_exclusive"),),
        groups={"gender_exclusive": ("female", "male")},
    )
    assert cells.unassessed(("region",)) == []
    assert cells.unassessed(()) == ["region_exclusive"]
    # A pair of pairs is no pair of attributes.
    deep = chosen.model_copy(update={"intersections": (("gender+religion", "gender"),)})
    assert deep.unassessed(()) == ["gender+religion"]


def test_a_column_may_not_take_the_name_of_exclusive_cells() -> None:
    chosen = FairnessSettings()
    assert chosen.why_clash(("region", "club_exclusive")) == ""
    assert chosen.why_clash(("gender_exclusive",)) == (
        "source.group_columns names 'gender_exclusive', which is the name of the exclusive cells "
        "of 'gender'; give the column another name"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"intersections": [("gender", "gender")]}, "paired with itself"),
        ({"intersections": [("age", "gender"), ("gender", "age")]}, "names a pair twice"),
        ({"groups": {"gender": ["female"]}}, "1 groups of gender are named; name 2 to 200"),
        ({"groups": {"gender": ["female", "female"]}}, "names a group of gender twice"),
        ({"positive_labels": ["a", "a"]}, "names a label twice"),
        ({"min_group_rows": 4}, "greater than or equal to 5"),
        ({"calibration_bins": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_say_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FairnessSettings.model_validate(settings)
