"""Which base model a run starts from, by the digests of its files."""

from infra.base_models import files_of, fingerprint, locate
from infra.errors import BaseModelError, NotAtHandError
from infra.model_cards import licence_of
from tasks.records.choice import FoundModel
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
    reference = settings.place
    found = fingerprint(locate(reference, settings.revision))
    return BaseModel(reference, settings.revision, found.sha256, found.tokenizer_sha256)


def find(settings: BaseModelSettings) -> FoundModel:
    """A base model that might be chosen: its digests, licence and size, or why it cannot be.

    Args:
        settings: of a pretrained model.

    """
    name = name_of(settings)
    try:
        base = pin(settings)
        if base is None:
            return FoundModel(name, None, reason="it is built from the line's rows, not chosen")
        folder = locate(base.reference, base.revision)
    except BaseModelError as error:
        at_hand = not isinstance(error, NotAtHandError)
        return FoundModel(name, None, reason=str(error), at_hand=at_hand)
    return FoundModel(
        name=name,
        base=base,
        licence=_stated_licence(base),
        size_bytes=sum(path.stat().st_size for files in files_of(folder) for path in files),
    )


def _stated_licence(base: BaseModel) -> str:
    """Empty where its card cannot be fetched, which hinders no choice: a run asks again."""
    try:
        return licence_of(base.reference, base.revision)
    except NotAtHandError:
        return ""


def name_of(settings: BaseModelSettings) -> str:
    """What a base model is called in tables: its reference, with file and commit."""
    return f"{settings.place}@{settings.revision}" if settings.revision else settings.place
