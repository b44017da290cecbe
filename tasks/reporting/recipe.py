"""Of what the numbers are claimed: of this artifact, and of its recipe where that is known."""

from dataclasses import dataclass
from typing import Final

from tasks.records.evaluation import Scores
from tasks.reporting.number_format import interval, number, words_of

OF_THIS_ARTIFACT: Final = (
    "One training is one draw: these numbers are claimed of this artifact, and not of its recipe, "
    "of which another training comes to other numbers (evaluation.seeds measures by how much)."
)
RECIPE_HEADS: Final = (
    "metric", "the recipe", "95% interval", "deviation between seeds",
    "error by the rows", "by seed",
)  # fmt: skip


@dataclass(frozen=True)
class RecipeRow:
    """One metric of a recipe as it is shown; every field is text."""

    name: str
    mean: str
    interval: str
    seed_deviation: str
    row_error: str
    by_seed: str

    @property
    def cells(self) -> tuple[str, ...]:
        """For a table with `RECIPE_HEADS`."""
        return (
            self.name, self.mean, self.interval, self.seed_deviation, self.row_error, self.by_seed,
        )  # fmt: skip


def claimed_of(scores: Scores) -> str:
    """Of what the candidate's numbers are claimed, in one sentence."""
    if scores.recipe is None:
        return OF_THIS_ARTIFACT
    count = len(scores.recipe.seeds)
    return (
        f"These numbers are claimed of this artifact, one of {count} trainings of its recipe; "
        f"which one it is was fixed before any was tested (seed {scores.recipe.seeds[0]}), and "
        "recipe.* says what the recipe comes to, over other seeds and other rows."
    )


def recipe_rows(scores: Scores) -> list[RecipeRow]:
    """Each metric of the recipe; none where the candidate alone was trained."""
    if scores.recipe is None:
        return []
    return [
        RecipeRow(
            name=words_of(one.estimate.name),
            mean=number(one.estimate.value),
            interval=interval(one.estimate.low, one.estimate.high),
            seed_deviation=number(one.seed_deviation),
            row_error=number(one.row_error),
            by_seed=", ".join(number(value) for value in one.by_seed),
        )
        for one in scores.recipe.metrics
    ]


def recipe_markdown(scores: Scores) -> str:
    """Of what the numbers are claimed, and the recipe's where it was trained often."""
    from tasks.reporting.summaries import markdown_table, plain

    rows = [row.cells for row in recipe_rows(scores)]
    table = markdown_table(RECIPE_HEADS, rows) if rows else ""
    return "\n\n".join(part for part in (plain(claimed_of(scores)), table) if part)
