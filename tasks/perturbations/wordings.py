"""The same in other words: contractions, phrases of like meaning, and sentences that add nothing.

Contractions and templates are those kinds of CheckList's invariance tests (Ribeiro et al. 2020,
arXiv:2005.04118) that need no model. The lists were written for this project.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from tasks.perturbations.chinese import HAN
from tasks.perturbations.words import count_of

# In full, and contracted; of the first kind the full form follows from the short one.
_OF_NOT: Final = {
    "do not": "don't", "does not": "doesn't", "did not": "didn't", "is not": "isn't",
    "are not": "aren't", "was not": "wasn't", "were not": "weren't", "have not": "haven't",
    "has not": "hasn't", "had not": "hadn't", "will not": "won't", "would not": "wouldn't",
    "could not": "couldn't", "should not": "shouldn't", "cannot": "can't",
}  # fmt: skip
_OF_PRONOUNS: Final = {
    "I am": "I'm", "you are": "you're", "we are": "we're", "they are": "they're",
    "I have": "I've", "you have": "you've", "we have": "we've", "they have": "they've",
    "I will": "I'll", "you will": "you'll", "he will": "he'll", "she will": "she'll",
    "we will": "we'll", "they will": "they'll",
}  # fmt: skip
# "it's" may also be "it has", so these are contracted only.
_ONE_WAY: Final = {
    "it is": "it's", "that is": "that's", "he is": "he's", "she is": "she's", "there is": "there's",
}  # fmt: skip
# Each may stand in the place of the one before it, and not always the other way round.
_PHRASES: Final = {
    "because of": "due to", "in order to": "so as to", "for example": "for instance",
    "a lot of": "a great deal of", "at the moment": "right now", "more than": "over",
    "according to": "as stated by", "as well as": "along with", "in addition": "besides",
    "however": "nevertheless", "therefore": "hence", "carry out": "perform",
    "find out": "discover", "such as": "like", "at least": "no fewer than",
    "as a result": "consequently", "even though": "although", "in spite of": "despite",
    "take part in": "participate in", "a number of": "several", "at once": "immediately",
    "very": "really", "began": "started", "big": "large", "quick": "fast", "buy": "purchase",
    "maybe": "perhaps", "but": "yet", "get rid of": "remove", "a couple of": "two or three",
    "因为": "由于", "但是": "不过", "非常": "十分", "如果": "假如", "立刻": "马上",
    "大约": "大概", "例如": "比如", "现在": "目前", "帮助": "协助", "特别": "格外",
}  # fmt: skip
_FRAMES: Final = (
    "What I mean is this: {}", "Let me put it plainly: {}", "Here it is once more: {}",
    "{} That is what I wanted to say.", "{} That is all there is to say.",
)  # fmt: skip
_HAN_FRAMES: Final = (
    "我想说的是\uff1a{}",
    "简单地说\uff1a{}",
    "再说一遍\uff1a{}",
    "{}我要说的就是这些。",
)
_FILLER: Final = (
    "This was written down on an ordinary day.", "The text below is given as it came in.",
    "It was sent in through the usual form.", "There is nothing else to add here.",
    "The following was noted in passing.", "Everything else stays as it was.",
)  # fmt: skip
_HAN_FILLER: Final = (
    "这是在普通的一天写下的。", "下面的文字照原样给出。", "这是通过常用的表格提交的。",
    "其他的都和原来一样。",
)  # fmt: skip
_WORD_END: Final = r"(?=\s+\w)"


def contract(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """All full forms contracted; where the text has none, all contracted ones in full.

    Returns:
        The changed text; None where it has neither.

    """
    short = {**_OF_NOT, **_OF_PRONOUNS, **_ONE_WAY}
    long = {one: full for full, one in {**_OF_NOT, **_OF_PRONOUNS}.items()}
    plain = text.replace("\u2019", "'")
    for table, end in ((short, _WORD_END), (long, r"\b")):
        changed = _replace_words(plain, table, end)
        if changed != plain:
            return changed
    return None


def paraphrase(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """Each phrase of the list is another of like meaning; a text without one stands in a frame.

    Returns:
        The changed text; None of a text without a word.

    """
    if not text.strip():
        return None
    changed = _replace_phrases(text)
    if changed != text:
        return changed
    return random.choice(_HAN_FRAMES if HAN.search(text) else _FRAMES).format(text)


def lengthen(text: str, strength: float, random: Random) -> str | None:
    """Sentences that add nothing stand before or behind the text.

    Args:
        text: any.
        strength: their words, or Chinese characters, as a share of the text's; one at least.
        random: of the row.

    Returns:
        The longer text; None of a text without a word.

    """
    if not text.strip():
        return None
    is_chinese = HAN.search(text) is not None
    filler, parted = (_HAN_FILLER, "") if is_chinese else (_FILLER, " ")
    wanted = count_of(strength, _size(text, is_chinese=is_chinese))
    added: list[str] = []
    while sum(_size(one, is_chinese=is_chinese) for one in added) < wanted:
        added.append(random.choice([one for one in filler if one not in added[-1:]]))
    sides = [parted.join(added), text]
    return parted.join(sides if random.random() < 0.5 else sides[::-1])  # noqa: PLR2004 - a coin


def _size(text: str, *, is_chinese: bool) -> int:
    return sum(map(len, HAN.findall(text))) if is_chinese else len(text.split())


def _replace_phrases(text: str) -> str:
    han = {one: other for one, other in _PHRASES.items() if HAN.match(one)}
    latin = {one: other for one, other in _PHRASES.items() if one not in han}
    changed = _replace_words(text, latin, r"\b")
    pattern = "|".join(map(re.escape, _longest_first(han)))
    return re.sub(pattern, lambda found: han[found[0]], changed)


def _replace_words(text: str, table: Mapping[str, str], end: str) -> str:
    """Whole words in the place of others, with a capital where these have one."""
    by_small = {one.lower(): other for one, other in table.items()}

    def other(found: re.Match[str]) -> str:
        made = by_small[found[0].lower()]
        return made[0].upper() + made[1:] if found[0][0].isupper() else made

    names = "|".join(map(re.escape, _longest_first(table)))
    return re.sub(rf"\b(?:{names}){end}", other, text, flags=re.IGNORECASE)


def _longest_first(names: Mapping[str, str]) -> Sequence[str]:
    return sorted(names, key=len, reverse=True)
