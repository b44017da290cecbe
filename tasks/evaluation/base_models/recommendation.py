"""Which base model is recommended, by a rule that was written down before; none where none can be.

The rule takes the smallest model that is shown to be no more than the margin behind the best. What
cannot be told apart from the best is not taken for it: few rows make no small model good.
"""

from collections.abc import Iterator, Sequence

from tasks.records.choice import Candidate, Number


def place_of(one: Candidate, *, rising: bool) -> tuple[int, float, int, str]:
    """What candidates are ordered by: what can be taken, the better, the smaller, the name."""
    if one.reason:
        return (2, 0.0, 0, one.name)
    value = one.quality.value if one.quality else None
    if value is None:
        return (1, 0.0, one.parameters, one.name)
    return (0, -value if rising else value, one.parameters, one.name)


def recommend(
    candidates: Sequence[Candidate], metric: str, margin: float, no_probe: str
) -> tuple[str, str]:
    """The name of the recommended candidate and the rule; or no name, and why there is none.

    Args:
        candidates: with their standing.
        metric: that the probe is measured in.
        margin: how far behind the best counts as as good.
        no_probe: why nothing was measured; empty where something was.

    """
    usable = [one for one in candidates if not one.reason]
    if not usable:
        return "", "none is recommended: none of them can be taken"
    if no_probe:
        return "", f"none is recommended: {no_probe}"
    good = [one for one in usable if one.standing in {"best", "as good"}]
    if not good:
        reasons = {one.quality.reason for one in usable if one.quality} - {""}
        said = "; ".join(sorted(reasons)) or "nothing was measured"
        return "", f"none is recommended, since {metric} cannot be told: {said}"
    taken = min(good, key=lambda one: (one.parameters, one.name))
    if len(usable) == 1:
        return taken.name, "it is the only one that can be taken"
    if taken.standing == "best":
        return taken.name, (
            f"the best in {metric}, and no smaller one is shown to be at most {margin:g} behind it"
        )
    return taken.name, (
        f"the smallest of those whose probe is shown to be at most {margin:g} behind the best in "
        f"{metric}"
    )


def notes_on(
    candidates: Sequence[Candidate], recommended: str, words: Number | None, *, rising: bool
) -> Iterator[str]:
    """What else is to be known of a recommendation.

    Args:
        candidates: with their standing.
        recommended: name of one of them; empty where there is none.
        words: what a model of words comes to on the same rows.
        rising: whether more of the metric is better.

    """
    taken = next((one for one in candidates if one.name == recommended), None)
    if taken:
        yield from _smaller(candidates, taken)
        if not taken.licence:
            yield (
                f"{taken.name} states no licence in its files: find it out before a model made of "
                "it is given to anybody"
            )
    if words and _is_ahead(words, candidates, rising=rising):
        yield (
            "a bag of words is ahead of every probe: what these models know before training is "
            "not what tells the answers apart, and the probe says little of what training adds"
        )


def _smaller(candidates: Sequence[Candidate], taken: Candidate) -> Iterator[str]:
    for one in candidates:
        if one.standing == "not told" and one.parameters < taken.parameters:
            yield (
                f"{one.name} is smaller, and so few validation rows do not tell whether it is as "
                "good: give splits.validation a larger share, or train it as well"
            )


def _is_ahead(words: Number, candidates: Sequence[Candidate], *, rising: bool) -> bool:
    qualities = (one.quality for one in candidates)
    values = [one.value for one in qualities if one and one.value is not None]
    if words.value is None or not values:
        return False
    return words.value > max(values) if rising else words.value < min(values)
