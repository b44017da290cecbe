"""What the model says of the same text about somebody else (Garg et al. 2019, arXiv:1809.10610)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.protected_groups.swapping import SwapList, read_swaps
from tasks.protected_groups.templates import Filled, read_templates
from tasks.protected_groups.word_files import swap_file, template_file
from tasks.records.fairness import CounterfactualFamily, Flip
from tasks.resampling import (
    Floats,
    Ints,
    estimate_of_proportion,
    generator,
    ladder_around,
    tail_quantiles,
)
from tasks.resampling_units import MIN_CLUSTERS, Units, units_of_rows
from tasks.verdicts import Estimate, undetermined

FLIPS_SHOWN: Final = 5
# The kind of a family whose pairs are test rows.
SWAPPED: Final = "swapped words"
# Characters of a text shown around the first changed word.
EXCERPT_BEFORE, EXCERPT_AFTER = 60, 120


@dataclass(frozen=True)
class Pair:
    """A text, and the same text about somebody else.

    Attributes:
        row: number of the test row, or of the template; a row may be in several pairs.
        name: row_id of the row, or the template.
        start: character of the first changed word.

    """

    row: int
    name: str
    text: str
    changed: str
    start: int


@dataclass(frozen=True)
class Family:
    """All pairs of one kind of change."""

    name: str
    kind: str
    pairs: tuple[Pair, ...]


def families_of(
    texts: Sequence[str], row_ids: Sequence[str], settings: CounterfactualSettings
) -> Iterator[Family]:
    """The pairs of every swap list and template file of the settings.

    Rows are taken in the order of their ids, which are digests, until the next one's changed texts
    would exceed a list's share of the texts that may be scored; so the choice is by chance, and
    the same each time. A row is taken with all of its changed texts or not at all.

    Args:
        texts: N test texts.
        row_ids: of them.
        settings: which lists, and how many texts.

    Raises:
        SettingsError: a file cannot be read.

    """
    share = int(settings.texts_per_row * len(texts) / max(1, len(settings.swaps)))
    order = sorted(range(len(texts)), key=row_ids.__getitem__)
    for name in settings.swaps:
        listed = read_swaps(swap_file(name))
        pairs = _pairs_of_rows(listed, order, texts, row_ids, share)
        yield Family(listed.name, SWAPPED, tuple(pairs))
    for name in settings.templates:
        path = template_file(name)
        filled = _pairs_of_templates(read_templates(path))
        yield Family(f"templates_{path.stem}", "templates", tuple(filled))


def _pairs_of_rows(
    listed: SwapList, order: Sequence[int], texts: Sequence[str], row_ids: Sequence[str], most: int
) -> list[Pair]:
    pairs: list[Pair] = []
    for row in order:
        found = [
            Pair(row, row_ids[row], texts[row], swap.text, swap.start)
            for swap in listed.swaps(texts[row])
        ]
        if len(pairs) + len(found) > most:
            break
        pairs += found
    return pairs


def _pairs_of_templates(templates: Sequence[Filled]) -> Iterator[Pair]:
    """Each group against the first one; a row is a template."""
    for row, filled in enumerate(templates):
        first, *others = filled.texts.values()
        for text in others:
            if text != first:
                yield Pair(row, filled.name, first, text, 0)


def probe_families(
    families: Sequence[Family],
    known: dict[str, Floats],
    score: Callable[[list[str]], Floats],
    seen: Callable[[list[str]], list[bytes]],
    labels: Sequence[str],
    settings: CounterfactualSettings,
    clusters: Sequence[str | None] | None = None,
) -> tuple[tuple[CounterfactualFamily, ...], tuple[Flip, ...]]:
    """Every family judged, all texts scored in one go and each distinct one once.

    Args:
        families: the pairs.
        known: probabilities (L,) of texts that the evaluation scored.
        score: from M texts to their probabilities (M, L).
        seen: from M texts to what the model reads of each: a pair whose change lies behind the cut
            is the same to the model, and is left out.
        labels: names of the classes.
        settings: least rows, repeats and seed.
        clusters: of the N test rows; None to draw rows.

    """
    families = [_where_the_model_reads(family, seen) for family in families]
    asked = dict.fromkeys(
        text for family in families for pair in family.pairs for text in (pair.text, pair.changed)
    )
    new = [text for text in asked if text not in known]
    found = known | (dict(zip(new, score(new), strict=True)) if new else {})
    judged, flips = [], []
    for family in families:
        sides = [
            np.array([found[text] for text in side]).reshape(-1, len(labels))
            for side in zip(*((p.text, p.changed) for p in family.pairs), strict=True)
        ] or [np.zeros((0, len(labels)))] * 2
        kept, most = judge_family(family, sides[0], sides[1], labels, settings, clusters)
        judged.append(kept)
        flips += most
    return tuple(judged), tuple(flips)


def _where_the_model_reads(family: Family, seen: Callable[[list[str]], list[bytes]]) -> Family:
    before = seen([pair.text for pair in family.pairs])
    after = seen([pair.changed for pair in family.pairs])
    kept = zip(family.pairs, before, after, strict=True)
    return replace(family, pairs=tuple(pair for pair, one, other in kept if one != other))


def judge_family(
    family: Family,
    before: Floats,
    after: Floats,
    labels: Sequence[str],
    settings: CounterfactualSettings,
    clusters: Sequence[str | None] | None = None,
) -> tuple[CounterfactualFamily, list[Flip]]:
    """Flip rate and score shifts with intervals over the rows, and the pairs that flip most.

    Rows of one cluster are drawn together; a template stands for itself.

    Args:
        family: P pairs.
        before: probabilities (P, L) of the texts as they are.
        after: probabilities (P, L) of the changed texts.
        labels: names of the classes.
        settings: least rows, repeats and seed.
        clusters: of the N test rows; None to draw rows.

    """
    numbers, place = np.unique([pair.row for pair in family.pairs], return_inverse=True)
    rows = place.astype(np.int64)
    units = _units(family, numbers, clusters, settings)
    said, says = before.argmax(axis=1), after.argmax(axis=1)
    every = np.arange(len(said))
    shifts = np.abs(after[every, said] - before[every, said])
    flipped = said != says
    name, count = f"counterfactual.{family.name}", len(numbers)
    kept = CounterfactualFamily(
        name=family.name,
        kind=family.kind,
        rows=count,
        pairs=len(family.pairs),
        flip_rate=_share(f"{name}.flip_rate", _any(flipped, rows, count), units, settings),
        score_shift=_mean(f"{name}.score_shift", _mean_by(shifts, rows, count), units, settings),
        largest_shift=_mean(f"{name}.largest_shift", _max_by(shifts, rows, count), units, settings),
        units=units.atoms if units.clustered else count,
    )
    most = sorted(np.flatnonzero(flipped), key=lambda pair: -shifts[pair])[:FLIPS_SHOWN]
    return kept, [
        Flip(
            row_id=family.pairs[n].name,
            family=family.name,
            before=labels[said[n]],
            after=labels[says[n]],
            text_before=_excerpt(family.pairs[n].text, family.pairs[n].start),
            text_after=_excerpt(family.pairs[n].changed, family.pairs[n].start),
            shift=float(shifts[n]),
        )
        for n in most
    ]


def _any(flipped: np.ndarray, rows: Ints, count: int) -> Floats:
    return (np.bincount(rows, flipped, count) > 0).astype(np.float64)


def _mean_by(shifts: Floats, rows: Ints, count: int) -> Floats:
    return np.bincount(rows, shifts, count) / np.maximum(np.bincount(rows, minlength=count), 1)


def _max_by(shifts: Floats, rows: Ints, count: int) -> Floats:
    largest = np.zeros(count)
    np.maximum.at(largest, rows, shifts)
    return largest


def _units(
    family: Family,
    rows: Ints,
    clusters: Sequence[str | None] | None,
    settings: CounterfactualSettings,
) -> Units:
    """What these rows of a family are drawn in."""
    names = [f"{int(row):09d}" for row in rows]
    of_rows = clusters is not None and family.kind == SWAPPED
    together = [clusters[int(row)] for row in rows] if clusters is not None and of_rows else None
    return units_of_rows(names, together, seed=settings.seed)


def _share(name: str, hits: Floats, units: Units, settings: CounterfactualSettings) -> Estimate:
    if units.clustered:
        return _mean(name, hits, units, settings)
    reason = _too_few(len(hits), settings)
    return (
        undetermined(name, len(hits), reason)
        if reason
        else estimate_of_proportion(name, int(hits.sum()), len(hits))
    )


def _mean(name: str, values: Floats, units: Units, settings: CounterfactualSettings) -> Estimate:
    """A mean of values from 0 to 1: Gaffke's interval, as of all bounded means (decision 0030).

    Behind the lower end stands a pseudo-row of 0, and behind the upper end one of 1.
    """
    reason = _too_few(len(values), settings)
    if not reason and units.clustered and units.atoms < MIN_CLUSTERS:
        reason = f"its rows are of {units.atoms} clusters, and at least {MIN_CLUSTERS} are needed"
    if reason:
        return undetermined(name, len(values), reason)
    summed = np.bincount(units.of_row, values, units.count)
    rows = np.bincount(units.of_row, minlength=units.count).astype(np.float64)
    random, lows, highs = generator(settings.seed, name), [], []
    for factors in units.factors(settings.repeats, random):
        pseudo = random.standard_exponential(len(factors)) * units.rows_per_atom
        total, weight = factors @ summed, factors @ rows + pseudo
        lows.append(total / weight)
        highs.append((total + pseudo) / weight)
    ladder = ladder_around(
        float(values.mean()),
        tail_quantiles(np.concatenate(lows))[0],
        tail_quantiles(np.concatenate(highs))[1],
    )
    method = units.method(settings.repeats)
    return Estimate(name, float(values.mean()), len(values), ladder, method)


def _too_few(rows: int, settings: CounterfactualSettings) -> str:
    if rows >= settings.min_rows:
        return ""
    return f"{rows} rows have a word to swap; counterfactuals.min_rows is {settings.min_rows}"


def _excerpt(text: str, start: int) -> str:
    begin, end = max(0, start - EXCERPT_BEFORE), start + EXCERPT_AFTER
    return f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}"
