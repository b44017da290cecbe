"""The reference model of a line, by the digests of its files, and whether training can use it."""

from collections.abc import Iterator
from pathlib import Path

from infra.base_models import Fingerprint, fingerprint, locate, locate_pinned
from infra.errors import BaseModelError, SettingsError
from infra.transformers_logs import quiet_transformers
from tasks.records.training import BaseModel
from tasks.task_types.reference_answers import REFERENCE_ANSWERS
from tasks.task_types.tokenizers import load_tokenizer, longest_text, vocabulary_digest
from tasks.training.preference_settings import PreferenceSettings


def pin_reference(
    settings: PreferenceSettings, base: BaseModel, task_type: str, max_length: int
) -> BaseModel:
    """The reference model, which is the base model unless the settings name another one.

    Args:
        settings: of the training.
        base: what training starts from.
        task_type: that learns against a reference.
        max_length: tokens that an example has at most.

    Raises:
        SettingsError: base or reference cannot be used so; the message names all that is wrong.
        BaseModelError: files are missing or incomplete, or those of the base model changed.

    """
    named = settings.reference
    with quiet_transformers():
        folder = _folder_of(base)
        wrong = list(_wrong(f"base_model {base.reference!r}", folder, task_type, max_length))
        if named is None:
            reference = base
        else:
            reference, its_folder = _named(named)
            said = f"training.preference.reference {named!r}"
            wrong += _wrong(said, its_folder, task_type, max_length)
            wrong += _other_tokens(said, its_folder, folder)
    if wrong:
        raise SettingsError(f"task_type {task_type} cannot be trained: {'; '.join(wrong)}")
    return reference


def _folder_of(model: BaseModel) -> Path:
    pinned = Fingerprint(model.sha256, model.tokenizer_sha256)
    return locate_pinned(model.reference, model.revision, pinned)


def _named(place: str) -> tuple[BaseModel, Path]:
    try:
        folder = locate(place, None)
    except BaseModelError as error:
        raise BaseModelError(f"training.preference.reference: {error}") from error
    found = fingerprint(folder)
    return BaseModel(place, None, found.sha256, found.tokenizer_sha256), folder


def _wrong(said: str, folder: Path, task_type: str, max_length: int) -> Iterator[str]:
    """Why a folder's model does not answer in conversations."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"{folder}/config.json cannot be loaded: {error}") from error
    made_as = [str(name) for name in config.architectures or ()]
    known = _classes_of(REFERENCE_ANSWERS.load(task_type).auto_class, config)
    if not known.intersection(made_as):
        seen = " or ".join(made_as) or "model that does not say of which kind"
        yield (
            f"{said} is a {seen}, and a causal language model is asked for; name one, such as a "
            "Llama that was tuned to instructions"
        )
        return  # the rest would follow from it
    tokenizer = load_tokenizer(folder)
    if not isinstance(tokenizer.chat_template, str):
        yield (
            f"{said} has a tokenizer without a chat template; name an instruction-tuned model, or "
            "put a chat_template into its tokenizer_config.json"
        )
    longest = longest_text(folder, tokenizer)
    if max_length > longest:
        yield (
            f"{said} takes at most {longest} tokens, and tokenization.max_length is {max_length}; "
            f"set it to {longest} or less"
        )


def _classes_of(auto_class: str, config: object) -> set[str]:
    """Classes of transformers that models of this configuration have with such a head."""
    import transformers

    mapping = getattr(transformers, auto_class)._model_mapping  # noqa: SLF001 - nothing public says
    found = mapping.get(type(config), ())
    return {one.__name__ for one in (found if isinstance(found, tuple) else (found,))}


def _other_tokens(said: str, folder: Path, base: Path) -> Iterator[str]:
    """Why a reference cannot read the tokens of the model that is trained."""
    ours, theirs = vocabulary_digest(base), vocabulary_digest(folder)
    if ours != theirs:
        yield (
            f"{said} reads texts by another tokenizer (vocabulary {theirs[:12]}) than base_model "
            f"({ours[:12]}), and both are asked the same tokens; name one with its tokenizer, or "
            "leave reference out"
        )
