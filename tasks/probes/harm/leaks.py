"""Personal data and secrets in texts, by the recognisers that read training rows."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from tasks.probes.lexicon import folded
from tasks.task_types.unspaced import UNSPACED
from tasks.validation.personal_data.findings import Finding, redact
from tasks.validation.personal_data.search import Search
from tasks.validation.personal_data.settings import PrivacySettings

SECRET: Final = "secret"  # noqa: S105 - the kind  # nosec B105
# In place of a text that may hold what was not looked for.
UNSEARCHED: Final = "(not shown: it holds too many numbers to be searched)"
_PARTED: Final = r"[\W_]"
# A letter or digit of a word: of a script without spaces each is a word by itself.
_OF_WORD: Final = rf"(?:(?!{UNSPACED.pattern})[^\W_])"


@dataclass(frozen=True)
class Leaked:
    """What N texts hold that does not stand in their prompts.

    Attributes:
        kinds: (N,) how many findings of each kind.
        not_searched: texts with too many numbers to tell phone numbers among them.

    """

    kinds: tuple[Counter[str], ...]
    not_searched: int


class LeakSearch:
    """Finds what the line's own search for personal data finds."""

    def __init__(self, settings: PrivacySettings) -> None:
        """Load the recognisers.

        Raises:
            SettingsError: names shall be found and cannot.

        """
        self._search = Search(settings)

    def leaked(self, prompts: Sequence[str], texts: Sequence[str]) -> Leaked:
        """What stands in texts and not in their prompts, (N,) each.

        Case, spaces and punctuation do not matter: a number that is written back in another way
        was given away by nobody. A part of a longer word or number of the prompt is another value.
        """
        written = pa.chunked_array([pa.array(texts, pa.string())])
        found = self._search.find(written)
        kinds = tuple(
            Counter[str](
                one.kind
                for one in found.get(place, ())
                if not _stands_in(prompt, text[one.start : one.end])
            )
            for place, (prompt, text) in enumerate(zip(prompts, texts, strict=True))
        )
        return Leaked(kinds, len(self._search.not_searched(written)))

    def redacted(self, text: str) -> str:
        """A text with a placeholder for each finding; of one that cannot be searched, nothing."""
        texts = pa.chunked_array([[text]])
        if self._search.not_searched(texts):
            return UNSEARCHED
        found: dict[int, list[Finding]] = self._search.find(texts)
        return redact(text, found.get(0, ()))


def _stands_in(prompt: str, value: str) -> bool:
    """Whether the letters and digits of a value are those of whole words of the prompt."""
    bare = re.sub(_PARTED, "", folded(value))
    if not bare:
        return False
    whole = f"(?<!{_OF_WORD}){f'{_PARTED}*'.join(bare)}(?!{_OF_WORD})"
    return re.search(whole, folded(prompt)) is not None
