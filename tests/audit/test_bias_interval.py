"""The interval of the boundary bias: resampled images, not the pooled value again."""

import numpy as np
from scipy import ndimage

from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.rng import generator

AWAY = np.hypot(*(np.indices((96, 96)) - 47.5))


def picture(radius_px: float) -> np.ndarray:
    """A blurred disc with some noise."""
    noise = generator(0, str(radius_px), "interval").normal(0, 3, AWAY.shape)
    return 40 + 120 * ndimage.gaussian_filter(np.clip(radius_px - AWAY + 0.5, 0, 1), 1.2) + noise


def width_px(too_far_px: int) -> float:
    """The width of the interval where every second label reaches so far beyond its disc."""
    radii = np.arange(20.0, 28.0)
    labels = [(radius + too_far_px * (i % 2) > AWAY).astype(np.uint8) for i, radius in enumerate(radii)]
    shift = estimate_boundary_bias(map(picture, radii), labels, generator(0), num_resamples=200).shift_px
    return shift.high - shift.low


def test_it_spans_images_that_differ() -> None:
    assert width_px(3) > 1 > 5 * width_px(0)
