"""The command that shows what a line's augmentation makes of a text: augment."""

from dataclasses import asdict
from pathlib import Path

from flows.commands import console
from flows.commands.line_commands import AsJson
from infra.errors import SettingsError


def augment(config: Path, /, *texts: str, as_json: AsJson = False) -> int:
    """Show what the methods of a line's augmentation make of texts; nothing is trained or kept.

    Args:
        config: the line's YAML file, for example configs/examples/bbc-news-augmented.yaml.
        texts: as rows of the line may hold them. Of several, words of one are inserted into
            another.
    """
    from flows.config import load_config
    from tasks.augmentation.preview import preview
    from tasks.task_types.row_shapes import shape_of

    line = load_config(config)
    if line.augmentation is None:
        raise SettingsError(
            f"{config} sets no augmentation, so that it makes no row; add it, for example "
            "`augmentation: {word_swap: {share: 0.2}}`"
        )
    if not texts:
        raise SettingsError("no text was given; right would be one or more behind the file's name")
    found = list(preview(texts, line.augmentation, shape_of(line.task_type)))
    if as_json:
        console.show_json([asdict(one) for one in found])
        return 0
    for one in found:
        console.say(f"{one.method:<19} {one.after or f'- ({one.reason})'}")
    return 0
