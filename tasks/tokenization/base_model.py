"""Which base model a run starts from, by the digests of its files."""

from infra.base_models import fingerprint, locate
from tasks.records import BaseModel
from tasks.tokenization.settings import BaseModelSettings


def pin(settings: BaseModelSettings) -> BaseModel:
    """The base model of the settings.

    Raises:
        BaseModelError: it is missing, incomplete or unreachable.

    """
    found = fingerprint(locate(settings.reference, settings.revision))
    return BaseModel(settings.reference, settings.revision, found.sha256, found.tokenizer_sha256)
