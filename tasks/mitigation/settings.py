"""Settings of mitigation."""

from typing import Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel


class ReweighingSettings(SettingsModel):
    """Which groups training rows are weighed by."""

    attribute: str = Field(
        min_length=1,
        description="Attribute whose groups are weighed: one of source.group_columns, or one of "
        "fairness.identity_attributes, by the words of a text. Of its groups those that "
        "fairness.groups names; else all.",
    )
    max_weight: FiniteFloat = Field(
        default=10.0,
        ge=1,
        le=1_000,
        description="Most that the loss of a row counts by. A group's label of few rows asks for "
        "more, and then a few rows would shape the model; what was cut is told.",
    )


class MitigationSettings(SettingsModel):
    """What is done while a model learns so that it treats groups more alike."""

    reweighing: ReweighingSettings | None = Field(
        default=None,
        description="Weigh the loss of each training row so that group and label are independent "
        "of each other (Kamiran and Calders 2012); None: every row counts alike.",
    )
    compare: bool = Field(
        default=True,
        description="Whether a second model is trained, by the same recipe without mitigation, and "
        "the candidate is held against it on the same test rows: quality, each group, and the gaps "
        "between groups (unmitigated.*). It takes the time of a second training.",
    )

    @model_validator(mode="after")
    def _names_a_method(self) -> Self:
        if self.reweighing is None:
            raise ValueError(
                "no method is named; name the groups of reweighing, for example "
                "{attribute: gender}, or leave mitigation out"
            )
        return self
