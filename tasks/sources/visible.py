"""Which characters of a text can be seen.

Not those that Unicode calls default-ignorable (UAX #44, DerivedCoreProperties), control and format
characters, nor the blank pattern of Braille. Format characters that are drawn around digits, such
as the Arabic number sign, can be seen (property Prepended_Concatenation_Mark).
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

# First and last code point of each run. Cc and Default_Ignorable_Code_Point of Unicode 16, the
# interlinear annotation marks and the blank Braille pattern.
INVISIBLE_RUNS: Final = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F),
    (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_INVISIBLE: Final = re.compile(
    "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in INVISIBLE_RUNS) + "]"
)
_RE2_RUNS: Final = "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in INVISIBLE_RUNS)
# For RE2: a character that is neither white space nor invisible.
_VISIBLE: Final = rf"[^\s\p{{Z}}{_RE2_RUNS}]"


def without_invisible(text: str) -> str:
    """The text without characters that cannot be seen; white space of one line stays."""
    return text if text.isascii() and text.isprintable() else _INVISIBLE.sub("", text)


def is_blank(text: str) -> bool:
    """Whether nothing of the text can be seen."""
    return not without_invisible(text).strip()


def are_visible(texts: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """Of each text whether something can be seen; null where it is null."""
    import pyarrow.compute as pc

    return pc.match_substring_regex(texts, _VISIBLE)
