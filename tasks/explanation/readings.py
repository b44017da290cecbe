"""What the intervals of a method say, in a few words."""

from collections.abc import Sequence

from tasks.verdicts import Estimate

# Mean rank correlation with a model by chance from which on an explanation is mostly of the text.
OF_THE_TEXT = 0.5


def reading_of(estimates: Sequence[Estimate]) -> str:
    """Whether a method is to be believed of this model.

    Args:
        estimates: explanation.METHOD.MEASURE.

    """
    found = {one.name.rpartition(".")[2]: one for one in estimates}
    if "comprehensiveness_gain" not in found:
        return "words in an order by chance: what the methods are held against"
    more, less = found["comprehensiveness_gain"], found["sufficiency_gain"]
    if more.low is None or less.low is None:
        return "undetermined: too few rows"
    if more.low > 0 and less.low > 0:
        said = "faithful: its words matter more than words by chance, both when they go and alone"
    elif more.low > 0:
        said = (
            "partly faithful: the answer falls without its words, and does not stand on them alone"
        )
    elif less.low > 0:
        said = "partly faithful: the answer stands on its words alone, and stands without them too"
    elif (more.high or 0) < 0 or (less.high or 0) < 0:
        said = "unfaithful: words by chance matter more"
    else:
        said = "not told from words by chance"
    drawn = found.get("randomisation_correlation")
    if drawn is not None and drawn.low is not None and drawn.low > OF_THE_TEXT:
        said += "; it ranks words much alike for weights by chance, so that it is of the text"
    return said
