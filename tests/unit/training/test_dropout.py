"""Dropout from 16 bits an element: the same law, gradients and attention as torch's own."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch.nn import functional

from tasks.training.dropout import dropout_of, sixteen_bit_dropout

COUNT = 40_000


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.5, 0.9])
def test_elements_are_dropped_at_the_rate_and_the_others_keep_the_mean(rate: float) -> None:
    values = torch.ones(COUNT)
    with sixteen_bit_dropout():
        found = functional.dropout(values, rate)
    assert found.unique().tolist() == [0.0, pytest.approx(1 / (1 - rate), rel=1e-3)]
    assert binomtest(int((found == 0).sum()), COUNT, rate).pvalue > 1e-4
    zero = (found == 0).float()
    for lag in range(1, 9):  # four draws come from one number: they are to be independent
        both = int((zero[:-lag] * zero[lag:]).sum())
        assert binomtest(both, COUNT - lag, rate**2).pvalue > 1e-4


@given(rate=st.floats(0, 1), size=st.integers(0, 9))
def test_any_rate_and_size(rate: float, size: int) -> None:
    values = torch.ones(size, 3, requires_grad=True)
    with sixteen_bit_dropout():
        found = functional.dropout(values, rate)
    found.sum().backward()
    assert found.shape == values.shape
    assert torch.isfinite(found).all()
    # The gradient passes where the value does, as much enlarged.
    assert torch.equal(values.grad, found.detach())
    if rate == 1:
        assert not found.any()


def test_nothing_is_dropped_in_evaluation() -> None:
    values = torch.randn(50)
    with sixteen_bit_dropout():
        assert functional.dropout(values, 0.5, training=False) is values
        assert functional.dropout(values, 0.0) is values
    assert torch.equal(torch.nn.Dropout(0.3).eval()(values), values)


def test_the_same_state_of_the_generator_gives_the_same_mask() -> None:
    values = torch.randn(64, 7)
    state = torch.get_rng_state()
    with sixteen_bit_dropout():
        first, second = functional.dropout(values), functional.dropout(values)
        torch.set_rng_state(state)
        assert torch.equal(functional.dropout(values), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_drops_its_weights_and_changes_nothing_else(
    kind: torch.dtype, *, causal: bool
) -> None:
    query, key = (torch.randn(2, 3, 16, 8, dtype=kind) for _ in range(2))
    looks = None if causal else torch.rand(2, 1, 1, 16) < 0.8
    seen: dict[str, Any] = {"attn_mask": looks, "is_causal": causal}
    value = torch.eye(16, dtype=kind).expand(2, 3, 16, 16)  # so that the weights come out
    weights = functional.scaled_dot_product_attention(query, key, value, **seen)
    with sixteen_bit_dropout():
        dropped = functional.scaled_dot_product_attention(query, key, value, dropout_p=0.25, **seen)
    kept = dropped != 0
    tolerance = 1e-6 if kind == torch.float32 else 0.02
    torch.testing.assert_close(
        dropped[kept], (weights / 0.75)[kept], rtol=tolerance, atol=tolerance
    )
    share = (~kept & (weights > 0)).sum() / (weights > 0).sum()
    assert 0.2 < share < 0.3


def test_other_forms_of_attention_are_left_to_torch() -> None:
    query = torch.randn(1, 2, 4, 8)
    added = torch.zeros(4, 4)
    torch.manual_seed(1)
    theirs = functional.scaled_dot_product_attention(
        query, query, query, attn_mask=added, dropout_p=0.5
    )
    torch.manual_seed(1)
    with sixteen_bit_dropout():
        ours = functional.scaled_dot_product_attention(
            query, query, query, attn_mask=added, dropout_p=0.5
        )
    assert torch.equal(ours, theirs)


def test_gradient_checkpointing_draws_the_same_masks_again() -> None:
    from torch.utils.checkpoint import checkpoint

    layer = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.Dropout(0.5))
    values = torch.randn(9, 6)
    gradients = []
    for around in (layer, lambda x: checkpoint(layer, x, use_reentrant=False)):
        torch.manual_seed(3)
        layer.zero_grad()
        with sixteen_bit_dropout():
            around(values).square().sum().backward()
        gradients.append(layer[0].weight.grad.clone())
    assert torch.equal(*gradients)


def test_a_gpu_and_a_compiled_model_draw_their_own() -> None:
    own = functional.dropout
    for device, compiled, draws in (("cpu", True, own), ("cuda", False, own), ("cpu", False, None)):
        with dropout_of(device, compiled=compiled):
            assert (functional.dropout is own) == (draws is own)
        assert functional.dropout is own


def test_torchs_own_functions_are_back_after_an_error() -> None:
    own = functional.dropout, functional.scaled_dot_product_attention
    with pytest.raises(RuntimeError), sixteen_bit_dropout():
        functional.dropout(torch.ones(3), 0.5) @ torch.ones(4)
    assert (functional.dropout, functional.scaled_dot_product_attention) == own
