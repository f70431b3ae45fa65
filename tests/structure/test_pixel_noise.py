"""The variance of pixels drawn one by one, from their neighbours: definition, thin objects beside IGNORE, weights."""

from itertools import product

import numpy as np
import pytest

from metastructure.rng import generator
from metastructure.structure import density
from metastructure.structure.moments import Moments, image_moments, pool
from metastructure.structure.pixel_noise import estimate_pixel_noise
from metastructure.structure.windows import WINDOWS

IGNORE = 255


def _slow(label: np.ndarray, weights: np.ndarray, num_classes: int) -> tuple[np.ndarray, float]:
    """Return the weighted sum of the estimate of each pixel alone, and the weight of those that have one."""
    unit = np.vstack([np.eye(num_classes), np.zeros((256 - num_classes, num_classes))])
    height, width = label.shape
    total, weight = np.zeros((num_classes, num_classes)), 0.0
    for row, column in product(range(height), range(width)):
        found = []
        for top, left in product((row - 1, row), (column - 1, column)):
            block = label[max(top, 0) : top + 2, max(left, 0) : left + 2]
            if top >= 0 and left >= 0 and block.shape == (2, 2) and (block != IGNORE).all():
                d = unit[block[0, 0]] - unit[block[0, 1]] - unit[block[1, 0]] + unit[block[1, 1]]
                found.append(np.outer(d, d) / 4)
        if not found and label[row, column] != IGNORE:
            for other in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                inside = 0 <= other[0] < height and 0 <= other[1] < width
                if inside and label[other] != IGNORE:
                    d = unit[label[row, column]] - unit[label[other]]
                    found.append(np.outer(d, d) / 2)
        if found:
            total, weight = total + weights[row, column] * np.mean(found, axis=0), weight + weights[row, column]
    return total, weight


@pytest.mark.parametrize("ignored", [0.0, 0.15, 0.6])
def test_equals_the_definition(ignored: float) -> None:
    rng = generator(0, str(ignored), "pixel noise")
    label = rng.integers(0, 3, (11, 14))
    label[rng.random(label.shape) < ignored] = IGNORE
    weights = rng.random(label.shape)
    got = estimate_pixel_noise(label, weights, 3)
    total, weight = _slow(label, weights, 3)
    np.testing.assert_allclose(got.covariance, total, atol=1e-12)
    assert got.weight == pytest.approx(weight, abs=1e-12)


def test_by_hand_a_pixel_beside_a_block() -> None:
    # the block 0 1 / 1 1 has d = (1, -1), 1/4 of its square for each of four pixels; the pixel to the right of the gap
    # has one neighbour, of another class: half the square of (1, -1); the one in the corner has none
    label = np.array(
        [[0, 1, IGNORE, 0], [1, 1, IGNORE, 1], [IGNORE, IGNORE, IGNORE, IGNORE], [IGNORE, 1, IGNORE, IGNORE]]
    )
    weights = np.zeros(label.shape)
    weights[:2, :2], weights[0, 3], weights[3, 1] = 1, 10, 100
    got = estimate_pixel_noise(label, weights, 2)
    np.testing.assert_allclose(got.covariance, (4 / 4 + 10 / 2) * np.array([[1, -1], [-1, 1]]))
    assert (got.weight, got.squared_weight) == (14, 16 + 100)


def test_is_the_covariance_of_pixel_noise() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    label = generator(0, "", "pixels").choice(3, (600, 600), p=shares)
    got = estimate_pixel_noise(label, np.ones(label.shape), 3)
    # 360 000 pixels know a variance to about 0.3 %
    np.testing.assert_allclose(got.covariance / got.weight, np.diag(shares) - np.outer(shares, shares), atol=2e-3)
    assert got.weight**2 / got.squared_weight == pytest.approx(599**2, rel=0.01)  # as many blocks of equal weight


