"""Stereotypes of a language model, as page, card and Prefect run show them."""

from dataclasses import dataclass
from typing import Final

from tasks.records.language_bias import (
    BBQ,
    CBBQ,
    CROWS_PAIRS,
    HONEST,
    STEREOSET,
    WINOBIAS,
    WINOGENDER,
    BiasExample,
    BiasProbe,
    LanguageBias,
)
from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.estimates import EstimateRow, estimate_row
from tasks.reporting.file_names import name_with_digest
from tasks.reporting.number_format import count, is_drawable
from tasks.reporting.summaries import markdown_table, plain

HEADS: Final = ("measure", "items", "number", "95% interval", "reading")
TITLES: Final = {
    CROWS_PAIRS: "CrowS-Pairs",
    STEREOSET: "StereoSet",
    BBQ: "BBQ",
    CBBQ: "CBBQ, in Chinese",
    WINOBIAS: "WinoBias",
    WINOGENDER: "Winogender",
    HONEST: "HONEST",
}
# What the numbers of each set are, and what is known against it.
_PITFALLS: Final = (
    "Blodgett et al. (2021) found unclear stereotypes, wrong groups and unnatural sentences in "
    "most of what they looked at in this set, so that it ranks no models, and a half does not show "
    "that a model is fair."
)
_CHANCE: Final = (
    "By chance a third of the answers is right. A model near chance has not understood the "
    "questions, and its bias score says little. Asked is which answer is likelier, not what the "
    "model would write."
)
_PRONOUNS: Final = (
    "accuracy_pro and accuracy_anti are the shares of sentences of which the person that the "
    "pronoun means is likelier than the other one behind '\"He\" refers to', where the stereotype "
    "leads to that person and where it leads away; accuracy_gap is the first less the second, and "
    "0 without a stereotype. By chance half is right, and a model near chance shows no gap "
    "whatever it holds. masculine_preference is the share of which he is likelier than she: a "
    "model that prefers he throughout is at a half of stereotype_preference. Two genders, "
    "occupations by statistics of the United States, and frames that were written for this."
)
READINGS: Final = {
    CROWS_PAIRS: "stereotype_preference is the share of pairs of which the more stereotyping "
    f"sentence is the likelier one; a half is no preference. {_PITFALLS}",
    STEREOSET: "stereotype_preference as in CrowS-Pairs; meaningful_preference is the share of "
    "sentences that make sense which are likelier than nonsense; icat joins both, and is 1 at "
    f"best. {_PITFALLS}",
    BBQ: "In ambiguous contexts it cannot be known who is meant, in clear ones it is said. The "
    "bias score is 0 without bias, and 1 where every answer is the stereotype's. It is about the "
    f"United States. {_CHANCE}",
    CBBQ: "As BBQ, of stereotypes in China. Its first answer is taken to be that of the group that "
    f"the stereotype is about. {_CHANCE}",
    WINOBIAS: "stereotype_preference is the share of sentences of which the version with the "
    "pronoun of the gender that its occupation is a stereotype of is the likelier one; a half is "
    f"no preference. type1 asks what follows from the world, type2 what from grammar. {_PRONOUNS}",
    WINOGENDER: "stereotype_preference is, of the sentences whose pronoun means who has the "
    "occupation, the share of which the pronoun of most who have it is the likelier one. Sentences "
    f"with they are not asked. {_PRONOUNS}",
    HONEST: "hurtful_share is the share of the likeliest words in sentences about somebody that "
    "hold a term of the lexicon, hurtful_gap the largest difference of two groups. A term is told "
    "by itself: 'animal' may hurt nobody, an insult without a term of the list is not seen, nor a "
    "plural that is not in it. The sentences are templates, and not what users write.",
}
NOT_SHOWN: Final = (
    "Not probed here: longer texts that the model writes, groups that these sets do not name, and "
    "what becomes of a stereotype in the product that the model is part of."
)


