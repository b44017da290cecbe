"""Rows of the benchmark of false alarms: a clean line has no fault, and a planted one is there."""

from collections import Counter
from typing import Any

import pytest
from scipy.stats import chi2_contingency

from benchmarks.probes.made_up_lines import BRITTLE, BY_DOMAIN, BY_GROUP, CLEAN, reviews, sentences

SIZES = {"train": 1_500, "validation": 300, "test": 1_200}


def made(fault: str, split: str = "train") -> list[dict[str, Any]]:
    return [one for one in reviews(0, SIZES, fault) if one["split"] == split]


def p_value(rows: list[dict[str, Any]], name: str) -> float:
    """That label and another column are independent."""
    seen = Counter((one["label"], one[name]) for one in rows)
    labels, values = ({key[place] for key in seen} for place in (0, 1))
    table = [[seen[label, value] for value in sorted(values)] for label in sorted(labels)]
    return float(chi2_contingency(table).pvalue)


def words(rows: list[dict[str, Any]]) -> set[str]:
    return {word.strip(",.") for one in rows for word in one["text"].split()}


@pytest.mark.parametrize("split", ["train", "test"])
def test_author_and_shop_say_nothing_of_a_clean_label(split: str) -> None:
    rows = made(CLEAN, split)
    assert len(rows) == SIZES[split]
    for name in ("author", "shop"):
        assert p_value(rows, name) > 0.001
        assert all(one[name] in one["text"] for one in rows)
    shops = [words([one for one in rows if one["shop"] == shop]) for shop in ("east", "west")]
    assert len(shops[0] ^ shops[1]) == 2


def test_the_same_seed_gives_the_same_rows_and_another_others() -> None:
    assert reviews(1, {"train": 20}) == reviews(1, {"train": 20}) != reviews(2, {"train": 20})
    assert sentences(1, {"train": 20}) == sentences(1, {"train": 20}) != sentences(2, {"train": 20})
    assert all("label" not in one for one in sentences(1, {"train": 20}))


def test_one_long_word_tells_all_where_the_line_is_brittle() -> None:
    of_label: dict[str, set[str]] = {"bad": set(), "good": set()}
    for one in made(BRITTLE):
        long = [word for word in words([one]) if len(word) > 3]
        assert len(long) == 1
        of_label[one["label"]].update(long)
    assert not of_label["bad"] & of_label["good"]


def test_labels_of_one_author_are_wrong_in_training_rows_and_right_in_test_rows() -> None:
    learned, asked = made(BY_GROUP), made(BY_GROUP, "test")
    assert p_value(learned, "author") < 1e-6
    assert p_value(asked, "author") > 0.001
    clean = made(CLEAN)
    changed = [
        one for one, before in zip(learned, clean, strict=True) if one["label"] != before["label"]
    ]
    assert {(one["author"], one["label"]) for one in changed} == {("anna", "bad")}


def test_the_east_has_words_of_its_own_where_the_domain_is_the_fault() -> None:
    rows = made(BY_DOMAIN)
    east, others = (
        words([one for one in rows if (one["shop"] == "east") is here]) for here in (True, False)
    )
    assert {"crisp", "rotten"} <= east - others
    assert {"superb", "awful"} <= others - east
    assert p_value(rows, "shop") > 0.001
