"""Where a text holds personal data, and which of two overlapping findings counts."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

from tasks.validation.personal_data.settings import PersonalDataKind

KINDS: Final[tuple[PersonalDataKind, ...]] = get_args(PersonalDataKind)
PLACEHOLDERS: Final[dict[PersonalDataKind, str]] = {kind: f"[{kind.upper()}]" for kind in KINDS}
_PLACEHOLDER: Final = re.compile("|".join(map(re.escape, PLACEHOLDERS.values())))
# From the first letter or digit to the last.
_CORE: Final = re.compile(r"[^\W_](?:.*[^\W_])?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data in a text, from character ``start`` up to but not including ``end``.

    Attributes:
        confidence: from 0 to 1, Presidio's.

    """

    kind: PersonalDataKind
    start: int
    end: int
    confidence: float


def resolve(
    text: str, found: Iterable[Finding], is_allowed: Callable[[PersonalDataKind], bool]
) -> list[Finding]:
    """Findings that don't overlap, by their start; what is a placeholder already is none.

    A secret beats all others. Of other findings that overlap, the surest stands for all of them
    over all their characters; of two as sure, the longest. A name keeps what others leave of it.
    Kinds that are allowed are only counted, so they never hide a kind that is not.
    """
    placeholders = [match.span() for match in _PLACEHOLDER.finditer(text)]
    beyond = [part for one in found for part in _without(text, one, placeholders)]
    kept = _merged(one for one in beyond if one.kind == "secret")
    for allowed in (False, True):
        others = [f for f in beyond if f.kind != "secret" and is_allowed(f.kind) is allowed]
        spans = _spans(kept)
        kept += _merged(f for f in others if f.kind != "name" and not _overlapping(f, spans))
        spans = _spans(kept)
        names = [f for f in others if f.kind == "name"]
        kept += _merged(part for name in names for part in _without(text, name, spans))
    return sorted(kept, key=lambda one: one.start)


def redact(text: str, findings: Sequence[Finding]) -> str:
    """The text with a placeholder instead of each finding; they must not overlap."""
    parts, at = [], 0
    for one in findings:
        parts += [text[at : one.start], PLACEHOLDERS[one.kind]]
        at = one.end
    return "".join([*parts, text[at:]])


def _spans(findings: Iterable[Finding]) -> list[tuple[int, int]]:
    return sorted((one.start, one.end) for one in findings)


def _overlapping(one: Finding, spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Those of these spans, in order and apart, that share a character with a finding."""
    first = bisect_right(spans, one.start, key=lambda span: span[1])
    return spans[first : bisect_left(spans, one.end, key=lambda span: span[0])]


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Each group of overlapping findings as one, under the surest's kind."""
    groups: list[list[Finding]] = []
    end = -1
    for one in sorted(findings, key=lambda one: one.start):
        if one.start >= end:
            groups.append([])
        groups[-1].append(one)
        end = max(end, one.end)
    return [
        replace(
            max(group, key=lambda one: (one.confidence, one.end - one.start)),
            start=group[0].start,
            end=max(one.end for one in group),
        )
        for group in groups
    ]


def _without(text: str, one: Finding, spans: Sequence[tuple[int, int]]) -> list[Finding]:
    """What these spans, in order, leave of a finding, from letter or digit to letter or digit."""
    inside = _overlapping(one, spans)
    if not inside:
        return [one]
    starts = [one.start, *(end for _, end in inside)]
    ends = [*(start for start, _ in inside), one.end]
    cores = [
        _CORE.search(text, start, max(start, end)) for start, end in zip(starts, ends, strict=True)
    ]
    return [replace(one, start=core.start(), end=core.end()) for core in cores if core]
