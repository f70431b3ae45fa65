"""What the losses promise under noise, by enumeration of all noisy labels rather than by simulation."""

import itertools
import math

import numpy as np
import pytest
import torch

from metastructure.training.losses import (
    BackwardCrossEntropy,
    DeterminantMutualInformation,
    ForwardCrossEntropy,
    IoU,
    Loss,
    parse_loss,
    with_transition,
)
from metastructure.transition import TransitionMatrix

Q = ((0.7, 0.2, 0.1), (0.0, 0.9, 0.1), (0.3, 0.1, 0.6))
Q_MATRIX = torch.tensor(Q, dtype=torch.float64)
LABELS = torch.tensor([[[0, 2, 1, 1]]])


def draw_logits(seed: int, channels: int = 3, pixels: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, 1, pixels, generator=generator, dtype=torch.float64)


def expect(loss: Loss, logits: torch.Tensor, targets: torch.Tensor) -> float:
    """Return the mean over all noisy labels; `targets[m]` is what the loss gets for a pixel with noisy label m."""
    total = 0.0
    for noisy in itertools.product(range(3), repeat=LABELS.shape[2]):
        probability = math.prod(Q[clean][m] for clean, m in zip(LABELS.flatten().tolist(), noisy, strict=True))
        target = targets[list(noisy)]
        total += probability * float(loss(logits, target[None, None] if target.ndim == 1 else target.T[None, :, None]))
    return total


def test_backward_is_unbiased() -> None:
    loss = BackwardCrossEntropy(transition=Q)
    for logits in (draw_logits(0), draw_logits(1)):
        clean = float(parse_loss("cross_entropy")(logits, LABELS))
        assert expect(loss, logits, torch.arange(3)) == pytest.approx(clean, rel=1e-12)
        assert expect(loss, logits, torch.eye(3, dtype=torch.float64)) == pytest.approx(clean, rel=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "gce", "sce", "brier"])
def test_unbiased_targets_keep_linear_losses_unbiased(name: str) -> None:
    """Row m of Q⁻¹ is the unbiased target of noisy label m; Brier keeps a term that no network changes."""
    loss, unbiased = parse_loss(name), torch.linalg.inv(Q_MATRIX)
    assert unbiased.min() < 0
    excess = [
        expect(loss, logits, unbiased) - float(loss(logits, LABELS)) for logits in (draw_logits(0), draw_logits(1))
    ]
    assert excess[0] == pytest.approx(excess[1], abs=1e-12)
    assert (abs(excess[0]) < 1e-12) == (name != "brier")


