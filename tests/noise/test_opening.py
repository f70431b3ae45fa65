"""Opening and closing against scipy's binary morphology, and their algebra."""

import numpy as np
import pytest
from scipy import ndimage

from metastructure.noise import Closing, Opening
from metastructure.rng import generator


def disc(radius):
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return rows**2 + columns**2 <= radius**2


@pytest.fixture
def blobs():
    smooth = ndimage.gaussian_filter(generator(3, "", "blobs").standard_normal((70, 60)), 3)
    return (smooth > 0.02).astype(np.uint8)


@pytest.mark.parametrize("radius", [1, 3, 4])
def test_both_equal_scipy_with_an_edge_that_does_not_erode(blobs, radius):
    def eroded(inside):
        return ndimage.binary_erosion(inside, disc(radius), border_value=1)

    def dilated(inside):
        return ndimage.binary_dilation(inside, disc(radius))

    objects = blobs == 1
    assert np.array_equal(Opening(radius_px=radius)(blobs, generator(0)), dilated(eroded(objects)) & objects)
    assert np.array_equal(Closing(radius_px=radius)(blobs, generator(0)), eroded(dilated(objects)) | objects)


def test_ignore_neither_erodes_nor_closes():
    label = np.array([[1, 255, 0, 0, 1, 1, 1, 255, 0, 1]])
    assert np.array_equal(Opening(radius_px=1)(label, generator(0)), [[1, 255, 0, 0, 1, 1, 1, 255, 0, 0]])
    assert np.array_equal(Closing(radius_px=1)(label, generator(0)), [[1, 255, 0, 0, 1, 1, 1, 255, 1, 1]])


@pytest.mark.parametrize(("model", "smaller"), [(Opening, True), (Closing, False)])
def test_they_only_remove_or_only_add_and_twice_is_once(scene, model, smaller):
    once = model(radius_px=3)(scene, generator(0))
    changed = once != scene
    assert ((once if smaller else scene)[changed] == 0).all()
    assert np.array_equal(model(radius_px=3)(once, generator(0)), once)


def test_bands_leave_no_seam(blobs):
    large = np.tile(blobs, (8, 6))
    whole = Opening(radius_px=3)(large, generator(0))
    window = Opening(radius_px=3)(large[300:420], generator(0))
    assert np.array_equal(window[6:-6], whole[306:414])
