"""Which base model a run starts from, by the digests of its files."""

from infra.base_models import fingerprint, locate
from tasks.records.training import BaseModel
from tasks.tokenization.settings import BaseModelSettings


def pin(settings: BaseModelSettings) -> BaseModel | None:
    """The base model of the settings; None where one is yet to be built from the data.

    Raises:
        BaseModelError: it is missing, incomplete or unreachable.

    """
    if settings.scratch:
        return None
    reference = settings.reference
    if settings.gguf_file:
        reference = f"{reference.rstrip('/')}/{settings.gguf_file}"
    found = fingerprint(locate(reference, settings.revision))
    return BaseModel(reference, settings.revision, found.sha256, found.tokenizer_sha256)
