"""Thresholds of abstention over many draws of validation rows from a world of known truth.

A classifier of five labels whose probabilities are too sure: its logits are twice those that the
labels are drawn from. In each draw the product fits a temperature and the thresholds to the same
300 validation rows, as a run with `evaluation.temperature_scaling` does; 20,000 new rows judge
them. What is measured:

- `conformal_coverage`: mean share of new rows whose conformal set holds the right label; 0.9 is
  asked for.
- `conformal_coverage_off`: how far that lies off, in points (hundredths).
- `risk_of_rows`: mean share of new rows that are answered and wrong, by conformal risk control; at
  most 0.05 is asked for, and `risk_of_rows_coverage` is what is answered.
- `risk_of_answers_kept`: share of draws in which at most 0.05 of the new answers are wrong, by
  Learn then Test; at least 0.9 is asked for. `risk_of_answers_coverage` is what is answered. It
  is of the draws that have a threshold, and `risk_of_answers_none` the share of those without.
- `untempered_*`: the same without a temperature, whose rows then chose nothing but the threshold.
- `biased_group_found`: share of draws of 800 test rows in which the coverage of a planted group of
  less sure rows lies with its interval wholly below that of all others; `even_group_called_biased`
  the same of a group that is no less sure, by either side, of which 0.05 would be by chance.
"""

import sys
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from tasks.abstention.fitting import fit_thresholds
from tasks.abstention.measuring import judged_rows, measure_abstention
from tasks.abstention.settings import AbstentionSettings
from tasks.abstention.thresholds import set_threshold, threshold_for
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.temperature import fit_temperature
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.abstention import Abstention
from tasks.resampling import Floats, Ints
from tasks.resampling_units import units_of_rows

DRAWS: Final = 1_000
VALIDATION_ROWS, NEW_ROWS, TEST_ROWS = 300, 20_000, 800
LABELS: Final = 5
TOO_SURE: Final = 2.0
# Of the true logits: about a sixth of the likeliest labels is wrong.
SPREAD: Final = 5.0
RISK: Final = 0.05
SET_COVERAGE: Final = AbstentionSettings().set_coverage
POINTS: Final = 100
# Of a planted group, and how much flatter its logits are.
MEMBERS, FLATTER = 0.15, 0.5
# Intervals of all labels take ten times as long as a fit.
DRAWS_OF_A_GROUP: Final = 5


def measure(draws: int = DRAWS) -> dict[str, float]:
    """The shares and means.

    Args:
        draws: of validation rows.

    """
    random = np.random.default_rng(0)
    new = _rows(random, NEW_ROWS)
    figures: dict[str, float] = {}
    for name, tempered in (("", True), ("untempered_", False)):
        told = [_of_draw(random, *new, tempered=tempered) for _ in range(draws)]
        keys = dict.fromkeys(key for one in told for key in one)
        means = {key: float(np.mean([one[key] for one in told if key in one])) for key in keys}
        figures |= {f"{name}{key}": value for key, value in means.items()}
    coverage = figures["conformal_coverage"]
    figures["conformal_coverage_off"] = POINTS * abs(coverage - SET_COVERAGE)
    fitted = fit_thresholds(*_known(*_rows(random, NEW_ROWS)), AbstentionSettings(risk=RISK))
    groups = max(1, draws // DRAWS_OF_A_GROUP)
    for name, flatter in (("biased_group_found", FLATTER), ("even_group_called_biased", 1.0)):
        figures[name] = float(np.mean([_is_called(random, fitted, flatter) for _ in range(groups)]))
    print(
        f"abstention: {draws:,} draws of {VALIDATION_ROWS} validation rows; sets hold the right "
        f"label in {coverage:.4f} of new rows, {SET_COVERAGE} asked; rows answered wrongly "
        f"{figures['risk_of_rows']:.4f}, at most {RISK} asked; the risk of answers is kept in "
        f"{figures['risk_of_answers_kept']:.3f} of draws, at least 0.9 asked",
        file=sys.stderr,
    )
    return figures


def _rows(random: np.random.Generator, rows: int) -> tuple[Floats, Ints]:
    """Logits (N, L) that are too sure, and labels (N,) that follow the true ones."""
    true = random.normal(0, SPREAD, (rows, LABELS))
    chances = softmax(true, axis=1).cumsum(axis=1)
    truth = (random.random((rows, 1)) > chances).sum(axis=1).clip(max=LABELS - 1)
    return TOO_SURE * true, truth.astype(np.int64)


def _of_draw(
    random: np.random.Generator, logits: Floats, truth: Ints, *, tempered: bool
) -> dict[str, float]:
    """Fit to one draw of validation rows, and judge by the new rows."""
    own, labels = _rows(random, VALIDATION_ROWS)
    temperature = fit_temperature(own, labels) if tempered else 1.0
    known, new = softmax(own / temperature, axis=1), softmax(logits / temperature, axis=1)
    best, wrong = new.max(axis=1), new.argmax(axis=1) != truth
    own_best, right = known.max(axis=1), known.argmax(axis=1) == labels
    rows = threshold_for(own_best, right, AbstentionSettings(risk=RISK, risk_of="rows"))
    answers = threshold_for(own_best, right, AbstentionSettings(risk=RISK))
    held = new[np.arange(len(truth)), truth] >= set_threshold(known, labels, SET_COVERAGE)
    found = {
        "conformal_coverage": float(held.mean()),
        "risk_of_answers_none": float(answers is None),
    }
    if rows is not None:
        found["risk_of_rows_coverage"] = float((best >= rows).mean())
        found["risk_of_rows"] = float(((best >= rows) & wrong).mean())
    if answers is not None:
        found["risk_of_answers_coverage"] = float((best >= answers).mean())
        found["risk_of_answers_kept"] = float(wrong[best >= answers].mean() <= RISK)
    return found


def _known(logits: Floats, truth: Ints) -> tuple[Floats, Ints]:
    return softmax(logits / TOO_SURE, axis=1), truth


def _is_called(random: np.random.Generator, fitted: Abstention, flatter: float) -> bool:
    """Whether a group's coverage is told to be another than that of all other test rows.

    Of one with flatter logits it counts only where it is told to be less.
    """
    logits, truth = _rows(random, TEST_ROWS)
    member = random.random(TEST_ROWS) < MEMBERS
    probabilities, _ = _known(np.where(member[:, None], flatter * logits, logits), truth)
    told = pa.table({"label": pa.array(truth), "probabilities": pa.array(list(probabilities))})
    units = units_of_rows([f"{row:05d}" for row in range(TEST_ROWS)])
    found = measure_abstention(
        judged_rows(told, fitted, units), fitted, (), [Membership("x", ("g",), member[:, None])],
        AbstentionSettings(), FairnessSettings(), EvaluationSettings(),
    )  # fmt: skip
    (gap,) = [part.coverage_gap for part in found.parts]
    if gap.low is None or gap.high is None:
        return False
    return gap.high < 0 or (flatter == 1.0 and gap.low > 0)
