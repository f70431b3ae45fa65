"""The rule for the half-width: the blur that clean labels have, seen in noisy ones alone."""

import numpy as np
import pytest

from metastructure.label import IGNORE
from metastructure.noise import corrupt, parse_noise
from metastructure.structure import density
from metastructure.training.half_width import choose_half_width, measure_errors
from metastructure.transition import TransitionMatrix

WIDTHS = (0, 1, 2, 4)


def blobs(scale: int, num: int = 8, classes: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [np.kron(rng.integers(0, classes, (96 // scale,) * 2), np.ones((scale, scale), int)) for _ in range(num)]


def test_clean_by_hand() -> None:
    # One row 0 0 1 with half-width 1: shares of class 1 are 0, 1/3, 1/2; both classes count, so twice the squares.
    blur, variance = measure_errors([np.array([[0, 0, 1]] * 2)], TransitionMatrix.identity(2), [1])
    assert blur[0] == pytest.approx(2 * ((1 / 3) ** 2 + (1 / 2) ** 2) / 3)
    assert variance[0] == 0


@pytest.mark.parametrize("noise", ["flip:0.4", "sample:0.2", "flip:0.9"])
def test_noisy_labels_tell_the_errors(noise: str) -> None:
    model, clean = parse_noise(noise), blobs(12)
    transition = model.transition(3)
    assert transition is not None
    clean[0][:20, :30] = IGNORE
    noisy = [corrupt(label, model, seed=0, item=str(i), num_classes=3) for i, label in enumerate(clean)]
    blur, variance = measure_errors(noisy, transition, WIDTHS)
    expected, _ = measure_errors(clean, TransitionMatrix.identity(3), WIDTHS)
    np.testing.assert_allclose(blur, expected, atol=0.03)
    realised = []
    for h in WIDTHS:
        errors = []
        for before, after in zip(clean, noisy, strict=True):
            undone = np.einsum("mhw,mc->chw", density(after, h, num_classes=3), transition.inverse())
            errors.append(((undone - density(before, h, num_classes=3)) ** 2).sum(0)[before != IGNORE])
        realised.append(np.concatenate(errors).mean())
    np.testing.assert_allclose(variance, realised, rtol=0.05)


def test_choice() -> None:
    """More noise asks for wider windows, finer structure for narrower ones, clean labels for none."""
    rates = [0.0, 0.45, 0.6]
    chosen: list[list[int]] = []
    for scale in (24, 4):
        labels = blobs(scale)
        chosen.append([])
        for rate in rates:
            model = parse_noise(f"flip:{rate}")
            noisy = [corrupt(label, model, seed=0, item=str(i), num_classes=3) for i, label in enumerate(labels)]
            chosen[-1].append(choose_half_width(noisy, TransitionMatrix.symmetric(rate, 3)))
    coarse, fine = chosen
    assert coarse[0] == fine[0] == 0
    assert coarse[0] < coarse[1] < coarse[2]
    assert all(a >= b for a, b in zip(coarse, fine, strict=True))
    assert coarse[2] > fine[2]


def test_small_labels_and_nothing_known() -> None:
    assert choose_half_width([np.array([[0, 1]])], TransitionMatrix.symmetric(0.4, 2)) == 0
    with pytest.raises(ValueError, match="IGNORE"):
        choose_half_width([np.full((4, 4), IGNORE)], TransitionMatrix.identity(2))
