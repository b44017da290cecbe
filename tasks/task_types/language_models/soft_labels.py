"""Tokens as a teacher sees them: the likeliest, and what is left for all others together.

The logits of a whole vocabulary would take a hundred kilobytes a token. Kept are the `KEPT_TOKENS`
likeliest tokens with their log-probabilities at the temperature of the loss, and the logarithm of
the rest of the mass. The student is compared over these and one class of all others, whose
divergence is at most that of the whole vocabulary (a sum over a coarser partition).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from tasks.task_types.examples import IGNORED, Batch, Example
from tasks.task_types.soft_labels_base import SoftLabelsBase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Outputs

KEPT_TOKENS: Final = 16
# Columns: ids of the likeliest tokens; and log-probabilities, the rest behind them.
TOKENS: Final = "soft_tokens"
LOG_SHARES: Final = "soft_log_shares"
# A rest that float32 cannot tell from none.
LEAST_LOG_SHARE: Final = -80.0


class SoftTokens(SoftLabelsBase):
    """The likeliest tokens wherever one is asked for; here the next one of a text."""

    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    reads_temperature: ClassVar[bool] = True
    of_tokens: ClassVar[bool] = True

    def kept(
        self, outputs: "Outputs", batch: Batch, _config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """Of M tokens asked for ids (M K,) and log-shares (M (K + 1),); see `SoftLabels.kept`."""
        import numpy as np

        tokens, shares = [], []
        for scores, labels in zip(outputs["logits"], batch.labels["labels"], strict=True):
            # One row after the other: a batch's logarithms would take as much memory as its scores.
            log_shares = (scores[labels != IGNORED].float() / self.temperature).log_softmax(dim=-1)
            likeliest = log_shares.topk(min(KEPT_TOKENS, log_shares.shape[-1]), dim=-1).indices
            tokens.append(likeliest.int().flatten().cpu().numpy())
            shares.append(_with_rest(log_shares, likeliest).flatten().cpu().numpy())
        return {TOKENS: tokens, LOG_SHARES: [one.astype(np.float32) for one in shares]}

    def collate(self, examples: Sequence[Example], batch: Batch) -> "Mapping[str, Tensor]":
        """Ids (B, T, K) and log-shares (B, T, K + 1), 0 where none is asked for."""
        import torch

        asked = batch.labels["labels"] != IGNORED  # (B, T)
        count = int(asked.sum())
        found = {}
        for name, kind in ((TOKENS, torch.int64), (LOG_SHARES, torch.float32)):
            own = torch.cat([torch.tensor(example[name]) for example in examples]).to(kind)
            values = own.reshape(count, -1)
            found[name] = torch.zeros((*asked.shape, values.shape[-1]), dtype=kind)
            found[name][asked] = values
        return found

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """``T^2 KL`` over K tokens and the rest, a mean over the tokens; see `SoftLabels.loss`."""
        from torch.nn.functional import kl_div

        asked = batch.labels["labels"] != IGNORED
        log_shares = (outputs["logits"][asked].float() / self.temperature).log_softmax(dim=-1)
        ours = _with_rest(log_shares, batch.labels[TOKENS][asked])
        theirs = batch.labels[LOG_SHARES][asked]
        apart = kl_div(ours, theirs, reduction="sum", log_target=True)
        return apart * self.temperature**2 / units[0]


def _with_rest(log_shares: "Tensor", tokens: "Tensor") -> "Tensor":
    """Log-shares (M, K + 1) of K tokens each, and of all others of (M, V) together."""
    import torch

    others = log_shares.scatter(-1, tokens, -torch.inf).logsumexp(dim=-1, keepdim=True)
    rest = others.clamp(min=LEAST_LOG_SHARE)
    return torch.cat([log_shares.gather(-1, tokens), rest], dim=-1)
