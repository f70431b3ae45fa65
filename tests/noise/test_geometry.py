"""Truncated distances against scipy's exact transform, in sweeps and beyond them."""

import numpy as np
import pytest
from scipy import ndimage

from metastructure.noise.geometry import apply_in_bands, is_within, squared_distance
from metastructure.rng import generator


@pytest.mark.parametrize("shape", [(37, 23), (1, 50), (6, 11, 9)])
@pytest.mark.parametrize("limit", [0, 1, 4, 30, 49])
def test_distances_up_to_the_limit_are_exact(shape, limit):
    pixels = generator(limit, str(shape)).random(shape) < 0.02
    pixels.flat[0] = True
    exact = np.rint(ndimage.distance_transform_edt(~pixels) ** 2)
    assert np.array_equal(squared_distance(pixels, limit), np.minimum(exact, limit**2 + 1))


def test_nothing_is_near_nothing():
    assert not is_within(np.zeros((4, 5), dtype=bool), 60).any()
    assert not is_within(np.zeros((4, 5), dtype=bool), 3).any()


def test_half_pixel_radii_reach_the_diagonal_only_when_they_should():
    pixels = np.array([[True, False], [False, False]])
    assert is_within(pixels, 1.4).tolist() == [[True, True], [True, False]]
    assert is_within(pixels, 2**0.5).all()
    row = np.array([[True, False, False, False]])
    assert is_within(row, 1.5).tolist() == [[True, True, False, False]]
    assert is_within(row, 2.9).tolist() == [[True, True, True, False]]


def test_bands_see_the_halo_they_ask_for_and_no_more():
    label = np.arange(700 * 600).reshape(700, 600) % 7
    seen = []

    def shifted_sum(band, first):
        assert np.array_equal(band, label[first : first + len(band)])
        seen.append(len(band))
        return ndimage.convolve1d(band, [1, 1, 1, 1, 1], axis=0, mode="nearest")

    assert np.array_equal(apply_in_bands(shifted_sum, label, 2), shifted_sum(label, 0))
    assert len(seen) > 3
    assert max(seen[:-1]) < 300
