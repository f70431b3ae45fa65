"""The Gaussian field: mean 0, variance 1 at every pixel, the stated correlation, the same rows in any band."""

import numpy as np
import pytest

from metastructure.noise.field import simulate_field
from metastructure.rng import generator


@pytest.fixture(scope="module")
def fields():
    return np.stack([simulate_field((40, 30), 6.0, generator(seed)).rows(0, 40) for seed in range(2000)])


def test_every_pixel_is_standard_normal(fields):
    # 2000 fields: standard error 0.022 of the mean and 0.032 of the variance; 6 of them over 1200 pixels
    assert np.abs(fields.mean(axis=0)).max() < 0.14
    assert np.abs(fields.var(axis=0) - 1).max() < 0.2
    assert abs(fields.var() - 1) < 0.01
    assert abs((fields**4).mean() - 3) < 0.15


@pytest.mark.parametrize("lag", [0, 3, 6, 12, 24])
def test_correlation_is_gaussian(fields, lag):
    expected = np.exp(-(lag**2) / (2 * 6.0**2))
    down = (fields[:, : 40 - lag] * fields[:, lag:]).mean()
    across = (fields[:, :, : 30 - lag] * fields[:, :, lag:]).mean()
    assert down == pytest.approx(expected, abs=0.02)
    assert across == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("shape", [(50, 37), (9, 20, 13), (1, 1)])
def test_bands_are_rows_of_the_whole(shape):
    field = simulate_field(shape, 4.0, generator(0))
    whole = field.rows(0, shape[0])
    assert whole.shape == shape
    assert whole.dtype == np.float32
    middle = shape[0] // 2
    assert np.array_equal(np.concatenate([field.rows(0, middle), field.rows(middle, shape[0])]), whole)
