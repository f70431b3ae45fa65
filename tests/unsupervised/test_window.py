"""Means with a Gaussian window by the cosine transform, against scipy's own loop."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from metastructure.unsupervised.window import GaussianWindow


@pytest.mark.parametrize("shape", [(7, 30), (64, 45), (1, 20), (1, 1)])
@pytest.mark.parametrize("scale_px", [1.7, 8.0, 40.0])
def test_the_window_is_that_of_scipy(shape: tuple[int, int], scale_px: float) -> None:
    values = np.random.default_rng(3).normal(size=shape)
    values[0, 0] = 50  # so that a mistake at the edges shows
    expected = gaussian_filter(values, scale_px, truncate=8)
    np.testing.assert_allclose(GaussianWindow(shape, scale_px)(values), expected, atol=1e-4)


def test_what_is_constant_stays_and_what_is_given_is_not_written_to() -> None:
    values = np.full((9, 14), 2.5, dtype=np.float32)
    mean = GaussianWindow((9, 14), 3)(values)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, 2.5, rtol=1e-6)
    assert (values == 2.5).all()
    assert GaussianWindow((9, 14), 3)(values > 2).shape == (9, 14)
