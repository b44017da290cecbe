"""Settings of mitigation."""

from typing import Final, Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel

_WHOSE: Final = (
    "one of source.group_columns, or one of fairness.identity_attributes, by the words of a text. "
    "Of its groups those that fairness.groups names; else all."
)


class ReweighingSettings(SettingsModel):
    """Which groups training rows are weighed by."""

    attribute: str = Field(
        min_length=1,
        description=f"Attribute whose groups are weighed: {_WHOSE}",
    )
    max_weight: FiniteFloat = Field(
        default=10.0,
        ge=1,
        le=1_000,
        description="Most that the loss of a row counts by. A group's label of few rows asks for "
        "more, and then a few rows would shape the model; what was cut is told.",
    )


class GroupDroSettings(SettingsModel):
    """Which groups gain weight while they fare badly, and how fast."""

    attribute: str = Field(
        min_length=1,
        description="Attribute whose groups, each by label, are the groups of the method: "
        f"{_WHOSE}",
    )
    step_size: FiniteFloat = Field(
        default=0.01,
        gt=0,
        le=1,
        description="By how much the loss of a group moves the logarithm of its weight in an "
        "optimizer step. A larger one follows the losses of single steps more.",
    )
    max_weight: FiniteFloat = Field(
        default=20.0,
        ge=1,
        le=1_000,
        description="Most that the loss of a row counts by, however badly its group fares. In how "
        "many steps it held a group down is told.",
    )


class InlpSettings(SettingsModel):
    """Which attribute a trained classifier's last layer is to read no more."""

    attribute: str = Field(
        min_length=1,
        description=f"Attribute whose groups are told apart: {_WHOSE}",
    )
    rounds: int = Field(
        default=8,
        ge=1,
        le=1_000,
        description="Linear classifiers of the group that are trained one after the other, each on "
        "what those before it have left. Each takes out one direction of two groups, and up to "
        "G - 1 of G. More leave less of the group, and of all else.",
    )


class MitigationSettings(SettingsModel):
    """What is done while a model learns so that it treats groups more alike."""

    reweighing: ReweighingSettings | None = Field(
        default=None,
        description="Weigh the loss of each training row so that group and label are independent "
        "of each other (Kamiran and Calders 2012); None: every row counts alike.",
    )
    group_dro: GroupDroSettings | None = Field(
        default=None,
        description="Weigh the loss of each group with each label the more, the worse the model "
        "that learns does by it (group DRO, Sagawa et al. 2020); None: every row counts alike.",
    )
    inlp: InlpSettings | None = Field(
        default=None,
        description="Take out of what the last layer of the trained classifier reads all that "
        "linear classifiers tell the group by, and fit that layer again (iterative nullspace "
        "projection, Ravfogel et al. 2020); None: it reads all.",
    )
    compare: bool = Field(
        default=True,
        description="Whether a second model is trained, by the same recipe without mitigation, and "
        "the candidate is held against it on the same test rows: quality, each group, and the gaps "
        "between groups (unmitigated.*). It takes the time of a second training; of inlp none, "
        "since that is the model as it was trained, unless canaries are planted.",
    )

    @model_validator(mode="after")
    def _names_a_method(self) -> Self:
        named = [name for name in METHODS if getattr(self, name) is not None]
        if not named:
            raise ValueError(
                "no method is named; name the groups of reweighing, for example "
                "{attribute: gender}, or leave mitigation out"
            )
        if len(named) > 1:
            raise ValueError(
                f"{' and '.join(named)} are named together, so that nothing would say which of "
                "them did what; name one of them, and try the other in a line of its own"
            )
        return self


METHODS: Final = ("reweighing", "group_dro", "inlp")
