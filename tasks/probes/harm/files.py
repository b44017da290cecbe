"""The user's prompts, terms and requests, from files that the settings name."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.perturbations.draws import rank_of
from tasks.probes.harm.settings import HarmSettings
from tasks.probes.lexicon import read_lexicon
from tasks.records.data import SourceFile
from tasks.sources.named_files import pin_named, read_lines

REFUSE, ANSWER = "refuse", "answer"
# Each has a number of its own, and pairs of them are compared.
_MOST_GROUPS: Final = 100
_SHOWN: Final = 60
_RIGHT: Final = {
    "prompts": '{"prompt": "a text"}, beside it a group and a cluster where there are such; or a '
    'file of BOLD: {"group": {"name": ["a text"]}}',
    "refusals": '{"prompt": "a request", "expect": "refuse"} or "answer", beside it a group and a '
    "cluster where there are such",
}


@dataclass(frozen=True)
class Prompt:
    """A text that the model is asked.

    Attributes:
        group: what it is about; empty where the file says nothing.
        cluster: other prompts of it are no independent observations; None of one by itself.
        expect: ``refuse`` or ``answer``; empty of prompts that are not requests.

    """

    prompt: str
    group: str = ""
    cluster: str | None = None
    expect: str = ""


def pin_files(settings: HarmSettings, store: ObjectStore) -> tuple[SourceFile, ...]:
    """The files that the settings name, with the digests that they have now.

    Raises:
        DataError: a file cannot be read, a line is not as it should be, or there are too few.
        StoreError: the store cannot be reached.

    """
    pinned = tuple(pin_named(_setting(name), path, store) for name, path in settings.files)
    for (name, _), file in zip(settings.files, pinned, strict=True):
        if name == "lexicon":
            read_lexicon(_setting(name), file, store)
        else:
            read_prompts(name, file, settings, store)
    return pinned


def read_prompts(
    name: str, file: SourceFile, settings: HarmSettings, store: ObjectStore
) -> list[Prompt]:
    """The prompts of least hash of a pinned file, each once in each group.

    One that stands in several groups is a cluster, unless the file names another: the model
    answers it once.

    Args:
        name: of the setting, ``prompts`` or ``refusals``.
        file: as `pin_files` gave it.
        settings: how many.
        store: holds it, if it is not local.

    Raises:
        DataError, StoreError: as `pin_files`; or the file changed.

    """
    lines = read_lines(_setting(name), file, store)
    bold = _bold("\n".join(lines)) if name == "prompts" else []
    found = list(dict.fromkeys(bold or _prompts(name, file, lines)))
    _check_expected(name, file, found)
    _check_groups(name, file, found)
    found.sort(key=lambda one: (rank_of(settings.seed, "harm", one.prompt, one.group), one.prompt))
    drawn = found[: settings.rows]
    _check_number(name, file, found, drawn, settings)
    often = Counter(one.prompt for one in drawn)
    return [
        replace(one, cluster=one.prompt) if one.cluster is None and often[one.prompt] > 1 else one
        for one in drawn
    ]


def _setting(name: str) -> str:
    return f"probes.harm.{name}"


def _prompts(name: str, file: SourceFile, lines: Sequence[str]) -> Iterator[Prompt]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _prompt(name, json.loads(line))
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{_setting(name)}: line {number} of {file.uri} is {line[:_SHOWN]!r}; right would "
                f"be {_RIGHT[name]}"
            ) from error


def _bold(text: str) -> list[Prompt]:
    """The prompts of a file of BOLD's (Dhamala et al. 2021): by category, by name; else nothing."""
    try:
        categories = json.loads(text)
        return [
            Prompt(prompt.strip(), group, name)
            for group, names in categories.items()
            for name, prompts in names.items()
            for prompt in prompts
            if isinstance(prompts, list) and prompt.strip()
        ]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []


def _prompt(name: str, row: Any) -> Prompt:
    if not isinstance(row, dict):
        raise ValueError("no object")  # noqa: TRY004 - one kind of fault for all of a line
    prompt, expect = row.get("prompt"), row.get("expect") if name == "refusals" else ""
    allowed = (REFUSE, ANSWER) if name == "refusals" else ("",)
    if not isinstance(prompt, str) or not prompt.strip() or expect not in allowed:
        raise ValueError("no prompt, or nothing that is expected")
    group, cluster = row.get("group"), row.get("cluster")
    if any(one is not None and not (isinstance(one, str) and one) for one in (group, cluster)):
        raise ValueError("no name")
    return Prompt(prompt.strip(), group or "", cluster, str(expect))


def _check_expected(name: str, file: SourceFile, prompts: Sequence[Prompt]) -> None:
    expected: dict[str, str] = {}
    for one in prompts:
        if expected.setdefault(one.prompt, one.expect) != one.expect:
            raise DataError(
                f"{_setting(name)}: {file.uri} expects that {one.prompt[:_SHOWN]!r} is refused and "
                "that it is answered; keep one of the two"
            )


def _check_number(
    name: str,
    file: SourceFile,
    found: Sequence[Prompt],
    drawn: Sequence[Prompt],
    settings: HarmSettings,
) -> None:
    """See that enough prompts are asked; of requests as many of either side that the file has."""
    asks_for = f"probes.harm.min_rows asks for {settings.min_rows}"
    if len(found) < settings.min_rows:
        raise DataError(
            f"{_setting(name)}: {file.uri} has {len(found)} distinct prompts, and {asks_for}; add "
            "some"
        )
    for side in sorted({one.expect for one in found}):
        has, asked = (sum(one.expect == side for one in some) for some in (found, drawn))
        if asked < settings.min_rows:
            more = "add some" if has == asked else "raise probes.harm.rows, or add some"
            raise DataError(
                f"{_setting(name)}: {file.uri} has {has} distinct requests with expect {side!r}, "
                f"of which {asked} are among the {len(drawn)} that are asked, and {asks_for} of "
                f"each side; {more}, or leave that side out"
            )


def _check_groups(name: str, file: SourceFile, prompts: Sequence[Prompt]) -> None:
    if (count := len({one.group for one in prompts} - {""})) > _MOST_GROUPS:
        raise DataError(
            f"{_setting(name)}: {file.uri} names {count} groups, and at most {_MOST_GROUPS} are "
            "told apart; give what belongs together the same group, and its names as cluster"
        )
