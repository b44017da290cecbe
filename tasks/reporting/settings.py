"""What a model card says that no measurement tells."""

from pydantic import Field

from infra.settings_models import SettingsModel


class CardSettings(SettingsModel):
    """The head of the model card, in the words of https://huggingface.co/docs/hub/model-cards."""

    license: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9.\-]*$",
        description="Licence of the trained model as Hugging Face writes it, for example "
        "apache-2.0, cc-by-sa-4.0 or other; None leaves it out, since only you can say it.",
    )
    languages: tuple[str, ...] | None = Field(
        default=None,
        description="Languages of the texts as ISO 639-1 codes; None takes contract.languages.",
    )
    datasets: tuple[str, ...] | None = Field(
        default=None,
        description="Names of the data sets that the model was trained on; None takes the name of "
        "a data set of the Hugging Face hub, and leaves others out.",
    )
    base_model: str | None = Field(
        default=None,
        min_length=1,
        description="The base model's name on the Hugging Face hub, for example "
        "sentence-transformers/all-MiniLM-L6-v2; None takes base_model.reference.",
    )
