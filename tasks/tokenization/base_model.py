"""Which base model a run starts from, by the digests of its files."""

from infra.base_models import fingerprint, locate
from tasks.records.training import BaseModel
from tasks.tokenization.from_scratch.architectures.architecture import architecture_of
from tasks.tokenization.settings import BaseModelSettings


def scratch_tokens(settings: BaseModelSettings) -> tuple[str, ...]:
    """Control tokens of a base model that is yet to be built; none of one that is there."""
    if not settings.scratch:
        return ()
    return tuple(dict.fromkeys(architecture_of(settings.scratch).special_tokens.values()))


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