def test_straight_boundaries_cancel_and_slanted_ones_do_not() -> None:
    rows, columns = np.indices((20, 20))
    assert not estimate_pixel_noise((columns >= 9).astype(int), np.ones((20, 20)), 2).covariance.any()
    assert estimate_pixel_noise((columns > rows).astype(int), np.ones((20, 20)), 2).covariance[0, 0] > 0


def _thin_objects(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where pixels are known and their chance of class 1: quiet ground above, noisy stripes of 1 and 2 below."""
    known, chance = np.zeros((side, side), dtype=bool), np.full((side, side), 0.05)
    known[: side // 2] = True
    for start, width in ((3, 1), (9, 2), (15, 1), (22, 2), (30, 1)):
        known[side // 2 :, start : start + width] = True
    chance[side // 2 :] = 0.5
    return known, chance


@pytest.mark.parametrize("window", ["box", "disc", "gaussian"])
def test_noise_that_goes_with_the_number_of_known_pixels(window: str) -> None:
    """The estimate is the mean over windows of Σ w² V / (Σ w)², V differing from pixel to pixel."""
    known, chance = _thin_objects(36)
    kind, rng = WINDOWS[window], generator(0, window, "thin objects")
    weight = np.asarray(kind.sums(kind.prepare(known), 3), dtype=float)
    kernel = kind.kernel(3) ** 2
    reach = kernel.shape[0] // 2
    variance = np.pad(np.where(known, chance * (1 - chance), 0), reach)
    above = np.lib.stride_tricks.sliding_window_view(variance, kernel.shape)
    squares = np.einsum("hwij,ij->hw", above, kernel)
    seen = weight > 0
    expected = (squares[seen] / weight[seen] ** 2).mean()
    moments: list[Moments] = []
    for _ in range(60):
        noisy = np.where(known, rng.random(known.shape) < chance, IGNORE).astype(np.uint8)
        moments += image_moments(noisy, noisy, [3], window, 2)  # type: ignore[arg-type]
    got = pool(moments).sampling_covariance()
    # 60 images of 200 thin pixels know their variance to 2 %; a plain mean over the 2 x 2 blocks would be 40 % low
    np.testing.assert_allclose(got, expected * np.array([[1, -1], [-1, 1]]), rtol=0.06)
    # and it is what the densities do: their variance from draw to draw
    draws = []
    for _ in range(200):
        noisy = np.where(known, rng.random(known.shape) < chance, IGNORE).astype(np.uint8)
        draws.append(density(noisy, 3, window, 2)[1][seen])  # type: ignore[arg-type]
    assert np.var(draws, axis=0, ddof=1).mean() == pytest.approx(expected, rel=0.05)


def test_turns_and_class_names_do_not_matter() -> None:
    rng = generator(0, "", "turned noise")
    label = rng.integers(0, 3, (12, 15))
    label[rng.random(label.shape) < 0.4] = IGNORE
    weights = rng.random(label.shape)
    before = estimate_pixel_noise(label, weights, 3)
    for one, other in ((label.T, weights.T), (label[::-1], weights[::-1]), (label[:, ::-1], weights[:, ::-1])):
        np.testing.assert_allclose(estimate_pixel_noise(one, other, 3).covariance, before.covariance, atol=1e-12)
    order = np.array([2, 0, 1])
    renamed = np.where(label == IGNORE, IGNORE, order[np.minimum(label, 2)])
    after = estimate_pixel_noise(renamed, weights, 3).covariance
    np.testing.assert_allclose(after[np.ix_(order, order)], before.covariance, atol=1e-12)


def test_pixels_without_neighbours_have_no_estimate() -> None:
    label = np.full((9, 9), IGNORE)
    label[::2, ::2] = np.arange(25).reshape(5, 5) % 2
    got = estimate_pixel_noise(label, np.ones((9, 9)), 2)
    assert (got.weight, got.squared_weight) == (0, 0)
    assert not got.covariance.any()
