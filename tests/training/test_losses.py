"""Losses by hand, with IGNORE, and every registered loss under one contract."""

import math

import pytest
import torch

from metastructure.label import IGNORE
from metastructure.training.losses import LOSSES, cross_entropy


def test_two_classes_by_hand() -> None:
    logits = torch.tensor([[[[0.0, 2.0], [-1.0, 9.0]]]])
    labels = torch.tensor([[[1, 0], [1, IGNORE]]])
    expected = (math.log(2) + math.log(1 + math.exp(2)) + math.log(1 + math.exp(1))) / 3
    assert cross_entropy(logits, labels).item() == pytest.approx(expected, rel=1e-6)


def test_three_classes_by_hand() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    labels = torch.tensor([[[2, IGNORE]]])
    expected = math.log(1 + math.exp(1) + math.exp(2)) - 2
    assert cross_entropy(logits, labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("channels", [1, 4])
def test_contract(name: str, channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, channels, 5, 7, generator=generator, requires_grad=True)
    labels = torch.randint(max(2, channels), (2, 5, 7), generator=generator)
    labels[0, :2] = IGNORE
    loss = LOSSES[name](logits, labels)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[0, :, :2].any(), "IGNORE must not move anything"
    assert logits.grad[1].any()

    changed = logits.detach().clone()
    changed[0, :, :2] = 100.0
    assert LOSSES[name](changed, labels).item() == pytest.approx(loss.item())
    assert LOSSES[name](logits, torch.full_like(labels, IGNORE)).item() == 0

    better = logits.detach().clone()
    target = labels.where(labels != IGNORE, 0)
    if channels == 1:
        better[:, 0] += 3.0 * (2 * target - 1)
    else:
        better += 3.0 * torch.nn.functional.one_hot(target, channels).permute(0, 3, 1, 2)
    assert LOSSES[name](better, labels) < loss
