"""Whether an explanation knows the model at all: the model parameter randomisation test.

Adebayo et al. 2018 (arXiv:1810.03292): the same texts are explained by the same method, of a
model of the same architecture with weights by chance. Where both rank a text's words alike, the
explanation comes from the text and the architecture, and not from what was learned. A rank
correlation near 0 does not prove that an explanation is right.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from tasks.explanation.methods import WordAttributions
from tasks.explanation.network import ExplainedNetwork, Floats
from tasks.explanation.words import EncodedText

# Words of a row below which ranks say nothing.
LEAST_WORDS = 5


def randomised(network: ExplainedNetwork, seed: int) -> ExplainedNetwork:
    """A model of the same architecture and tokenizer, with weights by chance.

    Args:
        network: run by torch.
        seed: of the weights; the state of torch's generator is put back.

    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = type(network.model)(copy.deepcopy(network.model.config))
    model = model.to(network.model.device, dtype=torch.float32).eval()
    model.requires_grad_(requires_grad=False)
    return replace(network, model=model)


def rank_correlations(
    encoded: Sequence[EncodedText],
    one: Sequence[WordAttributions],
    other: Sequence[WordAttributions],
) -> Floats:
    """Spearman's correlation (N,) of how strong the words of each row are in both.

    Strength is without its sign: a model by chance answers for another label. No number (NaN) of a
    row of fewer than `LEAST_WORDS` words, or where all are equally strong.
    """
    found = np.full(len(encoded), np.nan)
    for row, text in enumerate(encoded):
        read = list(text.read)
        if len(read) >= LEAST_WORDS:
            found[row] = _spearman(np.abs(one[row].values[read]), np.abs(other[row].values[read]))
    return found


def _spearman(one: Floats, other: Floats) -> float:
    ranks = np.stack([rankdata(one), rankdata(other)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=1))
    return float(ranks[0] @ ranks[1] / spread.prod()) if spread.all() else np.nan