@pytest.mark.parametrize("name", ["cross_entropy", "gce", "sce", "forward", "backward"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_soft_target_mixes_the_labels(name: str, channels: int) -> None:
    """The loss at t is Σ t_m times that at label m, entries outside [0, 1] included."""
    mixture = [1.8, -0.5, -0.3] if channels == 3 else [-0.6, 1.6]
    loss = with_transition(parse_loss(name), TransitionMatrix(Q if channels == 3 else [[0.9, 0.1], [0.4, 0.6]]))
    logits = draw_logits(0, channels, pixels=1)
    soft = torch.tensor(mixture, dtype=torch.float64).view(1, -1, 1, 1)
    expected = sum(share * float(loss(logits, torch.tensor([[[m]]]))) for m, share in enumerate(mixture))
    assert float(loss(logits, soft)) == pytest.approx(expected, rel=1e-12)


def test_forward_minimiser_is_the_clean_posterior() -> None:
    clean = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    noisy = (Q_MATRIX.T @ clean).view(1, 3, 1, 1)
    loss, logits = ForwardCrossEntropy(transition=Q), clean.log().view(1, 3, 1, 1).requires_grad_()
    least = loss(logits, noisy)
    least.backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-15
    for seed in range(20):
        assert loss(logits + 0.3 * draw_logits(seed, pixels=1), noisy) > least
    biased = noisy.log().requires_grad_()
    loss(biased, noisy).backward()
    assert biased.grad is not None
    assert biased.grad.abs().max() > 1e-2, "the noisy posterior, which cross-entropy would find, is no minimiser here"


def test_past_the_singular_rate_forward_inverts() -> None:
    """80 % of the labels wrong: a noisy 1 speaks for class 0."""
    loss, logits = ForwardCrossEntropy(transition=((0.2, 0.8), (0.8, 0.2))), torch.zeros(1, 1, 1, 1).requires_grad_()
    loss(logits, torch.tensor([[[1]]])).backward()
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(0.3)  # 0.5 · 0.5 · (0.8 - 0.2) / 0.5


def test_a_label_that_q_rules_out_says_nothing() -> None:
    loss = ForwardCrossEntropy(transition=((1.0, 0.0), (1.0, 0.0)))
    logits = torch.tensor([[[[0.3, -2.0]]]], requires_grad=True)
    soft = torch.tensor([[[[0.0, 0.5]], [[1.0, 0.5]]]])
    for target in (torch.tensor([[[1, 1]]]), soft):
        value = loss(logits, target)
        assert value.item() == pytest.approx(0, abs=1e-6)


def test_dmi_changes_by_log_det_q_alone() -> None:
    """A pixel, repeated for each noisy label m with weight Q[y, m], is the mean over the noise."""
    loss = DeterminantMutualInformation(epsilon=1e-6)
    labels = torch.arange(3).expand(3, 3)[None]
    clean_labels = torch.tensor([0, 1, 2])
    for seed in range(3):
        logits = draw_logits(seed, pixels=3)
        clean = loss(logits, clean_labels.view(1, 1, 3))
        repeated = logits.movedim(3, 2).expand(1, 3, 3, 3)  # row: pixel, column: noisy label
        noisy = loss(repeated, labels, Q_MATRIX[clean_labels][None])
        assert (noisy - clean).item() == pytest.approx(-math.log(abs(np.linalg.det(Q))), rel=1e-6)
        soft = Q_MATRIX[clean_labels].T.view(1, 3, 1, 3)
        torch.testing.assert_close(loss(logits, soft), noisy)


def test_dmi_limits() -> None:
    """A perfect prediction costs -Σ log π = -log(1/2 · 1/4 · 1/4); wrong names of classes cost no more."""
    loss = DeterminantMutualInformation()
    labels = torch.tensor([[[0, 0, 1, 2]]])
    perfect = 60.0 * torch.eye(3)[labels].movedim(3, 1)
    assert loss(perfect, labels).item() == pytest.approx(math.log(32), abs=1e-5)  # epsilon² per class
    assert loss(perfect[:, [1, 2, 0]], labels).item() == pytest.approx(math.log(32), abs=1e-5)
    constant = loss(torch.zeros(1, 3, 1, 4), labels)
    assert constant.item() == pytest.approx(
        math.log(32) - math.log(1e-3**2), abs=0.01
    )  # A = 1/3 everywhere: σ = 1, 0, 0


def test_dmi_of_an_absent_class_is_that_of_the_others() -> None:
    """Class 1 absent, p of classes 0 and 2 = (0.6, 0.2) at label 0, (0.3, 0.5) at label 2: det U = 0.24 / 4."""
    p = torch.tensor([[0.6, 0.2, 0.2], [0.3, 0.2, 0.5]], dtype=torch.float64)
    value = DeterminantMutualInformation(epsilon=1e-6)(p.log().T.view(1, 3, 1, 2), torch.tensor([[[0, 2]]]))
    assert value.item() == pytest.approx(-math.log(0.06), rel=1e-9)


def test_iou_of_a_target_far_outside_its_range_stays_finite() -> None:
    """Foreground t = (5, -4), p = (1, 0): the union P + T - I would be 1 + 1 - 5; it is taken as T = 1."""
    target = torch.tensor([[[[-4.0, 5.0]], [[5.0, -4.0]]]])
    value = IoU(background=False)(torch.tensor([[[[60.0, -60.0]]]]), target)
    assert value.item() == pytest.approx(1 - 5 / 1)
