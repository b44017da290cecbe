"""Worlds of labels that are wrong now and then, and of a word that stands with a label."""

import numpy as np

from tasks.label_checks.confident_learning import error_shares
from tasks.label_checks.row_sample import LabelledRows
from tasks.label_checks.settings import LabelCheckSettings
from tasks.label_checks.spurious import LARGEST, find_spurious
from tasks.resampling_units import units_of_rows
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS, in_clusters
from tests.simulation.scenarios import Random, Scenario

SETTINGS = LabelCheckSettings(repeats=REPEATS)
# How much alike the labels of an author are: Beta(a, b) with a + b = ALIKE.
ALIKE = 6.0


def wrong_labels(clusters: int, rows: int, share: float) -> Scenario:
    """Two labels, of which a share is the other one; models tell the true label of each row.

    Args:
        clusters: authors of each label; one row each where they are rows.
        rows: of each author.
        share: of wrong labels.

    """

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(2 * clusters), rows)
        given = author % 2
        chance = np.full(2 * clusters, share)
        if rows > 1:
            chance = random.beta(ALIKE * chance, ALIKE * (1 - chance))
        truth = np.where(random.random(len(author)) < chance[author], 1 - given, given)
        said = np.where(np.eye(2)[truth] > 0, 0.9, 0.1)
        units = in_clusters(author) if rows > 1 else units_of_rows([f"{row:06d}" for row in author])
        return list(error_shares(given, said, "ab", units, repeats=REPEATS, seed=0))

    of = f"{clusters} rows" if rows == 1 else f"{clusters} clusters of {rows}"
    return Scenario(
        f"labels: {share:g} wrong of {of} a label",
        {"labels.error_share": share, "labels.error_share.a": share},
        drawn,
    )


def telling_word(rows: int, with_label: float, without: float) -> Scenario:
    """Every text has one of two words of a length; one of them comes oftener with a label."""

    def drawn(random: Random) -> list[Estimate]:
        labelled = random.integers(0, 2, rows) == 1
        has = random.random(rows) < np.where(labelled, with_label, without)
        found = LabelledRows(
            row_ids=tuple(f"{row:06d}" for row in range(rows)),
            splits=np.where(np.arange(rows) % 2 == 0, "train", "test"),
            texts=tuple(np.where(has, "refund", "parcel").tolist()),
            labels=np.stack([~labelled, labelled], axis=1),
            names=("thanks", "complaint"),
            clusters=None,
            rows_in_all=rows,
        )
        return [find_spurious(found, None, SETTINGS).largest]

    often = (with_label + without) / 2
    truth = (with_label - without) / (2 * np.sqrt(often * (1 - often)))
    name = f"labels: a word with {with_label:g} and {without:g} of {rows // 2} held-out rows"
    return Scenario(name, {LARGEST: float(truth)}, drawn)


LABELS = (
    wrong_labels(100, 1, 0.03),
    wrong_labels(400, 1, 0.1),
    wrong_labels(20, 10, 0.1),
    telling_word(200, 0.7, 0.3),
    telling_word(600, 0.95, 0.1),
)
