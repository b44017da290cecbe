"""How attention carries each token to where the head reads (Abnar and Zuidema 2020).

Attention rollout (arXiv:2005.00928): of each layer the mean of its heads' weights, half of it the
residual connection, multiplied from the first layer to the last. It knows neither the sign nor the
label: it is the same whatever the head answers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from infra.errors import SettingsError
from tasks.explanation.gradients import TokenAttributions
from tasks.explanation.network import ExplainedNetwork, Ints, showing_attention
from tasks.explanation.words import EncodedText
from tasks.task_types.examples import pad
from tasks.task_types.scoring import batches_to_score, token_budget

if TYPE_CHECKING:
    import torch


def attention_rollout(
    network: ExplainedNetwork, encoded: Sequence[EncodedText], targets: Ints
) -> list[TokenAttributions]:
    """The rollout of N texts, from 0 to 1 for each token.

    Args:
        network: with gradients, which is to say run by torch.
        encoded: the texts.
        targets: what is explained of each, which says where it is read; of several places, the
            rollout is their mean.

    Raises:
        SettingsError: the model gives no attention.

    """
    import torch

    found: dict[int, TokenAttributions] = {}
    model, pad_id = network.model, int(network.tokenizer.pad_token_id)
    lengths = [len(one.ids) for one in encoded]
    with showing_attention(network):
        for places in batches_to_score(model, lengths, token_budget(model)):
            batch = pad([encoded[place].ids for place in places], pad_id)
            batch = {name: value.to(model.device) for name, value in batch.items()}
            at = torch.from_numpy(targets[places]).to(model.device)
            batch |= network.inputs_beside(at, batch["input_ids"].shape[1])
            with torch.inference_mode():
                attentions = model(**batch, output_attentions=True).attentions
            if not attentions or attentions[0] is None:
                raise SettingsError(
                    f"the model gives no attention ({type(model).__name__}), so that "
                    "attention_rollout cannot be had of it; leave it out of explanation.methods"
                )
            carried = _rolled_out(attentions)  # (B, T, T)
            for row, place in enumerate(places):
                ids = encoded[place].ids
                read_at = network.read_at(ids, targets[place])
                values = carried[row, read_at, : len(ids)].mean(dim=0).double().cpu().numpy()
                found[place] = TokenAttributions(values, 0)
    return [found[row] for row in range(len(encoded))]


def _rolled_out(attentions: "Sequence[torch.Tensor]") -> "torch.Tensor":
    """Product (B, T, T) over layers of half the mean attention (B, H, T, T) and half the rest."""
    import torch

    identity = torch.eye(attentions[0].shape[-1], device=attentions[0].device)
    carried = identity
    for layer in attentions:
        carried = (0.5 * layer.float().mean(dim=1) + 0.5 * identity) @ carried
    return carried
