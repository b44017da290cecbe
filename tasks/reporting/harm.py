"""What a candidate writes that it should not, as page, card and Prefect run show it."""

from dataclasses import dataclass
from typing import Final

from tasks.records.harm import (
    FAMILY,
    OVER_REFUSAL,
    REFUSAL,
    Harm,
    HarmExample,
    LeakFindings,
    LexiconFindings,
    RefusalFindings,
    ScorerFindings,
)
from tasks.reporting.file_names import name_with_digest
from tasks.reporting.number_format import count
from tasks.reporting.number_tables import (
    NumberTable,
    number_table,
    table_lines,
    table_sections,
)
from tasks.reporting.summaries import plain

PARTS: Final = {
    "lexicon": "terms of a lexicon in what it writes",
    "scorer": "toxicity or regard in what it writes, by a classifier of yours",
    "refusals": "refusals",
}
LEXICON_READING: Final = (
    "A term is no insult by itself: it may be quoted, or denied. What offends without a term of "
    "the list is not seen, so that a low share is no promise."
)
SCORER_READING: Final = (
    "A classifier labels what it learned to label, with mistakes of its own that may fall on some "
    "groups more than on others (Sap et al. 2019 found dialect taken for toxicity), so that a gap "
    "may be its own. Its own report says how often it is wrong, and for whom. It reads what is "
    "written without the prompt."
)
LEAKS_READING: Final = (
    "Found is what has the form of such data, by the recognisers that read the training rows: an "
    "address may be invented, and one written out in words is not seen. What stands in the prompt "
    "counts nowhere."
)
REFUSALS_READING: Final = (
    "A refusal is told by its first words; the examples show what counted. A model that refuses in "
    "other words counts as one that answers, and one that begins to refuse and then complies as "
    "one that refuses; whether an answer helps anybody is not judged."
)
NOT_SHOWN: Final = (
    "Not probed: whether a text is false, or harms in a way that no list and no classifier here "
    "knows, other prompts than these, conversations of several turns, and attackers who search for "
    "a prompt that works."
)


@dataclass(frozen=True)
class HarmSection:
    """All of it.

    Attributes:
        sentence: what was asked, and when.
        files: name of each file, and the beginning of its digest.
        tables: the lexicon, personal data, and refusals.
        kinds: of personal data, how many were found, and in how many texts.
        examples: heading, prompt and text of each example.

    """

    sentence: str
    files: tuple[tuple[str, str], ...]
    tables: tuple[NumberTable, ...]
    kinds: tuple[tuple[str, str, str], ...]
    examples: tuple[tuple[str, str, str], ...]
    not_shown: str = NOT_SHOWN


def harm_section(found: Harm | None) -> HarmSection | None:
    """The section; None of a line that asks for no such probe."""
    if found is None:
        return None
    return HarmSection(
        sentence=sentence_of(found),
        files=tuple(name_with_digest(file) for file in found.files),
        tables=_tables(found),
        kinds=_kinds(found.leaks),
        examples=_examples(found),
    )


def sentence_of(found: Harm) -> str:
    """What was asked, and when."""
    asked = f"The model wrote a text to each of {count(found.asked)} prompts, as it is served"
    empty = f"; {count(found.empty)} are empty and count nowhere" if found.empty else ""
    what = f"{asked}{empty}." if found.asked else "The model was asked to answer requests."
    return f"{what} Drawn with seed {found.seed}, on {found.on or 'an unknown day'}."


def harm_lines(found: Harm) -> list[str]:
    """Each number in a line for the card, with what it can and cannot say."""
    kinds = [
        f"Found of the kind {kind}: {number}, in {texts} texts."
        for kind, number, texts in _kinds(found.leaks)
    ]
    return [sentence_of(found), *table_lines(_tables(found)), *kinds, NOT_SHOWN]


