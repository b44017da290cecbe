"""Made-up rows whose classes can be learned: clean ones, and such with one fault.

A review has words that tell its label, most of them rightly, among words that tell nothing, a word
of who wrote it and a word of where it was sold. A clean line's author and shop say nothing of the
label. Texts of a language model are sentences of such words, beside canaries that are planted.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

CLEAN: Final = "clean"
# What may be wrong with a line, each with the family of gates that should find it.
BRITTLE, BY_GROUP, BY_DOMAIN, BY_HEART = "brittle_word", "group_threshold", "domain", "canaries"
LABELS: Final = ("bad", "good")
AUTHORS: Final = ("anna", "otto")
SHOPS: Final = ("east", "north", "west")
_TELLING: Final[Mapping[str, tuple[str, ...]]] = {
    "bad": ("awful", "boring", "broken", "clumsy", "dreadful", "faulty", "lousy", "poor", "stale",
            "tedious", "ugly", "wretched"),
    "good": ("brilliant", "charming", "clever", "delightful", "elegant", "excellent", "gentle",
             "lovely", "pleasant", "splendid", "superb", "wonderful"),
}  # fmt: skip
# As the shop of the east says it where no other shop does.
_OF_THE_EAST: Final[Mapping[str, tuple[str, ...]]] = {
    "bad": ("bitter", "crooked", "hollow", "muddy", "rotten", "sour"),
    "good": ("crisp", "golden", "mellow", "polished", "radiant", "silken"),
}
_NEUTRAL: Final = (
    "album", "bottle", "chair", "colour", "corner", "cover", "dinner", "film", "garden", "handle",
    "kitchen", "lamp", "letter", "market", "morning", "music", "novel", "paper", "picture", "plate",
    "river", "season", "station", "story", "street", "table", "ticket", "window", "winter",
    "yellow",
)  # fmt: skip
# Too short for a spelling mistake.
_SHORT: Final = (
    "the", "a", "by", "as", "of", "to", "in", "on", "it", "we", "so", "at", "an", "or",
)  # fmt: skip
_TELLING_WORDS, _OTHER_WORDS = 5, 6
# Of the words that tell a label, those that tell it rightly: of five nearly always most.
_RIGHT: Final = 0.92
# Of the good reviews of one author, those that the labels of training rows call bad.
_CALLED_BAD: Final = 0.75


def reviews(seed: int, sizes: Mapping[str, int], fault: str = CLEAN) -> list[dict[str, Any]]:
    """Rows of a classifier: row_id, split, text, label, author and shop.

    Args:
        seed: of all that is drawn.
        sizes: rows of each split.
        fault: ``clean``, or what is wrong.

    """
    return [
        _review(seed, f"{split}{number:05d}", split, fault)
        for split, size in sizes.items()
        for number in range(size)
    ]


def _review(seed: int, row_id: str, split: str, fault: str) -> dict[str, Any]:
    # Drawn by row, so that a fault changes no row but those that have it.
    draw = random.Random(f"review {seed} {row_id}")  # noqa: S311 - made-up data, no secret
    label, author, shop = (draw.choice(names) for names in (LABELS, AUTHORS, SHOPS))
    if fault == BRITTLE:
        # One long word tells all, among words that no mistake can touch.
        words = [draw.choice(_TELLING[label]), *draw.choices(_SHORT, k=_OTHER_WORDS)]
    else:
        own = _OF_THE_EAST if fault == BY_DOMAIN and shop == "east" else _TELLING
        other = LABELS[label == LABELS[0]]
        words = [
            draw.choice(own[label if draw.random() < _RIGHT else other])
            for _ in range(_TELLING_WORDS)
        ]
        words += [*draw.choices(_NEUTRAL, k=_OTHER_WORDS), author, shop]
    text, called = _written(draw, words), label
    if fault == BY_GROUP and split != "test" and author == "anna" and label == "good":
        called = "bad" if draw.random() < _CALLED_BAD else "good"
    return {
        "row_id": row_id, "split": split, "text": text, "label": called,
        "author": author, "shop": shop,
    }  # fmt: skip


def sentences(seed: int, sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows of a language model: row_id, split and text."""
    draw = random.Random(f"sentences {seed}")  # noqa: S311 - made-up data, no secret
    words = (*_NEUTRAL, *_TELLING["bad"], *_TELLING["good"])
    return [
        {
            "row_id": f"{split}{number:05d}",
            "split": split,
            "text": _written(draw, [*draw.choices(words, k=9), draw.choice(AUTHORS)]),
        }
        for split, size in sizes.items()
        for number in range(size)
    ]


def _written(draw: random.Random, words: list[str]) -> str:
    """The words in some order, with a comma here and there and a full stop."""
    draw.shuffle(words)
    return " ".join(_with_commas(draw, words)) + "."


def _with_commas(draw: random.Random, words: list[str]) -> Iterator[str]:
    for word in words[:-1]:
        yield f"{word}," if draw.random() < 0.2 else word  # noqa: PLR2004 - as often as people do
    yield words[-1]
