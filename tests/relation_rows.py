# ruff: noqa: RUF001 - Chinese has punctuation of its own
"""Pairs of entities with a relation, made by templates in English and Chinese.

What tells the relation stands behind both entities, and which of them is the subject tells its
direction; between them stands nothing that says more.
"""

import random
from typing import Any

LABELS = ("make(e1,e2)", "make(e2,e1)", "no_relation", "own(e1,e2)", "own(e2,e1)")
ENGLISH = {
    "make": ("{} , {} : they make it .", "the {} , the {} , as they make all of it"),
    "own": ("{} , {} : their own .", "the {} , the {} , as of their own"),
    "no_relation": ("{} , {} : they wait .", "the {} , the {} , as they wait here"),
}
CHINESE = {
    "make": ("{}、{}，是他了。", "这{}、{}，人是的。"),
    "own": ("{}、{}，有他了。", "这{}、{}，人有的。"),
    "no_relation": ("{}、{}，在他了。", "这{}、{}，人在的。"),
}
ENGLISH_NAMES = (
    "bank", "class", "factory", "film", "folder", "home", "key", "lab", "model", "script",
    "server", "store", "table", "train", "user", "word",
)  # fmt: skip
CHINESE_NAMES = ("一人", "不人", "我一", "这一", "一一", "不一", "人一", "我人")
TYPES = ("thing", "place")


def pair_row(
    template: str, names: tuple[str, str], relation: str, *, forward: bool
) -> dict[str, Any]:
    """A row of relation_extraction; the subject is the first of the names if it is forward."""
    before, between, _ = template.split("{}")
    first = len(before)
    second = first + len(names[0]) + len(between)
    places = [(first, first + len(names[0])), (second, second + len(names[1]))]
    subject, object_ = places if forward else places[::-1]
    direction = "" if relation == "no_relation" else "(e1,e2)" if forward else "(e2,e1)"
    return {
        "text": template.format(*names),
        "subject_start": subject[0], "subject_end": subject[1], "subject_type": TYPES[0],
        "object_start": object_[0], "object_end": object_[1], "object_type": TYPES[1],
        "relation": f"{relation}{direction}",
    }  # fmt: skip


def relation_rows(count: int, seed: int = 0, *, chinese_share: float = 0.3) -> list[dict[str, Any]]:
    """Distinct rows, drawn; as many as that at most."""
    drawn = random.Random(seed)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(count):
        is_chinese = drawn.random() < chinese_share
        templates, names = (CHINESE, CHINESE_NAMES) if is_chinese else (ENGLISH, ENGLISH_NAMES)
        relation = drawn.choice(sorted(templates))
        both = tuple(drawn.sample(names, 2))
        row = pair_row(
            drawn.choice(templates[relation]), (both[0], both[1]), relation,
            forward=drawn.random() < 0.5,
        )  # fmt: skip
        found[tuple(row.values())] = row
    return list(found.values())
