"""The swap lists and template files that the counterfactuals of a line are made with."""

from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.protected_groups.swapping import read_swaps
from tasks.protected_groups.templates import read_templates
from tasks.protected_groups.word_files import pin_word_file, swap_file, template_file
from tasks.records.data import SourceFile


def pin_word_files(settings: CounterfactualSettings) -> tuple[SourceFile, ...]:
    """Read every file once, so that a wrong one is known before training, and fingerprint it.

    Raises:
        SettingsError: a file cannot be read, or does not hold what it should.

    """
    paths = [swap_file(name) for name in settings.swaps]
    for path in paths:
        read_swaps(path)
    templates = [template_file(name) for name in settings.templates]
    for path in templates:
        read_templates(path)
    return tuple(map(pin_word_file, [*paths, *templates]))
