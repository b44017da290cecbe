"""Settings of the evaluation on the held-out rows."""

from typing import Annotated, Final

from pydantic import Field, FiniteFloat, field_validator

from infra.settings_models import SettingsModel, WrongSetting, refuse
from tasks.evaluation.comparison_settings import ComparisonSettings
from tasks.evaluation.golden_settings import BehaviourSettings, GoldenSettings, GoldenSource
from tasks.row_expressions import check_expression
from tasks.sources.settings import SourceName
from tasks.verdicts import MAX_FAMILY

# Known of rows in whose text two entities are marked.
OF_ENTITIES: Final = ("entity_distance", "entity_types")
# How rare a row is beside the training rows.
RARE_WORDS, TAIL_LABEL, BEYOND_LENGTH = "rare_words", "tail_label", "beyond_length"
OF_RARITY: Final = (RARE_WORDS, TAIL_LABEL, BEYOND_LENGTH)


class SliceSettings(SettingsModel):
    """Which parts of the test rows are looked at on their own."""

    by: tuple[str, ...] = Field(
        default=("length", "unknown_share", "label", "language", *OF_ENTITIES),
        description="Features whose values, or ranges of values, are slices: length (tokens), "
        "characters, unknown_share (of the tokens), label, source (file; of several sources the "
        "name), entity_distance (tokens between two marked entities), entity_types (of both), "
        "rare_words (share of the words that fewer than 3 training rows hold), tail_label (whether "
        "it is one of the rarest, which hold a fifth of the training rows), beyond_length (whether "
        "it is longer than 99% of the training rows), or any column of the clean rows.",
    )
    where: dict[Annotated[str, Field(pattern=r"^\S(.*\S)?$")], str] = Field(
        default={},
        description='Slices by expression, by name: `length > 100 and region == "north"`. '
        "Names are those of `by`; operators are == != < <= > >= in, not in, and, or, not.",
    )
    bins: int = Field(
        default=4, ge=2, le=10, description="Ranges, of as many rows each, of a number."
    )
    min_rows: int = Field(
        default=30, ge=5, description="Fewer rows than these are not judged as a slice."
    )
    max_values: int = Field(
        default=20, ge=1, le=100, description="Values of a column that are slices: the commonest."
    )
    search: bool = Field(
        default=True,
        description="Whether the worst slices are searched for, on half of the test rows, and "
        "measured on the other half.",
    )
    search_words: int = Field(
        default=200, ge=0, le=1_000, description="Words whose presence is a slice to search."
    )
    found: int = Field(
        default=5, ge=1, le=MAX_FAMILY, description="Slices that a search reports at most."
    )

    @field_validator("where")
    @classmethod
    def _readable(cls, where: dict[str, str]) -> dict[str, str]:
        wrong = []
        for name, text in where.items():
            try:
                check_expression(text)
            except ValueError as error:
                wrong.append(WrongSetting((name,), f"slice {name!r}: {error}", text))
        refuse(wrong)
        return where


class EvaluationSettings(SettingsModel):
    """How quality is measured."""

    repeats: int = Field(
        default=10_000,
        ge=4_000,
        le=200_000,
        description="Bootstrap repeats of an interval. Below 4,000 the narrowest tail, of a "
        f"family of {MAX_FAMILY} gates, would hold fewer than 5 draws.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of all that is drawn.")
    by_cluster: bool = Field(
        default=True,
        description="Whether whole clusters (documents, authors) are drawn where rows have them, "
        "and not rows.",
    )
    margin: FiniteFloat = Field(
        default=0.02,
        ge=0,
        description="How much lower than a comparator's a metric may be and still count as not "
        "worse.",
    )
    margins: dict[str, Annotated[FiniteFloat, Field(ge=0)]] = Field(
        default={}, description="The same by metric, where it differs."
    )
    min_label_rows: int = Field(
        default=10,
        ge=1,
        description="Test rows of a label below which averages over labels (macro F1, balanced "
        "accuracy, ROC AUC) are undetermined: of several labels of 5 rows their intervals miss the "
        "truth on one side in 6% of test splits, of 10 rows in about the 2.5% that they say.",
    )
    temperature_scaling: bool = Field(
        default=False,
        description="Whether the logits of a classifier are divided by one number that is fitted "
        "on the validation rows, so that its probabilities keep what they claim; the test rows "
        "judge it. The last layer is divided, so that the served model gives the same ones.",
    )
    slices: SliceSettings = Field(
        default=SliceSettings(), description="Parts of the test rows that are measured apart."
    )
    own_metrics: tuple[str, ...] = Field(
        default=(),
        description="Metrics of packages of your own, by the names of their entry points in "
        "assayline.metrics: quality.NAME, compared with baseline and champion. See "
        "docs/own-metrics.md.",
    )
    comparison: ComparisonSettings = Field(
        default=ComparisonSettings(),
        description="On which rows the candidate is compared with registered versions.",
    )
    seeds: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Trainings of the recipe: with more than 1, as many models are trained, with "
        "training.seed and the numbers that follow it, and tested on the same rows, and recipe.* "
        "says what the recipe comes to. The candidate is always that of training.seed itself: it "
        "alone is registered, whichever of them tests best.",
    )
    golden: dict[SourceName, GoldenSource] = Field(
        default={},
        description="Golden sets by name: rows of your own that no model learns from, each a "
        "source as under `source`: {team: {format: csv, path: golden.csv}}. Where it has no "
        "label_map, that of `source` is taken. Rows of train and validation that are like one are "
        "put aside. Gates: golden.team.macro_f1, golden.team.macro_f1_gain (over the champion).",
    )
    behaviour: dict[SourceName, BehaviourSettings] = Field(
        default={},
        description="Behaviour suites by name: golden sets whose rows say what they try. Gates: "
        "behaviour.NAME.FUNCTIONALITY.pass_rate, and behaviour.NAME.pass_rate over all rows.",
    )
    min_golden_rows: int = Field(
        default=30,
        ge=5,
        description="A metric of a golden set that rests on fewer rows is undetermined.",
    )

    @property
    def golden_sets(self) -> GoldenSettings:
        """The golden sets and behaviour suites, as the stages that read them take them."""
        return GoldenSettings.model_construct(golden=self.golden, behaviour=self.behaviour)

    @property
    def of_test_rows(self) -> "EvaluationSettings":
        """The same for the candidate and the test rows alone.

        So neither another number of seeds nor another golden set repeats their stage.
        """
        return self.model_copy(update={"seeds": 1, "golden": {}, "behaviour": {}})

    @property
    def of_one_model(self) -> "EvaluationSettings":
        """The same for a further model of the recipe, of which nothing but quality is asked."""
        slices = SliceSettings(by=(), search=False)
        return self.of_test_rows.model_copy(update={"slices": slices})
