"""Settings of learning from preferences."""

from pydantic import Field, FiniteFloat

from infra.settings_models import SettingsModel


class PreferenceSettings(SettingsModel):
    """How a model learns which of two answers was preferred (direct preference optimization)."""

    beta: FiniteFloat = Field(
        default=0.1,
        gt=0,
        le=100,
        description="How dear it is to move away from the reference model: a reward is beta times "
        "the logarithm of how much likelier the model holds an answer than the reference does "
        "(Rafailov et al. 2023). A smaller one lets it move further.",
    )
    label_smoothing: FiniteFloat = Field(
        default=0.0,
        ge=0,
        lt=0.5,
        description="Share of the pairs that are taken to be the wrong way round (conservative "
        "DPO, Mitchell 2023).",
    )
    reference: str | None = Field(
        default=None,
        min_length=1,
        description="Folder with the reference model, as transformers saves it, or "
        "package:NAME/FOLDER; of the base model's tokenizer. None: the base model, as it was "
        "before training.",
    )
