"""Rows in other words: whose texts are asked, what is left out, and between which languages."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from infra.errors import SettingsError
from infra.store import Artifact
from tasks.augmentation.augmenting import AS_PARENT, HELD_OUT, NEGATED, make_rows
from tasks.augmentation.back_translation import (
    CUT,
    OTHER_LANGUAGE,
    OTHER_NUMBERS,
    UNLIKE,
    Selection,
    translated_rows,
)
from tasks.augmentation.known_texts import KnownTexts
from tasks.augmentation.methods import Translated, why_not
from tasks.augmentation.settings import AugmentationSettings, BackTranslationSettings
from tasks.augmentation.translated_texts import RoundTrip
from tasks.augmentation.translation_languages import find_languages, language_of
from tasks.records.back_translation import Translator, Translators
from tasks.task_types.row_shapes import shape_of

SHAPE = shape_of("classification")
TEXT = "Shares of the bank fell by 3% after its report"


def settings_of(**more: object) -> BackTranslationSettings:
    asked = {"share": 0.5, "to": "en-zh", "back": "zh-en", **more}
    return BackTranslationSettings.model_validate(asked)


def tell(texts: Sequence[str], minimum: int, _: Sequence[str]) -> list[str | None]:
    """Chinese where a Chinese character is, else English; nothing of short texts."""
    return [
        None if len(text) < minimum else "zh" if any(one > "\u3400" for one in text) else "en"
        for text in texts
    ]


def selection(language: str = "en", **more: object) -> Selection:
    return Selection(settings_of(**more), SHAPE, language, tell)


def table_of(texts: Sequence[str]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"row_id": f"{number:064x}", "text": text, "label": "a", "split": "train"}
            for number, text in enumerate(texts)
        ]
    )


class Writer:
    """A translation that exchanges a word, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[RoundTrip]:
        self.asked += texts
        return [RoundTrip("句", f"{text} indeed") for text in texts]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("zh-en", ("zh-en", "production", None)),
        ("zh-en@best", ("zh-en", "best", None)),
        ("zh-en/12", ("zh-en", "production", 12)),
    ],
)
def test_a_version_is_named_as_mlflow_names_it(
    name: str, found: tuple[str, str, int | None]
) -> None:
    assert settings_of(to=name).references["to"] == found


@pytest.mark.parametrize("name", ["", "zh-en@", "zh-en/0", "zh-en/a", "models:/zh-en", "a b"])
def test_what_names_no_version_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="names no version; right would be"):
        settings_of(back=name)


@pytest.mark.parametrize("task_type", ["tagging", "relation_extraction", "translation", "chat"])
def test_rows_whose_answers_it_would_tear_are_refused(task_type: str) -> None:
    assert why_not("back_translation", shape_of(task_type))


def test_rows_with_a_label_are_not_refused() -> None:
    kinds = ("classification", "multi_label", "regression")
    assert not any(why_not("back_translation", shape_of(kind)) for kind in kinds)


@pytest.mark.parametrize(
    ("back", "reason"),
    [
        ("The shares of the bank fell by 3% after its report", ""),
        (None, CUT),
        ("The shares of the bank fell by 30% after its report", OTHER_NUMBERS),
        ("银行的股票在报告发布之后下跌了 3%大家都在谈论这件事情", OTHER_LANGUAGE),
        ("A dog sees 3 cats in that very old garden", UNLIKE),
    ],
)
def test_why_what_came_back_makes_no_new_row(back: str | None, reason: str) -> None:
    assert selection().reasons([TEXT], [RoundTrip("x", back)]) == [reason]


def test_thousands_may_be_parted_otherwise_and_placeholders_must_stay() -> None:
    asked = selection()
    assert asked.reasons(["a gain of 3,000 for us"], [RoundTrip("x", "a gain of 3000 for us")]) == [
        ""
    ]
    written = "write to [MAIL] about it now"
    for back, reason in (("write to me about it now", OTHER_NUMBERS), (written, "")):
        assert asked.reasons([written], [RoundTrip("x", back)]) == [reason]


def test_unknown_languages_refuse_nothing_and_the_floor_can_be_taken_away() -> None:
    back = "银行的股票在报告发布之后下跌了 3%大家都在谈论这件事情"
    assert selection("", min_chrf=0).reasons([TEXT], [RoundTrip("x", back)]) == [""]


def test_texts_are_asked_until_the_share_is_met_and_no_further() -> None:
    train = table_of([f"text number {number} of many" for number in range(400)])
    writer = Writer()
    rows = translated_rows(train, selection(share=0.5), KnownTexts([], []), 0, writer)
    assert len(rows) == len(writer.asked) == 256  # 200 asked, in runs of 64
    again = translated_rows(train, selection(share=0.5), KnownTexts([], []), 0, Writer())
    assert rows == again


