"""What several trainings of one recipe come to on the same test rows."""

from dataclasses import dataclass

from tasks.verdicts import Estimate


@dataclass(frozen=True)
class RecipeMetric:
    """One metric of the models of a recipe.

    Attributes:
        metric: its name without a family.
        by_seed: of each model, in the order of the seeds.
        seed_deviation: standard deviation over the seeds, on these rows.
        row_error: standard error by the rows, the mean of the models'.
        estimate: ``recipe.<metric>``: what the recipe comes to, over other seeds and other rows.

    """

    metric: str
    by_seed: tuple[float, ...]
    seed_deviation: float
    row_error: float
    estimate: Estimate


@dataclass(frozen=True)
class Recipe:
    """The models of a recipe, the candidate's first.

    Attributes:
        seeds: of the trainings.
        weights_sha256: digest of the weights of each.
        metrics: those that every model has.

    """

    seeds: tuple[int, ...]
    weights_sha256: tuple[str, ...]
    metrics: tuple[RecipeMetric, ...]
