"""Settings of distillation."""

from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel

# Aliases that a line moves itself.
OWN_ALIASES: Final = frozenset({"candidate", "staging", "production", "previous"})


def check_rising(name: str, layers: tuple[int, ...]) -> None:
    """Refuse layers that are not counted from 0 in their order, each once.

    Raises:
        ValueError: they are not.

    """
    wrong = [one for one in layers if one < 0]
    if wrong or not all(first < second for first, second in pairwise(layers)):
        raise ValueError(
            f"{name} {list(layers)} must be counted from 0 and rise, each layer once; right would "
            f"be {sorted({abs(one) for one in layers})}"
        )


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


class HiddenStatesSettings(SettingsModel):
    """How the student's layers learn to give what its teacher's give."""

    weight: FiniteFloat = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="Factor of the loss on hidden states, which is added to that on labels and "
        "outputs. The loss is 0 where they are the same, and 1 where the student's are 0.",
    )
    layers: Annotated[tuple[int, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Layers of the student that are compared, counted from 1, with 0 for the "
        "embeddings; each with the layer of the teacher at the same share of its depth. Without it "
        "all of them. What is kept of the teacher takes 2 bytes a token, layer and number of "
        "its width.",
    )

    @model_validator(mode="after")
    def _layers_rise(self) -> Self:
        check_rising("layers", self.layers or ())
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
        ge=0,
        le=1,
        description="Share of the soft loss; the loss on the labels has the rest. 0 leaves it out, "
        "where the student learns from its teacher in another way.",
    )
    sequence_level: bool = Field(
        default=False,
        description="Whether the student learns to write what its teacher writes for each training "
        "source, by beam search, in place of the target of the row (Kim and Rush 2016). The soft "
        "loss is then at the tokens of what was written. Of translation and summarisation.",
    )
    hidden_states: HiddenStatesSettings | None = Field(
        default=None,
        description="Has the student's layers learn the hidden states of the teacher's, too "
        "(TinyBERT, Jiao et al. 2020), which must be as wide. Of task types whose models are one "
        "stack of layers.",
    )
    student_layers: Annotated[tuple[int, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Layers of the teacher that the student begins with, counted from 0, in "
        "place of base_model: [0, 2, 4] is half of six. Embeddings, tokenizer and head come along. "
        "Without it the student begins with base_model.",
    )

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if not (self.weight or self.sequence_level or self.hidden_states):
            raise ValueError(
                "weight is 0, so that nothing is learned from the teacher; set it above 0, "
                "sequence_level to true, or hidden_states"
            )
        return self

    @model_validator(mode="after")
    def _layers_rise(self) -> Self:
        check_rising("student_layers", self.student_layers or ())
        return self
