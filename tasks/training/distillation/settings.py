"""Settings of distillation."""

from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel

# Aliases that a line moves itself.
OWN_ALIASES: Final = frozenset({"candidate", "staging", "production", "previous"})


class TeacherSettings(SettingsModel):
    """The trained model that is distilled: a registered version, or a folder."""

    line: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the registered model, for example that of another line.",
    )
    alias: str = Field(
        default="production",
        min_length=1,
        description="Alias in MLflow that names the version of `line`; it is looked up in each "
        "run, so that a teacher that was retrained teaches anew.",
    )
    folder: str | None = Field(
        default=None,
        min_length=1,
        description="In place of `line`: a folder with a trained model of the same task type, as "
        "transformers saves it, or package:NAME/FOLDER. What it was trained on is not known, so "
        "that a comparison with it is undetermined unless "
        "evaluation.comparison.unknown_training_rows says otherwise.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.line is None) == (self.folder is None):
            seen = "neither" if self.line is None else f"line {self.line!r} and {self.folder!r}"
            raise ValueError(
                f"a teacher is named by line (with an alias) or by folder, and there is {seen}; "
                "keep exactly one"
            )
        return self


class DistillationSettings(SettingsModel):
    """How the line's model learns from a teacher's answers beside the labels."""

    teacher: TeacherSettings = Field(
        description="Whom it learns from; of the line's task type, labels and tokenizer."
    )
    temperature: FiniteFloat = Field(
        default=2.0,
        gt=0,
        le=100,
        description="By which the logits of teacher and student are divided before they are "
        "compared: above 1 the less likely answers count more. The soft loss is multiplied by its "
        "square, so that gradients stay as large (Hinton, Vinyals and Dean 2015). Without meaning "
        "for regression.",
    )
    weight: FiniteFloat = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the soft loss; the loss on the labels has the rest.",
    )
    student_layers: Annotated[tuple[int, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Layers of the teacher that the student begins with, counted from 0, in "
        "place of base_model: [0, 2, 4] is half of six. Embeddings, tokenizer and head come along. "
        "Without it the student begins with base_model.",
    )

    @model_validator(mode="after")
    def _layers_rise(self) -> Self:
        layers = self.student_layers or ()
        wrong = [one for one in layers if one < 0]
        rises = all(first < second for first, second in pairwise(layers))
        if wrong or not rises:
            raise ValueError(
                f"student_layers {list(layers)} must be counted from 0 and rise, each layer once; "
                f"right would be {sorted({abs(one) for one in layers})}"
            )
        return self
