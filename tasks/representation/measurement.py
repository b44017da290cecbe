"""Who and what the clean rows stand for: the stage's plain function.

A group's facet *d* is its rows. Facet *a*, what they are compared with, depends on how the group is
told:

- By a column: the rows that some other value of the column stands in. Rows where it is null belong
  to no group that one could name, so they are in neither facet.
- By mention: all other rows. A text can mention several groups, or none, as most do, and what a
  model may learn is that texts which speak of a group bear a label oftener than texts that do not
  (Dixon et al. 2018, doi:10.1145/3278721.3278729). So class imbalance near 1 only says that few
  texts mention the group; between the groups of an attribute it can be compared.

Difference in proportions and conditional disparity ask of one label: has it, or has it not. The
distances (KL, JS, Lp, total variation, KS) compare the whole distribution of the labels where
each row has exactly one, so they are the same number for every label of a group; where a row may
have several (multi-label, tagging) they compare having the label with not having it.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from infra.store import ObjectStore
from tasks.records.data import DataReport, GroupRepresentation, Representation
from tasks.representation import measures
from tasks.representation.associations import strongest_associations
from tasks.representation.cooccurrence import Counts, Facet, count_rows
from tasks.representation.profile import DataProfile, survey_rows
from tasks.representation.settings import RepresentationSettings
from tasks.resampling import Floats


def represent_rows(
    data: DataReport, settings: RepresentationSettings, store: ObjectStore
) -> Representation:
    """Measure how groups, labels and the words that mention groups stand in the clean rows.

    Raises:
        DataError: ``conditional_on`` is no group column, or the clean rows lack a group column.
        StoreError: the clean rows are missing or were changed.

    """
    with tempfile.TemporaryDirectory(prefix="represent-") as folder:
        clean = store.get_file(data.clean, Path(folder) / "clean.parquet")
        survey = survey_rows(clean, data, settings)
        counts = count_rows(clean, survey)
    terms, looked_at = strongest_associations(
        counts.terms,
        counts.everyone,
        survey.labels,
        min_rows=settings.min_term_rows,
        shown=settings.terms_shown,
        by_unit=counts.by_unit,
    )
    return Representation(
        label_imbalance=label_imbalance(counts.everyone, survey),
        groups=tuple(_groups(counts, survey, settings.min_group_rows)),
        terms=terms,
        conditional_on=survey.conditional_on,
        notes=(*survey.notes, *_notes_on_terms(looked_at, survey, settings)),
    )


def label_imbalance(everyone: Facet, survey: DataProfile) -> dict[str, float]:
    """Each label's rows over those of the most frequent label; none for halves of numbers."""
    rows = everyone.with_label.sum(axis=0)
    if survey.shape.target_column or not rows.any():
        return {}
    return dict(zip(survey.labels, (rows / rows.max()).tolist(), strict=True))


def measure_group(
    group: Facet, rest: Facet, label: int, *, exclusive: bool, conditional: bool = True
) -> dict[str, float]:
    """All measures of a group against the rest of the rows, by name; undefined ones left out.

    Args:
        group: facet d.
        rest: facet a.
        label: place of the label.
        exclusive: whether each row has exactly one label.
        conditional: whether the strata are something else than the groups themselves.

    """
    both = group + rest
    rows_d, rows_a = int(group.rows.sum()), int(rest.rows.sum())
    with_d, with_a = (int(facet.with_label[:, label].sum()) for facet in (group, rest))
    shares_d, shares_a = (_shares(facet, label, exclusive=exclusive) for facet in (group, rest))
    found = {
        "class_imbalance": measures.class_imbalance(rows_d, rows_a),
        "difference_in_proportions": measures.difference_in_proportions(
            with_d, rows_d, with_a, rows_a
        ),
        "kl_divergence": measures.kl_divergence(shares_d, shares_a),
        "js_divergence": measures.js_divergence(shares_d, shares_a),
        "lp_norm": measures.lp_norm(shares_d, shares_a),
        "total_variation": measures.total_variation(shares_d, shares_a),
        "kolmogorov_smirnov": measures.kolmogorov_smirnov(shares_d, shares_a),
    }
    if conditional:  # rows without a stratum stand last
        found["conditional_demographic_disparity"] = measures.conditional_demographic_disparity(
            group.with_label[:-1, label],
            group.rows[:-1],
            both.with_label[:-1, label],
            both.rows[:-1],
        )
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _groups(counts: Counts, survey: DataProfile, min_rows: int) -> Iterator[GroupRepresentation]:
    for column, groups in counts.stated.items():
        for group, facet in groups.items():
            rest = counts.stating[column] - facet
            yield from _group(column, group, facet, rest, survey, min_rows)
    for attribute, groups in counts.mentioned.items():
        if attribute not in counts.stated:  # a column is used in place of a list of its name
            for group, facet in groups.items():
                rest = counts.everyone - facet
                yield from _group(attribute, group, facet, rest, survey, min_rows)


def _group(
    attribute: str, group: str, facet: Facet, rest: Facet, survey: DataProfile, min_rows: int
) -> Iterator[GroupRepresentation]:
    """One entry a label; a single one, of no label, where there is no more to tell."""
    rows, others = int(facet.rows.sum()), int(rest.rows.sum())
    if min(rows, others) < min_rows:
        whose = "" if rows < min_rows else " to compare it with"
        reason = f"{min(rows, others):,} rows{whose}, and at least {min_rows:,} are needed"
        yield GroupRepresentation(attribute, group, "", rows, 0, {}, reason)
        return
    if not survey.labels:
        imbalance = {"class_imbalance": measures.class_imbalance(rows, others)}
        yield GroupRepresentation(attribute, group, "", rows, 0, imbalance, "")
    conditional = survey.conditional_on != attribute
    for place, label in enumerate(survey.labels):
        found = measure_group(
            facet, rest, place, exclusive=survey.exclusive, conditional=conditional
        )
        with_label = int(facet.with_label[:, place].sum())
        yield GroupRepresentation(attribute, group, label, rows, with_label, found, "")


def _shares(facet: Facet, label: int, *, exclusive: bool) -> Floats:
    """Shares of the labels, and of rows with none of them; or of one label and its absence."""
    with_label, rows = facet.with_label.sum(axis=0), facet.rows.sum()
    told = with_label if exclusive else with_label[[label]]
    shares: Floats = np.append(told, rows - told.sum()) / rows
    return shares


def _notes_on_terms(
    looked_at: int, survey: DataProfile, settings: RepresentationSettings
) -> Iterator[str]:
    if not survey.labels or not survey.terms:
        return
    if not looked_at:
        yield f"no identity term stands in {settings.min_term_rows:,} rows"
        return
    yield (
        f"{looked_at:,} pairs of a term and a label were looked at; by chance alone the intervals "
        f"of about {looked_at * 0.025:.0f} of them would lie above 0"
    )