@dataclass(frozen=True)
class BiasRow:
    """One number with its place on the set's axis."""

    estimate: EstimateRow
    name: str
    kind: str
    bar: Bar | None


@dataclass(frozen=True)
class BiasTable:
    """One published set.

    Attributes:
        title: its name.
        sentence: of how many items, from which files.
        reading: what the numbers are, and what speaks against the set.
        rows: over all items, and by kind of bias.
        ticks: of the axis of the rows.
        examples: what the model holds likelier, the other, and by how many nats.
        completions: group and sentence of some that hold a term of the lexicon.

    """

    title: str
    sentence: str
    reading: str
    rows: tuple[BiasRow, ...]
    ticks: tuple[Tick, ...]
    examples: tuple[tuple[str, str, str], ...]
    completions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LanguageBiasSection:
    """All of them."""

    sentence: str
    tables: tuple[BiasTable, ...]
    not_shown: str = NOT_SHOWN


def language_bias_section(found: LanguageBias | None) -> LanguageBiasSection | None:
    """The section; None of a line that asks for no such probe."""
    if found is None:
        return None
    return LanguageBiasSection(sentence_of(found), tuple(_table(one) for one in found.probes))


def sentence_of(found: LanguageBias) -> str:
    """How and when the model was asked."""
    return (
        "The model was asked how likely it holds published sentences and answers "
        f"({found.rule}), on {found.on or 'an unknown day'}."
    )


def language_bias_lines(found: LanguageBias) -> list[str]:
    """Each number over all items of a set in a line for the card, and what speaks against it."""
    lines = [sentence_of(found)]
    for probe in found.probes:
        lines.append(f"{TITLES[probe.name]}: {_of_items(probe)} {READINGS[probe.name]}")
        overall = [row for row in _table(probe).rows if not row.kind]
        lines += [f"{TITLES[probe.name]}, {row.name}: {row.estimate.told}." for row in overall]
    return [*lines, NOT_SHOWN]


def language_bias_markdown(found: LanguageBias) -> str:
    """The section for the page of a run."""
    parts = [plain(sentence_of(found))]
    for probe in found.probes:
        rows = [
            (
                f"{one.name} {one.kind}".strip(), one.estimate.n, one.estimate.number,
                one.estimate.interval, one.estimate.reason,
            )
            for one in _table(probe).rows
        ]  # fmt: skip
        parts += [
            f"### {TITLES[probe.name]}",
            plain(f"{_of_items(probe)} {READINGS[probe.name]}"),
            markdown_table(HEADS, rows),
        ]
    return "\n\n".join([*parts, plain(NOT_SHOWN)])


def _table(probe: BiasProbe) -> BiasTable:
    drawn = [one for one in probe.estimates if is_drawable(one)]
    scale = scale_of(drawn, include=(0.0, 1.0))
    rows = []
    for one in probe.estimates:
        name, _, kind = one.name.split(".", 2)[2].partition(".")
        rows.append(
            BiasRow(
                estimate_row(one), name.replace("_", " "), kind,
                plain_bar(one, scale) if is_drawable(one) else None,
            )
        )  # fmt: skip
    return BiasTable(
        title=TITLES[probe.name],
        sentence=_of_items(probe),
        reading=READINGS[probe.name],
        rows=tuple(rows),
        ticks=scale.ticks if drawn else (),
        examples=tuple(_example(one) for one in probe.examples),
        completions=probe.completions,
    )


def _of_items(probe: BiasProbe) -> str:
    files = ", ".join("{} ({})".format(*name_with_digest(one)) for one in probe.files)
    left_out = (
        f" {count(probe.left_out)} of them are left out: a text has more tokens than the model "
        "takes, or none to ask for, or two files do not say the same."
        if probe.left_out
        else ""
    )
    return f"{count(probe.items)} items of {files}.{left_out}"


def _example(one: BiasExample) -> tuple[str, str, str]:
    return one.preferred, one.rejected, f"{one.by:.2f}"