def harm_markdown(found: Harm) -> str:
    """The section for the page of a run."""
    parts = [plain(sentence_of(found)), *table_sections(_tables(found)), plain(NOT_SHOWN)]
    return "\n\n".join(parts)


def _tables(found: Harm) -> tuple[NumberTable, ...]:
    tables = []
    if found.lexicon:
        tables.append(_of_lexicon(found.lexicon))
    if found.scorer:
        tables.append(_of_scorer(found.scorer))
    if found.leaks:
        tables.append(_of_leaks(found.leaks))
    if found.refusals:
        tables.append(_of_refusals(found.refusals))
    return tuple(tables)


def _of_lexicon(found: LexiconFindings) -> NumberTable:
    named = [("texts that hold a term", found.rate)]
    named += [(f"of them to prompts of {_group(one.name)}", one) for one in found.groups]
    if found.gap:
        named.append(("largest difference between two groups", found.gap))
    named.append(("training rows that would have it write a term", found.training))
    echoed = f" In {count(found.echoed)} of the texts each stands in the prompt, too."
    return number_table(
        "Terms of the lexicon",
        f"The list has {count(found.terms)} terms.{echoed if found.echoed else ''}",
        LEXICON_READING,
        named,
    )


def _of_scorer(found: ScorerFindings) -> NumberTable:
    scorer = found.scorer
    named = [(f"texts labelled {scorer.label}", found.rate)]
    named += [(f"of them to prompts of {_group(one.name)}", one) for one in found.groups]
    if found.gap:
        named.append(("largest difference between two groups", found.gap))
    named.append((f"training rows labelled {scorer.label}", found.training))
    return number_table(
        "Texts as a classifier labels them",
        f"Asked was {scorer.name} (weights {scorer.weights.sha256[:12]}).",
        SCORER_READING,
        named,
    )


def _of_leaks(found: LeakFindings) -> NumberTable:
    return number_table(
        "Personal data and secrets",
        f"{len(found.by_kind)} kinds were found.",
        LEAKS_READING,
        [
            ("texts with personal data that the prompt has not", found.personal_data),
            ("texts with a key, token or password that the prompt has not", found.secrets),
        ],
    )


def _of_refusals(found: RefusalFindings) -> NumberTable:
    words = {REFUSAL: "refused, as they should be", OVER_REFUSAL: "refused, and should not be"}
    of_groups = [
        (f"{words[one.name.split('.')[1]]}: {_group(one.name)}", one) for one in found.groups
    ]
    empty = f" {count(found.empty)} answers are empty, and count against it." if found.empty else ""
    return number_table(
        "Refusals",
        f"The model answered {count(found.asked)} requests; {count(found.patterns)} patterns tell "
        f"a refusal.{empty}",
        REFUSALS_READING,
        [(words[REFUSAL], found.refusal), (words[OVER_REFUSAL], found.over_refusal), *of_groups],
    )


def _group(name: str) -> str:
    """The group behind ``harm.MEASURE.``."""
    return name.removeprefix(f"{FAMILY}.").split(".", 1)[1]


def _kinds(found: LeakFindings | None) -> tuple[tuple[str, str, str], ...]:
    by_kind = found.by_kind if found else ()
    return tuple((kind, count(number), count(texts)) for kind, number, texts in by_kind)


def _examples(found: Harm) -> tuple[tuple[str, str, str], ...]:
    parts: list[tuple[str, tuple[HarmExample, ...]]] = []
    if found.lexicon:
        parts.append(("holds a term", found.lexicon.examples))
    if found.scorer:
        parts.append((f"labelled {found.scorer.scorer.label}", found.scorer.examples))
    if found.refusals:
        parts.append(("answered, and should be refused", found.refusals.answered))
        parts.append(("refused, and should be answered", found.refusals.refused))
        parts.append(("counted as refused, as it should be", found.refusals.rightly_refused))
    return tuple((what, one.prompt, one.text) for what, some in parts for one in some)
