"""Density targets: by hand, their mean over all noisy labels, invariances."""

import itertools

import numpy as np
import pytest
import torch

from metastructure.label import IGNORE
from metastructure.structure import density
from metastructure.training.targets import MAX_OVERSHOOT, DensityTarget
from metastructure.transition import TransitionMatrix

ASYMMETRIC = TransitionMatrix([[0.8, 0.2], [0.3, 0.7]])
THREE = TransitionMatrix([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])


def test_by_hand() -> None:
    # Window of three: shares of class 1 are 1/2, 2/3, 1/2 (the IGNORE pixel does not count, nor gets a target).
    label = torch.tensor([[[1, 0, 1, 255]]])
    target = DensityTarget(2, 1, ASYMMETRIC)(label)
    expected = [(1 / 2 - 0.2) / 0.5, (2 / 3 - 0.2) / 0.5, (1 / 2 - 0.2) / 0.5, 0]
    assert target[0, 1, 0].tolist() == pytest.approx(expected)
    assert target[0, 0, 0, :3].tolist() == pytest.approx([1 - value for value in expected[:3]])
    assert target[0, :, 0, 3].tolist() == [0, 0]


def test_identity_gives_the_density() -> None:
    label = np.random.default_rng(0).integers(0, 3, (9, 13))
    label[2:4, 5:9] = IGNORE
    target = DensityTarget(3, 2, TransitionMatrix.identity(3))(torch.from_numpy(label)[None])
    expected = np.where(label == IGNORE, 0, density(label, 2, num_classes=3))
    np.testing.assert_allclose(target[0], expected, atol=1e-6)


@pytest.mark.parametrize("transition", [ASYMMETRIC, THREE])
def test_unbiased(transition: TransitionMatrix) -> None:
    """Over all noisy labels of a small clean one, weighted by their probability, the mean is the clean density."""
    C = transition.num_classes
    clean = np.array([[0, 1, C - 1], [1, 1, 0]])
    make = DensityTarget(C, 1, transition)
    mean = np.zeros((C, *clean.shape))
    for flat in itertools.product(range(C), repeat=clean.size):
        noisy = np.reshape(flat, clean.shape)
        probability = transition.rows[clean, noisy].prod()
        mean += probability * make(torch.from_numpy(noisy)[None])[0].numpy()
    np.testing.assert_allclose(mean, density(clean, 1, num_classes=C), atol=1e-5)


def test_half_width_zero_is_the_inverse_row() -> None:
    label = torch.tensor([[[0, 1, 2]]])
    target = DensityTarget(3, 0, THREE)(label)
    np.testing.assert_allclose(target[0, :, 0].T, THREE.inverse(), rtol=1e-5)


def test_classes_and_axes_may_be_exchanged() -> None:
    label = torch.randint(0, 3, (2, 8, 11), generator=torch.Generator().manual_seed(0))
    order = np.array([2, 0, 1])
    renamed = TransitionMatrix(THREE.rows[np.ix_(np.argsort(order), np.argsort(order))])
    target = DensityTarget(3, 2, THREE)(label)
    after = DensityTarget(3, 2, renamed)(torch.from_numpy(order)[label])
    torch.testing.assert_close(after[:, torch.from_numpy(order)], target)
    torch.testing.assert_close(DensityTarget(3, 2, THREE)(label.mT.flip(1)), target.mT.flip(2))


def test_overshoot_is_clipped() -> None:
    nearly_singular = TransitionMatrix.symmetric(0.49, 2)
    target = DensityTarget(2, 0, nearly_singular)(torch.tensor([[[0, 1]]]))
    assert target[0, 1, 0].tolist() == [-MAX_OVERSHOOT, 1 + MAX_OVERSHOOT]


def test_bad_transitions() -> None:
    with pytest.raises(ValueError, match="singular"):
        DensityTarget(2, 1, TransitionMatrix.symmetric(0.5, 2))
    with pytest.raises(ValueError, match="2 classes, the labels 3"):
        DensityTarget(3, 1, ASYMMETRIC)
