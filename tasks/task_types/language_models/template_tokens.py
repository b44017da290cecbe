"""What a chat template writes, as token ids: only its own control tokens, what was typed as text.

A template writes control tokens and turns into one string, in which `<|im_end|>` is the end of a
turn, whoever wrote it. So before a template is asked, each control token that a turn spells is
replaced by a mark, which stands for that spelling; of the string that comes back every control
token that stands there is the template's, and is replaced by another mark, which is read as the
token. Both kinds of mark begin with a noncharacter of Unicode (Unicode 16.0, section 23.7), which
is taken out of what was typed. Then the marks of the first kind become what was typed again, and
the tokenizer looks for the marks of the second kind, but for no control token.

Where no turn spells a control token, the string is read as the tokenizer alone reads it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tasks.task_types.control_tokens import control_tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


Turn = Mapping[str, str]
# Noncharacters, which stand in no text that is meant for others; a character of private use that
# says which control token it is follows.
_TYPED: Final = "\U0010fffe"
_WRITTEN: Final = "\U0010ffff"
_FIRST_MARK: Final = 0xF0000


@dataclass(frozen=True)
class ReadTemplate:
    """Tokens of what a template wrote.

    Attributes:
        ids: T token ids.
        offsets: characters at which each token begins and ends, T of them.

    """

    ids: list[int]
    offsets: list[tuple[int, int]]

    def token_at(self, character: int) -> int | None:
        """Place of the token that a character belongs to; None where it belongs to none."""
        for place, (begin, end) in enumerate(self.offsets):
            if begin <= character < end:
                return place
        return None


@dataclass(frozen=True)
class TemplateTokens:
    """How a tokenizer reads what its chat template writes.

    Attributes:
        marks: the character of each control token, by its spelling.
        spelled: finds control tokens in a string, longer ones first.
        normalised: control tokens that the tokenizer looks for in the normalised text.
        whole: finds control tokens wherever they stand.
        apart: finds the template's marks, and no control tokens.
        id_of_mark: the control token's id by the mark's.

    """

    marks: Mapping[str, str]
    spelled: re.Pattern[str]
    normalised: tuple[str, ...]
    whole: "Tokenizer"
    apart: "Tokenizer"
    id_of_mark: Mapping[int, int]

    def spell_in(self, turns: Sequence[Turn]) -> bool:
        """Whether a turn spells a control token."""
        return any(self._spells(value) for turn in turns for value in turn.values())

    def _spells(self, text: str) -> bool:
        if self.spelled.search(text):
            return True
        if not self.normalised or self.whole.normalizer is None:
            return False
        read = self.whole.normalizer.normalize_str(text)
        return any(one in read for one in self.normalised)

    def mark_typed(self, turns: Sequence[Turn]) -> list[Turn]:
        """The turns with marks in the place of the control tokens that they spell."""
        return [{key: self._mark(value) for key, value in turn.items()} for turn in turns]

    def _mark(self, text: str) -> str:
        plain = text.replace(_TYPED, "").replace(_WRITTEN, "")
        return self.spelled.sub(lambda found: _TYPED + self.marks[found[0]], plain)

    def mark_written(self, text: str) -> str:
        """What a template made of marked turns, with marks in the place of its own tokens."""
        text = self.spelled.sub(lambda found: _WRITTEN + self.marks[found[0]], text)
        for spelling, mark in self.marks.items():
            text = text.replace(_TYPED + mark, spelling)
        return text

    def read(self, text: str, *, marked: bool) -> ReadTemplate:
        """Tokens of what a template wrote, marked or as it is."""
        found = (self.apart if marked else self.whole).encode(text, add_special_tokens=False)
        ids = [self.id_of_mark.get(one, one) for one in found.ids] if marked else found.ids
        return ReadTemplate(ids, found.offsets)


@lru_cache(maxsize=2)
def template_tokens(tokenizer: "PreTrainedTokenizerFast") -> TemplateTokens:
    """How this tokenizer reads what its chat template writes; made once for each."""
    from tokenizers import AddedToken, Tokenizer

    written = tokenizer.backend_tokenizer.to_str()
    whole, apart = Tokenizer.from_str(written), Tokenizer.from_str(written)
    for one in (whole, apart):
        one.no_padding()
        one.no_truncation()
    whole.encode_special_tokens, apart.encode_special_tokens = False, True
    controls = control_tokens(tokenizer)
    marks = {one: chr(_FIRST_MARK + number) for number, one in enumerate(controls)}
    added = {one.content: one for one in tokenizer.added_tokens_decoder.values()}
    # Marks are no special tokens, which are not looked for; they take spaces as those do.
    apart.add_tokens(
        [
            AddedToken(
                _WRITTEN + mark,
                lstrip=spelling in added and added[spelling].lstrip,
                rstrip=spelling in added and added[spelling].rstrip,
                normalized=False,
                special=False,
            )
            for spelling, mark in marks.items()
        ]
    )
    places = apart.get_added_tokens_decoder().items()
    place_of = {one.content: place for place, one in places}
    longest_first = sorted(controls, key=len, reverse=True)
    normaliser = whole.normalizer
    return TemplateTokens(
        marks=marks,
        spelled=re.compile("|".join(map(re.escape, longest_first)) or "(?!)"),
        normalised=tuple(
            normaliser.normalize_str(one) if normaliser else one
            for one in controls
            if one in added and added[one].normalized
        ),
        whole=whole,
        apart=apart,
        id_of_mark={place_of[_WRITTEN + marks[one]]: number for one, number in controls.items()},
    )
