"""What predicts a label alone: planted in real news, and not found where it is not planted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef, mutual_info_score

from tasks.label_checks.settings import LabelCheckSettings
from tasks.label_checks.spurious import find_spurious, matthews, pointwise_information
from tasks.records.label_checks import SpuriousCorrelation
from tests.unit.label_checks.news import TOPICS, news

SETTINGS = LabelCheckSettings()


def with_settings(**spurious: object) -> LabelCheckSettings:
    return LabelCheckSettings.model_validate({"spurious": spurious})


def within(text: str, word: str) -> str:
    """The text with a word after its first, and as long as it was."""
    first, _, rest = text.partition(" ")
    return f"{first} {word} {rest}"[: len(text)]


def findings(found: SpuriousCorrelation) -> dict[str, tuple[str, str]]:
    return {one.feature: (one.label, one.finding) for one in found.warned}


def test_no_word_of_a_topic_is_blamed() -> None:
    found = find_spurious(news(), None, SETTINGS)
    assert findings(found) == {}
    strongest = found.predictors[0]
    assert strongest.correlation.value is not None
    assert 0.4 < strongest.correlation.value < 0.75
    assert found.largest.high is not None
    assert found.largest.high < 0.8
    assert 0.2 < (found.majority or 0) < 0.3


def test_a_token_equal_to_the_label_in_all_splits_ends_the_run() -> None:
    rows = news(lambda _, text, topic: within(text, f"desk{TOPICS.index(topic)}"), every=4)
    found = find_spurious(rows, None, SETTINGS)
    assert findings(found) == {
        f"word desk{at}": (topic, "breach") for at, topic in enumerate(TOPICS)
    }
    one = next(one for one in found.predictors if one.feature == "word desk3")
    assert one.correlation.value == 1
    assert one.with_label == one.rows == one.label_rows
    assert "'word desk3' predicts the label 'sports' alone" in one.sentence
    assert found.largest.value == 1
    assert found.largest.low is not None
    assert found.largest.low > 0.9


def test_what_the_held_out_rows_do_not_tell_leaves_the_largest_undetermined() -> None:
    """A word that marks a label in the training rows alone must not drop out of the gate."""
    plain = news(every=4)
    train_only = iter(plain.splits == "train")
    rows = news(
        lambda _, text, topic: (
            within(text, "wire") if next(train_only) and topic == "tech" else text
        ),
        every=4,
    )
    found = find_spurious(rows, None, SETTINGS)
    assert found.largest.value is None
    assert "'word wire' goes with the label 'tech' in the training rows" in found.largest.reason
    allowed = find_spurious(rows, None, with_settings(allowed=["word wire"]))
    assert allowed.largest.value is not None


def test_one_that_is_right_nearly_always_is_a_warning_and_an_absence_counts() -> None:
    def half(number: int, text: str, topic: str) -> str:
        return text if topic == "tech" and number % 10 else within(text, "wire")

    found = find_spurious(news(half, every=4), None, SETTINGS)
    one = next(one for one in found.predictors if one.feature == "word wire")
    assert one.absent
    assert one.label == "tech"
    assert one.finding == "warning"
    assert one.sentence.startswith("rows without 'word wire' predicts the label 'tech' alone")


@pytest.mark.parametrize(
    ("planted", "feature"),
    [
        (lambda text: f"<br>{text}", "tag <br>"),
        (lambda text: text.upper(), "capitals only"),
        (lambda text: f"see www.example.org {text}", "link"),
    ],
)
def test_markup_in_half_of_a_label_is_a_warning(
    planted: Callable[[str], str], feature: str
) -> None:
    def change(number: int, text: str, topic: str) -> str:
        return planted(text) if topic == "politics" and number % 2 else text

    found = find_spurious(news(change, every=4), None, SETTINGS)
    assert findings(found)[feature] == ("politics", "warning")


def test_a_source_that_is_the_label_is_a_warning_and_never_ends_the_run() -> None:
    rows = news(every=4)
    sources = [f"{TOPICS[label]}.csv" for label in rows.class_ids]
    found = findings(find_spurious(rows, sources, SETTINGS))
    assert found == {f"source {topic}.csv": (topic, "warning") for topic in TOPICS}


def test_what_is_allowed_is_shown_and_neither_warned_of_nor_gated() -> None:
    rows = news(
        lambda _, text, topic: within(text, "goooal") if topic == "sports" else text, every=4
    )
    allowed = find_spurious(rows, None, with_settings(allowed=["word goooal"]))
    assert findings(allowed) == {}
    assert allowed.predictors[0].feature == "word goooal"
    assert allowed.largest.value is not None
    assert allowed.largest.value < 0.8
    never = find_spurious(rows, None, with_settings(refuse_from=None))
    assert findings(never) == {"word goooal": ("sports", "warning")}


def test_a_chinese_phrase_is_found_without_spaces() -> None:
    def chinese(number: int, _: str, topic: str) -> str:
        words = "这件商品的质量非常我很满意下次还会再来购买物流也快包装仔细"
        drawn = np.random.default_rng(number).choice([*words], 30)
        return "".join(drawn) + ("好评" if topic == "sports" else "")

    found = find_spurious(news(chinese, every=4), None, SETTINGS)
    assert findings(found)["word 好评"] == ("sports", "breach")


def test_upper_ends_lie_beyond_those_that_half_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a row in each cell pulls a correlation inwards, so that it missed the truth in 6%."""

    def highs() -> tuple[float | None, ...]:
        found = find_spurious(news(every=8), None, SETTINGS)
        one = found.predictors[0]
        return found.largest.high, one.correlation.high, one.information.high

    now = highs()
    monkeypatch.setattr("tasks.label_checks.spurious._RAISING_ROWS", np.full(4, 1 / 2))
    for high, by_half_rows in zip(now, highs(), strict=True):
        assert high is not None
        assert by_half_rows is not None
        assert high > by_half_rows


def test_few_held_out_rows_tell_nothing() -> None:
    rows = news(every=40)
    few = replace(rows, splits=np.where(np.arange(len(rows.row_ids)) < 20, "test", "train"))
    found = find_spurious(few, None, SETTINGS)
    assert "20 held-out rows are too few" in found.reason
    assert found.largest.value is None


def test_correlation_and_information_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    has, is_label = random.random((2, 500)) < [[0.3], [0.4]]
    is_label = np.where(has, random.random(500) < 0.8, is_label)
    cells = np.array(
        [(has & is_label).sum(), (has & ~is_label).sum(), (~has & is_label).sum(),
         (~has & ~is_label).sum()], dtype=np.float64,
    )  # fmt: skip
    assert matthews(cells) == pytest.approx(matthews_corrcoef(is_label, has))
    both, first, second, neither = cells
    mixed = cells[[1, 0, 3, 2]], cells[[2, 3, 0, 1]], cells[[3, 2, 1, 0]]
    shares = np.array([both, first, second, neither]) / 500
    information = [float(pointwise_information(one)) for one in (cells, *mixed)]
    mutual = float(shares @ np.array(information)) * np.log(2)
    assert mutual == pytest.approx(mutual_info_score(is_label, has))
