"""The two translation lines of a line, and what they make of its training rows."""

from collections.abc import Sequence

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.augmentation.settings import BackTranslationSettings
from tasks.records.back_translation import BackTranslations, Translators
from tasks.records.data import DataReport
from tasks.records.golden import GoldenSets
from tasks.stages.caching import cached_stage, look_up


@look_up
def pin_translators(settings: BackTranslationSettings) -> Translators:
    """Look up both versions as they are now."""
    from tasks.registry.named_version import AskedFor
    from tasks.registry.translators import translator_of

    store, tracking = open_store(), open_tracking()
    found = {
        name: translator_of(
            AskedFor(f"augmentation.back_translation.{name}", *named),
            store=store,
            tracking=tracking,
        )
        for name, named in settings.references.items()
    }
    return Translators(found["to"], found["back"])


@cached_stage()
def find_translated_languages(translators: Translators) -> Translators:
    """Tell the languages of both lines by their rows, and see that they meet."""
    from tasks.augmentation.translation_languages import find_languages

    return find_languages(open_store(), translators, _tell)


@cached_stage(gpu=True)
def back_translate(
    data: DataReport,
    golden: GoldenSets | None,
    task_type: str,
    settings: BackTranslationSettings,
    seed: int,
    translators: Translators,
) -> BackTranslations:
    """Translate training rows and back, as many as new rows are made of."""
    from tasks.augmentation.back_translation import back_translate_rows

    return back_translate_rows(
        open_store(), data, golden, task_type, settings, seed, translators, _tell
    )


def _tell(texts: Sequence[str], minimum: int, expected: Sequence[str]) -> list[str | None]:
    from tasks.validation.contract.expectations.language import languages_of
    from tasks.validation.contract.language_codes import LANGUAGES

    return languages_of(texts, minimum, expected or tuple(LANGUAGES))
