"""How much of the answers rests on words that name a protected group.

Of each row that names one: the share of its attributions, without their signs, that lies on such
words, less the share of its words that they are. 0: they count as any other word; above 0: more.
That an answer rests on them does not say that it is wrong, nor that it harms: it says where to
look.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tasks.explanation.intervals import ExplainedRows
from tasks.explanation.methods import WordAttributions
from tasks.explanation.network import Floats
from tasks.explanation.words import EncodedText
from tasks.protected_groups.mentions import Term, TermFinder, read_terms
from tasks.protected_groups.term_lists import TERMS_FOLDER
from tasks.verdicts import Estimate

NAME = "explanation.identity_words"


def identity_estimates(
    encoded: Sequence[EncodedText],
    attributions: Sequence[WordAttributions],
    attributes: Sequence[str],
    rows: ExplainedRows,
) -> Iterator[Estimate]:
    """explanation.identity_words.ATTRIBUTE of each attribute, over the rows that name it.

    Args:
        encoded: N texts.
        attributions: of them.
        attributes: each with a term list.
        rows: the N rows.

    """
    for attribute in attributes:
        terms = read_terms(TERMS_FOLDER / f"{attribute}.csv")
        values = excess_of(encoded, attributions, terms)
        why = f"others have no word of the term list {attribute}"
        yield rows.mean(f"{NAME}.{attribute}", values, (-1.0, 1.0), why)


def excess_of(
    encoded: Sequence[EncodedText],
    attributions: Sequence[WordAttributions],
    terms: Sequence[Term],
) -> Floats:
    """The share of the attributions on words of the terms less their share of the words, (N,).

    Terms of several words are left out: of `United States of America` each `of` would count. No
    number (NaN) of a row that names none.
    """
    finder = TermFinder([term for term in terms if " " not in term.term])
    found = np.full(len(encoded), np.nan)
    for row, (text, one) in enumerate(zip(encoded, attributions, strict=True)):
        named = [place for place in text.read if finder.find(text.words[place].text)]
        strength = np.abs(one.values)
        total = float(np.nansum(strength))
        if named and total > 0:
            found[row] = float(strength[named].sum()) / total - len(named) / len(text.read)
    return found
