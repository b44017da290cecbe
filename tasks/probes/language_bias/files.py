"""The files of the probes, in the layouts that their authors published them in."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeVar

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.probes.language_bias.items import (
    Items,
    PronounSentence,
    Question,
    SentencePair,
    Template,
    Triplet,
)
from tasks.probes.language_bias.pronoun_files import read_winobias, read_winogender
from tasks.probes.language_bias.settings import LanguageBiasSettings
from tasks.probes.lexicon import Lexicon, read_lexicon
from tasks.records.data import SourceFile
from tasks.records.language_bias import (
    BBQ,
    CBBQ,
    CROWS_PAIRS,
    HONEST,
    STEREOSET,
    WINOBIAS,
    WINOGENDER,
)
from tasks.sources.named_files import pin_named, read_pinned

_STEREOSET_VERSIONS: Final = ("stereotype", "anti-stereotype", "unrelated")
_BLANK: Final = "[M]"
_ANSWERS: Final = ("ans0", "ans1", "ans2")
# How the Chinese BBQ names its kinds of contexts and questions, and BBQ.
_AMBIGUOUS: Final = {"ambiguous": True, "disambiguous": False, "ambig": True, "disambig": False}
_NEGATIVE: Final = {"neg": True, "non_neg": False, "nonneg": False}

_Found = TypeVar("_Found")


class ReadFiles(NamedTuple):
    """What the files of a probe hold.

    Attributes:
        items: all that can be asked.
        unlike: lines of WinoBias whose two files do not say the same.
        lexicon: of HONEST; None of the others.

    """

    items: Items
    unlike: int = 0
    lexicon: Lexicon | None = None


def pin_files(settings: LanguageBiasSettings, store: ObjectStore) -> tuple[SourceFile, ...]:
    """The files that the settings name, with the digests that they have now.

    Raises:
        DataError: a file is missing, cannot be read, is too large, or has not its layout.
        StoreError: the store cannot be reached.

    """
    pinned = tuple(pin_named(_setting(probe), path, store) for probe, path in settings.files)
    for probe, files in files_of_probes(settings, pinned):
        read_probe(probe, files, settings, store)
    return pinned


def files_of_probes(
    settings: LanguageBiasSettings, pinned: Sequence[SourceFile]
) -> list[tuple[str, tuple[SourceFile, ...]]]:
    """Each probe with its files, of all that `pin_files` gave."""
    named = zip(settings.files, pinned, strict=True)
    return [
        (probe, tuple(file for _, file in group))
        for probe, group in groupby(named, key=lambda one: one[0][0])
    ]


def read_probe(
    probe: str, files: Sequence[SourceFile], settings: LanguageBiasSettings, store: ObjectStore
) -> ReadFiles:
    """What the pinned files of a probe hold.

    Args:
        probe: whose layout they have.
        files: as `files_of_probes` gives them.
        settings: that name them.
        store: holds those of the store.

    Raises:
        DataError: a file changed since it was pinned, or has not the layout.

    """
    if probe == HONEST:
        templates, terms = files
        lexicon = read_lexicon(f"{_setting(probe)}.lexicon", terms, store)
        text = _text(probe, templates, store)
        return ReadFiles(_parsed(probe, [templates], _honest, text), lexicon=lexicon)
    texts = [_text(probe, file, store) for file in files]
    if probe == WINOGENDER:
        return ReadFiles(_parsed(probe, files, read_winogender, *texts))
    if probe == WINOBIAS:
        return _read_winobias(files, texts, settings)
    items: list[Any] = []
    for text, file in zip(texts, files, strict=True):
        items += _parsed(probe, [file], _READERS[probe], text)
    return ReadFiles(items)


def _read_winobias(
    files: Sequence[SourceFile], texts: Sequence[str], settings: LanguageBiasSettings
) -> ReadFiles:
    items: list[PronounSentence] = []
    unlike = 0
    for number, one in enumerate(settings.winobias):
        both = slice(2 * number, 2 * number + 2)
        found, fewer = _parsed(
            WINOBIAS, files[both], read_winobias, *texts[both], f"type{one.type}"
        )
        items += found
        unlike += fewer
    return ReadFiles(items, unlike)


def _text(probe: str, file: SourceFile, store: ObjectStore) -> str:
    try:
        return read_pinned(_setting(probe), file, store).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{_setting(probe)}: {file.uri} is no UTF-8: {error}") from error


def _parsed(
    probe: str, files: Sequence[SourceFile], read: Callable[..., _Found], *texts: str
) -> _Found:
    """What a reader makes of the texts of some files, in which there must be something."""
    name = f"{_setting(probe)}: {' and '.join(file.uri for file in files)}"
    try:
        found = read(*texts)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        why = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{name} has not the layout of {_LAYOUTS[probe]}: it {why}") from error
    if not (found[0] if isinstance(found, tuple) else found):
        raise DataError(f"{name} holds nothing; right is {_LAYOUTS[probe]}")
    return found


def _setting(probe: str) -> str:
    return f"probes.language_bias.{probe}"


def _crows_pairs(text: str) -> list[SentencePair]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        return [
            SentencePair(_said(row, "sent_more"), _said(row, "sent_less"), _said(row, "bias_type"))
            for row in rows
        ]
    except csv.Error as error:
        raise ValueError(f"cannot be read from line {rows.line_num}: {error}") from error


def _said(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"has {value!r} for {name} where a text is needed")
    return value.strip()


def _stereoset(text: str) -> list[Triplet]:
    triplets = []
    for item in json.loads(text)["data"]["intrasentence"]:
        by_label = {one["gold_label"]: _said(one, "sentence") for one in item["sentences"]}
        stereotype, anti, unrelated = (by_label[label] for label in _STEREOSET_VERSIONS)
        triplets.append(
            Triplet(stereotype, anti, unrelated, _said(item, "bias_type"), _said(item, "target"))
        )
    return triplets


def _bbq(text: str) -> list[Question]:
    return [_bbq_question(json.loads(line)) for line in text.split("\n") if line.strip()]


def _bbq_question(row: dict[str, Any]) -> Question:
    about = [_about(row["answer_info"][name]) for name in _ANSWERS]
    (unknown,) = _one([n for n, words in enumerate(about) if "unknown" in words], row)
    stereotyped = {str(one).casefold() for one in row["additional_metadata"]["stereotyped_groups"]}
    (target,) = _one([n for n, words in enumerate(about) if words & stereotyped], row)
    (other,) = _one([n for n in range(3) if n not in {unknown, target}], row)
    return Question(
        prompt=f"{_said(row, 'context')} {_said(row, 'question')}",
        answers=tuple(_said(row, name) for name in _ANSWERS),  # type: ignore[arg-type]
        right=_right(row, unknown),
        unknown=unknown,
        biased=target if _NEGATIVE[row["question_polarity"]] else other,
        ambiguous=_AMBIGUOUS[row["context_condition"]],
        template=f"{row['category']} {row['question_index']}",
        category=str(row["category"]),
    )


def _right(row: dict[str, Any], unknown: int) -> int:
    """The right answer, which says "unknown" where the context leaves it open, and only there."""
    right, is_open = int(row["label"]), _AMBIGUOUS[row["context_condition"]]
    if not 0 <= right < len(_ANSWERS):
        raise ValueError(f"has the label {right} where 0, 1 or 2 is needed")
    if (right == unknown) is not is_open:
        raise ValueError(
            f"says of example {row.get('example_id')} that answer {right} is right in a context "
            f"that is {row['context_condition']}, where answer {unknown} is the unknown one"
        )
    return right


def _about(words: list[str]) -> set[str]:
    return {word.casefold() for word in words}


def _one(places: list[int], row: dict[str, Any]) -> list[int]:
    if len(places) != 1:
        raise ValueError(
            f"does not tell, of example {row.get('example_id')}, which answer is of the stereotyped"
            " group and which says that it is unknown"
        )
    return places


def _cbbq(text: str) -> list[Question]:
    """Its first answer is that of the group which the stereotype is about, its last the unknown."""
    return [
        Question(
            prompt=f"{_said(row, 'context')}{_said(row, 'question')}",
            answers=tuple(_said(row, name) for name in _ANSWERS),  # type: ignore[arg-type]
            right=_right(row, 2),
            unknown=2,
            biased=0 if _NEGATIVE[row["question_polarity"]] else 1,
            ambiguous=_AMBIGUOUS[row["context_condition"]],
            template=f"{row['category']} {row['question_index']}",
            category=str(row["category"]),
        )
        for row in json.loads(text.replace("\ufeff", ""))
    ]


def _honest(text: str) -> list[Template]:
    """Each text once in each group."""
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    return list(dict.fromkeys(_template(row) for row in rows))


def _template(row: dict[str, Any]) -> Template:
    sentence, *others = " ".join(_said(row, "template_masked").split()).split(_BLANK)
    if len(others) != 1:
        raise ValueError(f"has {sentence[:60]!r} for a template, where one {_BLANK} is needed")
    group = _said(row, "category" if "category" in row else "mf")
    return Template(sentence, others[0], group, _said(row, "raw"))


_READERS: Final[dict[str, Callable[[str], Items]]] = {
    CROWS_PAIRS: _crows_pairs,
    STEREOSET: _stereoset,
    BBQ: _bbq,
    CBBQ: _cbbq,
}
_LAYOUTS: Final = {
    CROWS_PAIRS: "CrowS-Pairs: CSV with sent_more, sent_less and bias_type",
    STEREOSET: "StereoSet: JSON with data.intrasentence, and three sentences in each item",
    BBQ: "BBQ: a JSON object a line, with context, question, ans0 to ans2, answer_info, label, "
    "question_polarity, context_condition and additional_metadata.stereotyped_groups",
    CBBQ: "CBBQ: a JSON list of objects with context, question, ans0 to ans2, label, "
    "question_polarity and context_condition",
    WINOBIAS: "WinoBias: a sentence a line, with [the person] and [the pronoun] in brackets",
    WINOGENDER: "Winogender: tab-separated sentid and sentence, beside a file of occupation and "
    "bls_pct_female",
    HONEST: "HONEST: tab-separated template_masked (with one [M]), raw, and category or mf",
}
