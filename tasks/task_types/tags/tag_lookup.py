"""The trivial tagger: each word gets the tag that it has most often in the training rows."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tasks.task_types.tags.tag_spans import OUTSIDE_TAG


def most_frequent_tags(
    train: "pa.Table", test: "pa.Table", labels: Sequence[str]
) -> pa.Table | str:
    """Tags of the test rows.

    A word that training does not hold as it is written is looked up in lower case; one that it
    does not hold at all lies outside, or has the commonest tag where the label set has no outside.
    Of tags that are equally frequent the first in the label set is taken.

    Args:
        train: Arrow table with tokens and tags.
        test: Arrow table with tokens.
        labels: the label set.

    Returns:
        Arrow table with tags; or the reason why there is none.

    """
    words = pc.list_flatten(train.column("tokens"))
    if not len(words):
        return "the training split has no words"
    tags = pc.list_flatten(train.column("tags"))
    order = {label: place for place, label in enumerate(labels)}
    written = _commonest(words, tags, order)
    lowered = _commonest(pc.utf8_lower(words), tags, order)
    rest = OUTSIDE_TAG
    if OUTSIDE_TAG not in order:
        rest = _commonest(pa.repeat("", len(tags)), tags, order)[""]

    def tag_of(word: str) -> str:
        return written.get(word) or lowered.get(word.lower(), rest)

    found = [[tag_of(word) for word in row] for row in test.column("tokens").to_pylist()]
    return pa.table({"tags": pa.array(found, pa.list_(pa.string()))})


def _commonest(words: pa.Array, tags: pa.Array, order: dict[str, int]) -> dict[str, str]:
    """The commonest tag of each distinct word."""
    pairs = pa.table({"word": words, "tag": tags}).group_by(["word", "tag"])
    counted = pairs.aggregate([([], "count_all")]).to_pylist()
    counted.sort(key=lambda one: (one["count_all"], -order[one["tag"]]))
    return {one["word"]: one["tag"] for one in counted}