def test_a_row_that_gives_none_is_stood_in_for_by_the_next_one() -> None:
    texts = [f"text number {number} of many" for number in range(400)]
    train = table_of(texts)

    def cut(texts: Sequence[str]) -> list[RoundTrip]:
        trips = Writer()(texts)
        return [RoundTrip(None, None) if n % 2 else one for n, one in enumerate(trips)]

    rows = translated_rows(train, selection(share=0.25), KnownTexts([], []), 0, cut)
    assert len(rows) == 256  # 100 asked, and every other one is cut
    came = {str(row["text"]): Translated(row["back"], str(row["reason"])) for row in rows}
    asked = AugmentationSettings(back_translation=settings_of(share=0.25))
    (made,) = make_rows(train, SHAPE, asked, KnownTexts(texts, []), came)
    assert len(made.rows) == made.asked == 100
    assert made.left_out[CUT] in {99, 100}


def test_new_rows_are_those_that_came_back_and_each_other_is_counted_by_its_reason() -> None:
    texts = [f"the {word} was seen here" for word in ("cat", "dog", "cow", "hen", "fox", "owl")]
    came = {
        texts[0]: Translated("here the cat was seen", ""),
        texts[1]: Translated(None, CUT),
        texts[2]: Translated("The cow was seen, here!", ""),
        texts[3]: Translated("a held out hen", ""),
        texts[4]: Translated("the fox was not seen here", ""),
    }
    asked = AugmentationSettings.model_validate(
        {"back_translation": {"share": 1.0, "to": "en-zh", "back": "zh-en"}}
    )
    known = KnownTexts(texts, ["A held out hen!"])
    # The texts that were asked stand at the start of the draws, of which the last one is the end.
    train = table_of(texts[:5])
    (made,) = make_rows(train, SHAPE, asked, known, came)
    assert [row["text"] for row in made.rows] == ["here the cat was seen"]
    assert made.rows[0]["parent_id"] == f"{0:064x}"
    assert made.left_out == {CUT: 1, AS_PARENT: 1, HELD_OUT: 1, NEGATED: 1}
    nothing = make_rows(table_of(texts[5:]), SHAPE, asked, known, came)[0]
    assert (nothing.rows, nothing.left_out) == ([], {})


def test_the_language_of_short_texts_is_told_together() -> None:
    assert language_of(["我们去学校"] * 60, tell) == "zh"
    assert language_of(["red cat", "big dog"] * 60, tell) == "en"
    mixed = ["a long English sentence " * 6, "一个很长的句子和话" * 20] * 10
    assert language_of(mixed, tell) == ""
    assert language_of([], tell) == ""


class Rows:
    """Clean rows of lines by their address, in place of a store."""

    def __init__(self, **lines: tuple[str, str]) -> None:
        self._lines = lines

    def get_file(self, artifact: Artifact, path: Path) -> Path:
        source, target = self._lines[artifact.uri]
        pq.write_table(pa.table({"source": [source] * 90, "target": [target] * 90}), path)
        return path


def translator(line: str, *, told: bool = True) -> Translator:
    weights = Artifact(f"weights of {line}", "0" * 64, 0)
    return Translator(line, 1, weights, Artifact(line, "1" * 64, 0) if told else None, 64, 64)


EN, ZH = "a good film for us all", "我们大家都喜欢的一部好电影"


def test_languages_that_meet_are_those_of_the_pair() -> None:
    store = Rows(there=(EN, ZH), back=(ZH, EN))
    pair = Translators(translator("there"), translator("back"))
    found = find_languages(store, pair, tell)  # type: ignore[arg-type]
    assert (found.language, found.between) == ("en", "zh")


def test_languages_that_do_not_meet_are_refused_both_at_once() -> None:
    store = Rows(there=(EN, ZH), back=(EN, ZH))
    pair = Translators(translator("there"), translator("back"))
    with pytest.raises(SettingsError) as refused:
        find_languages(store, pair, tell)  # type: ignore[arg-type]
    message = str(refused.value)
    assert (
        "version 1 of back, which translates from en, and version 1 of there translates to zh"
        in (message)
    )
    assert (
        "version 1 of back, which translates to zh, and version 1 of there translates from en"
        in (message)
    )


def test_a_line_that_does_not_tell_its_rows_is_taken_as_it_is_named() -> None:
    store = Rows(there=(EN, ZH))
    pair = Translators(translator("there"), translator("back", told=False))
    found = find_languages(store, pair, tell)  # type: ignore[arg-type]
    assert (found.language, found.between) == ("en", "zh")
