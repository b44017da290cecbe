"""What a candidate remembers of its training rows, as page, card and Prefect run show it."""

import math
from dataclasses import dataclass
from typing import Final

from tasks.records.memory import (
    CALIBRATED,
    LIRA,
    LOSS,
    CanaryFindings,
    Membership,
    MembershipAttack,
    Memory,
    Overlap,
)
from tasks.reporting.number_format import count
from tasks.reporting.number_tables import (
    NumberTable,
    number_table,
    table_lines,
    table_sections,
)
from tasks.reporting.summaries import plain

ATTACKS: Final = {
    LOSS: "the loss of the row",
    CALIBRATED: "the loss of the row, less that of the base model",
    LIRA: "the row's log-odds, less those of models that did not learn it",
}
CONTROL: Final = "validation rows against test rows, neither learned"
MEMBERSHIP_READING: Final = (
    "An AUC of 0.5 is a guess. The rate at 1% false positives says how many training rows can be "
    "named almost surely, which an AUC hides. A control whose interval lies beside 0.5 says that "
    "the splits differ by themselves, and then the attacks by losses tell nothing. One at 0.5 "
    "clears validation and test rows; training rows may still differ from both, as older ones do. "
    "What these attacks do not find, others may: a low number is no promise of privacy."
)
EXPOSURE_READING: Final = (
    "Exposure tells how far a planted secret stands out among others that it might have been: 1.4 "
    "bits in the mean if nothing was learned of it. It is of texts that were repeated as often as "
    "these and look like them, and says nothing of what real rows hold."
)
WRITTEN_READING: Final = (
    "A secret that is written out can be had by anybody who knows how the text begins. One that is "
    "not may still come out by other questions, or more of them."
)
LEARNED: Final = "The registered weights have learned these canaries, and may write them."
OVERLAP_READING: Final = (
    "Copied is what the model writes word for word as a training row has it and was not shown; "
    "phrases that anybody would write count too, and the texts that go on from test rows tell how "
    "much of it these are."
)
NOT_SHOWN: Final = (
    "Not probed: attackers who choose their questions or train with the model's answers, rows that "
    "are like a training row and not equal, and what the base model had learned before."
)


@dataclass(frozen=True)
class MemorySection:
    """All of it.

    Attributes:
        sentence: on which rows, and when.
        tables: membership, canaries, and what is written word for word.
        canaries: prefix, alternatives that are likelier, exposure, and how it was written out.
        copied: the row that was asked about, and the run of words.

    """

    sentence: str
    tables: tuple[NumberTable, ...]
    canaries: tuple[tuple[str, str, str, str], ...]
    copied: tuple[tuple[str, str], ...]
    not_shown: str = NOT_SHOWN


def memory_section(found: Memory | None) -> MemorySection | None:
    """The section; None of a line that asks for no such probe."""
    if found is None:
        return None
    canaries, overlap = found.canaries, found.overlap
    return MemorySection(
        sentence=sentence_of(found),
        tables=_tables(found),
        canaries=tuple(
            (one.prefix, count(one.likelier), f"{one.exposure_bits:.1f}", one.written or "no")
            for one in (canaries.found if canaries else ())
        ),
        copied=tuple((one.row_id[:12], one.words) for one in (overlap.examples if overlap else ())),
    )


def sentence_of(found: Memory) -> str:
    """On which rows the probes were made, and when."""
    return (
        f"Asked of training and test rows (data {found.data_sha256[:12]}) with seed {found.seed}, "
        f"on {found.on or 'an unknown day'}."
    )


def memory_lines(found: Memory) -> list[str]:
    """Each number in a line for the card, with what it can and cannot say."""
    return [sentence_of(found), *table_lines(_tables(found)), NOT_SHOWN]


def memory_markdown(found: Memory) -> str:
    """The section for the page of a run."""
    parts = [plain(sentence_of(found)), *table_sections(_tables(found)), plain(NOT_SHOWN)]
    return "\n\n".join(parts)


def canary_sentence(found: CanaryFindings) -> str:
    """What was planted, and that the weights have learned it."""
    planted = found.planted
    return (
        f"{count(planted.count)} canaries ({planted.format!r} with {planted.digits} random digits) "
        f"stand {count(planted.repeats)} times each among the training rows. {LEARNED}"
    )


def _tables(found: Memory) -> tuple[NumberTable, ...]:
    tables = [_of_membership(found.membership)]
    if found.canaries:
        tables += _of_canaries(found.canaries)
    if found.overlap:
        tables.append(_of_overlap(found.overlap))
    return tuple(tables)


def _of_membership(found: Membership) -> NumberTable:
    named = [
        pair
        for one in found.attacks
        for pair in ((f"AUC by {ATTACKS[one.name]}", one.auc), (_rate(one), one.tpr))
    ]
    return number_table(
        "Was a row learned?",
        _of_rows(found),
        MEMBERSHIP_READING,
        [*named, (f"AUC of {CONTROL}", found.control)],
    )


def _rate(one: MembershipAttack) -> str:
    return f"training rows named at 1% false positives, by {ATTACKS[one.name]}"


def _of_rows(found: Membership) -> str:
    parts = [f"{count(found.members)} training rows against {count(found.others)} test rows."]
    if found.by_cluster:
        parts.append("Of each author or document at most one row is asked about.")
    if found.left_out:
        parts.append(f"{count(found.left_out)} rows are left out whose text is on both sides.")
    if found.shadows:
        parts.append(f"{count(found.shadows)} shadow models learned half of the rows each.")
    if found.why_uncalibrated:
        parts.append(f"No reference: {found.why_uncalibrated}.")
    return " ".join(parts)


def _of_canaries(found: CanaryFindings) -> list[NumberTable]:
    most = math.log2(found.alternatives + 1)
    ranked = (
        f"Each is ranked among {count(found.alternatives)} other secrets, so that no more than "
        f"{most:.1f} bits can be seen."
    )
    exposed = number_table(
        "Planted canaries",
        f"{canary_sentence(found)} {ranked}",
        EXPOSURE_READING,
        [("exposure in bits, mean over the canaries", found.exposure)],
    )
    if found.extracted is None:
        return [exposed]
    written = number_table(
        "Canaries written out",
        f"The model goes on behind each prefix, greedily and with {count(found.beams)} beams.",
        WRITTEN_READING,
        [("share of the canaries whose secret it wrote", found.extracted)],
    )
    return [exposed, written]


def _of_overlap(found: Overlap) -> NumberTable:
    silent = found.asked - found.copied.n
    none = (
        f" {count(silent)} of the texts have no run beyond what they were asked, and count nowhere:"
        " of what they say nothing is known."
        if silent
        else ""
    )
    return number_table(
        "Written word for word",
        f"The model was asked to go on from, or to answer, {count(found.asked)} training rows; "
        f"counted are runs of {count(found.words)} words.{none}",
        OVERLAP_READING,
        [
            ("share of the runs that stand in a training row", found.copied),
            ("the same of texts that go on from test rows", found.control),
        ],
    )
