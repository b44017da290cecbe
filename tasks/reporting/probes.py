"""Every probe of a candidate for the card: its data, size, day and number; and what was not made.

A card that lists only what was asked reads as if nothing else could be: so each probe that the line
did not ask for is named too, with the setting that asks for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.harm import Harm
from tasks.records.language_bias import LanguageBias
from tasks.records.robustness import Robustness
from tasks.reporting.abstention import abstention_lines
from tasks.reporting.estimates import EstimateRow, estimate_row
from tasks.reporting.harm import PARTS as PARTS_OF_HARM
from tasks.reporting.harm import harm_lines
from tasks.reporting.language_bias import TITLES, language_bias_lines
from tasks.reporting.leave_one_domain_out import largest_drop, leave_one_domain_out_lines
from tasks.reporting.memory import memory_lines
from tasks.reporting.out_of_distribution import out_of_distribution_lines
from tasks.reporting.robustness import NOT_SHOWN, robustness_lines
from tasks.reporting.robustness import sentence_of as probed_of
from tasks.verdicts import Estimate

# What the product has no probe for.
NEVER_PROBED: Final = (
    "whether a statement is false, or offends in a way that neither a list of words nor a "
    "classifier of yours knows; and what comes of it in conversations of several turns"
)

PARTS_OF_MEMORY: Final = {
    "canaries": "planted secrets",
    "overlap": "what it writes word for word as training rows have it",
}


@dataclass(frozen=True)
class ProbeRow:
    """A probe that was made.

    Attributes:
        name: of the probe, in words.
        sha256: digest of its data.
        size: rows or items that it asked about.
        day: on which it was made, in UTC; empty where no record says so.
        first: its leading number.
        others: its other numbers.
        undetermined: of all of them, those that could not be told.

    """

    name: str
    sha256: str
    size: int
    day: str
    first: EstimateRow
    others: int
    undetermined: int


@dataclass(frozen=True)
class ProbeText:
    """What a probe came to and what it leaves open.

    Attributes:
        title: its heading.
        lines: a sentence or number each.
        behind: the artifacts that they come from.

    """

    title: str
    lines: tuple[str, ...]
    behind: tuple[str, ...]


@dataclass(frozen=True)
class ProbeOverview:
    """All probes that there are.

    Attributes:
        made: those that the line asked for.
        not_made: the others in words, each with the setting that asks for it.
        texts: of those that were made.
        never: what there is no probe for.

    """

    made: tuple[ProbeRow, ...]
    not_made: tuple[tuple[str, str], ...]
    texts: tuple[ProbeText, ...]
    never: str = NEVER_PROBED


def probe_overview(scores: Scores, data: DataReport) -> ProbeOverview:
    """Which probes were made of a candidate, and which were not.

    Args:
        scores: with what the probes came to.
        data: whose clean rows most of them are of.

    """
    return ProbeOverview(
        made=tuple(_made(scores, data.clean.sha256)),
        not_made=tuple(_not_made(scores)),
        texts=tuple(_texts(scores)),
    )


def _made(scores: Scores, rows_sha256: str) -> Iterator[ProbeRow]:
    if one := scores.robustness:
        leading = _largest_flip_rate(one)
        yield _row("robustness", one.data_sha256, one.rows, one.on, one.estimates, leading)
    yield from _of_language_models(scores)
    if withheld := scores.abstention:
        yield _row("abstention", rows_sha256, withheld.rows, withheld.on, withheld.estimates)
    if found := scores.out_of_distribution:
        yield _row("out-of-distribution texts", found.sha256, found.rows, found.on, found.estimates)
    if left_out := scores.leave_one_domain_out:
        told, leading = left_out.estimates, largest_drop(left_out)
        name, rows = "domains left out", left_out.rows
        yield _row(name, left_out.data_sha256, rows, left_out.on, told, leading)
    if told_why := scores.explanation:
        name, told = "explanation", told_why.estimates
        yield _row(name, rows_sha256, told_why.rows, told_why.on, told)


def _of_language_models(scores: Scores) -> Iterator[ProbeRow]:
    """Of memory classifiers are asked, too."""
    if asked := scores.language_bias:
        for probe in asked.probes:
            digests = " ".join(file.fingerprint for file in probe.files)
            yield _row(TITLES[probe.name], digests, probe.items, asked.on, probe.estimates)
    if remembered := scores.memory:
        rows = remembered.membership.members + remembered.membership.others
        name, told = "memory of training data", remembered.estimates
        yield _row(name, remembered.data_sha256, rows, remembered.on, told)
    if harmful := scores.harm:
        digests = " ".join(file.fingerprint for file in harmful.files)
        asked_of = harmful.asked + (harmful.refusals.asked if harmful.refusals else 0)
        yield _row("harmful output", digests, asked_of, harmful.on, harmful.estimates)


def _row(
    name: str,
    sha256: str,
    size: int,
    day: str,
    estimates: tuple[Estimate, ...],
    leading: Estimate | None = None,
) -> ProbeRow:
    """A probe by its leading number, which is the first where nothing else is said."""
    return ProbeRow(
        name=name, sha256=sha256, size=size, day=day,
        first=estimate_row(leading or estimates[0]), others=len(estimates) - 1,
        undetermined=sum(one.value is None for one in estimates),
    )  # fmt: skip


def _largest_flip_rate(found: Robustness) -> Estimate | None:
    rates = [one.flip_rate for one in found.probed if one.keeps_answer]
    told = [one for one in rates if one.value is not None]
    return max(told, key=lambda one: one.value or 0.0) if told else None


def _not_made(scores: Scores) -> Iterator[tuple[str, str]]:
    """Each probe or part of one that was not made, and its setting."""
    asked: dict[str, tuple[object, str]] = {
        "robustness under small changes of the text": (scores.robustness, "probes.robustness"),
        "stereotypes of language models": (scores.language_bias, "probes.language_bias"),
        "memory of training data": (scores.memory, "probes.memory"),
        "harmful output": (scores.harm, "probes.harm"),
        "answers withheld below a threshold": (scores.abstention, "abstention"),
        "out-of-distribution texts": (scores.out_of_distribution, "probes.out_of_distribution"),
        "domains that it did not learn": (
            scores.leave_one_domain_out,
            "probes.leave_one_domain_out",
        ),
        "why it answers as it does": (scores.explanation, "explanation"),
    }
    for name, (found, setting) in asked.items():
        if found is None:
            yield name, setting
    if found := scores.language_bias:
        yield from _sets_not_asked(found)
    if harmful := scores.harm:
        yield from _parts_of_harm(harmful)
    if remembered := scores.memory:
        parts = {"canaries": remembered.canaries, "overlap": remembered.overlap}
        yield from (
            (PARTS_OF_MEMORY[part], f"probes.memory.{part}")
            for part, part_found in parts.items()
            if part_found is None
        )


def _parts_of_harm(found: Harm) -> Iterator[tuple[str, str]]:
    for part, what in PARTS_OF_HARM.items():
        if getattr(found, part) is None:
            yield what, f"probes.harm.{part}"
    if found.leaks is None:
        yield "personal data in what it writes", "probes.harm.prompts"


def _sets_not_asked(found: LanguageBias) -> Iterator[tuple[str, str]]:
    names = {probe.name for probe in found.probes}
    for name, title in TITLES.items():
        if name not in names:
            yield title, f"probes.language_bias.{name}"


def _texts(scores: Scores) -> Iterator[ProbeText]:
    parts: tuple[tuple[str, object, Callable[[Any], list[str]], tuple[str, ...]], ...] = (
        ("Robustness", scores.robustness, _robustness_lines, ("weights", "scores", "data")),
        ("Stereotypes", scores.language_bias, language_bias_lines, ("weights", "scores")),
        ("Memory of training data", scores.memory, memory_lines, ("weights", "data")),
        ("Harmful output", scores.harm, harm_lines, ("weights", "data")),
        ("Abstention", scores.abstention, abstention_lines, ("weights", "scores", "data")),
        (
            "Out-of-distribution texts",
            scores.out_of_distribution,
            out_of_distribution_lines,
            ("weights", "data"),
        ),
        (
            "Domains left out",
            scores.leave_one_domain_out,
            leave_one_domain_out_lines,
            ("weights", "tokens", "data"),
        ),
    )
    for title, found, lines, behind in parts:
        if found is not None:
            yield ProbeText(title, tuple(lines(found)), behind)


def _robustness_lines(found: Robustness) -> list[str]:
    return [probed_of(found), *robustness_lines(found), NOT_SHOWN]
