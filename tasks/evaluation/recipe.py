"""What a recipe comes to: several trainings that differ in their seed, on the same test rows.

A model's number moves with the rows that it is tested on and with the seed that it was trained by
(Bouthillier et al. 2021, arXiv:2103.03098). An interval of one model knows the rows alone. Here the
number is the mean over the seeds, and either cause adds its square to the interval: by the rows the
mean of the models' own reaches, which is what all of them move by together at most; by the seeds
Student's t with one degree of freedom fewer than there are seeds, times the deviation between them
over the root of their number. So sides may differ, as in the MOVER of Zou and Donner (2008,
doi:10.1002/sim.3095). The deviation between seeds is that on one set of rows and holds a little of
the rows' as well, and so the interval is rather too wide than too narrow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtrit

from tasks.records.evaluation import Scores
from tasks.records.recipe import Recipe, RecipeMetric
from tasks.resampling import TAILS
from tasks.verdicts import Estimate, undetermined

FAMILY: Final = "recipe"
_OWN: Final = "quality."


def with_recipe(
    scores: Scores, others: Sequence[Scores], seeds: Sequence[int], weights: Sequence[str]
) -> Scores:
    """The candidate's scores with what its recipe comes to.

    Args:
        scores: of the candidate.
        others: of the further models, on the same test rows.
        seeds: the candidate's first.
        weights: digest of the weights of each model, in the same order.

    """
    all_ = [scores, *others]
    named = [{one.name: one for one in each.estimates} for each in all_]
    metrics = tuple(_metrics(scores.estimates, named))
    recipe = Recipe(tuple(seeds), tuple(weights), tuple(m for m in metrics if m.by_seed))
    estimates = (*scores.estimates, *(one.estimate for one in metrics))
    return replace(scores, estimates=estimates, recipe=recipe)


def _metrics(
    own: Sequence[Estimate], named: Sequence[dict[str, Estimate]]
) -> Iterator[RecipeMetric]:
    for estimate in own:
        metric = estimate.name.removeprefix(_OWN)
        if estimate.name.startswith(_OWN) and "." not in metric:
            yield recipe_metric(metric, [each.get(estimate.name) for each in named])


def recipe_metric(metric: str, by_seed: Sequence[Estimate | None]) -> RecipeMetric:
    """One metric over the models; undetermined where one of them does not tell it.

    Args:
        metric: its name without a family.
        by_seed: of each model, on the same rows.

    """
    name = f"{FAMILY}.{metric}"
    told = [one for one in by_seed if one is not None and one.value is not None and one.ladder]
    rows = min((one.n for one in told), default=0)
    if len(told) < len(by_seed) or len(told) < 2:  # noqa: PLR2004 - one value has no deviation
        reasons = [one.reason for one in by_seed if one is not None and one.reason]
        reason = reasons[0] if reasons else "one of the models does not tell it"
        return RecipeMetric(metric, (), 0.0, 0.0, undetermined(name, rows, reason))
    values = np.array([one.value for one in told], dtype=np.float64)
    ladders = np.array([one.ladder for one in told])  # (K, MAX_FAMILY, 2)
    deviation, mean = float(values.std(ddof=1)), float(values.mean())
    by_seeds = stdtrit(len(values) - 1, 1 - TAILS) * deviation / np.sqrt(len(values))
    below = np.hypot((values[:, None] - ladders[..., 0]).mean(axis=0), by_seeds)
    above = np.hypot((ladders[..., 1] - values[:, None]).mean(axis=0), by_seeds)
    ladder = tuple(
        (float(mean - down), float(mean + up)) for down, up in zip(below, above, strict=True)
    )
    width = float((ladders[:, 0, 1] - ladders[:, 0, 0]).mean())
    method = f"{len(values)} seeds by Student's t, and rows by {told[0].method}"
    return RecipeMetric(
        metric=metric,
        by_seed=tuple(values.tolist()),
        seed_deviation=deviation,
        row_error=width / (2 * float(ndtri(1 - TAILS[0]))),
        estimate=Estimate(name, mean, rows, ladder, method),
    )
