"""Polygons: exact at no tolerance, within it otherwise, holes and slices kept."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from metastructure.noise import PolygonSimplification
from metastructure.noise.polygon import simplify_line
from metastructure.rng import generator


def simplify(label, tolerance):
    return PolygonSimplification(tolerance_px=tolerance)(label, generator(0))


def test_tiny_tolerance_changes_nothing(scene):
    assert np.array_equal(simplify(scene, 1e-6), scene)
    speckles = (generator(0, "", "speckles").random((40, 40)) < 0.3).astype(np.uint8)
    assert np.array_equal(simplify(speckles, 1e-6), speckles)


@pytest.mark.parametrize("tolerance", [1.0, 2.0, 4.0])
def test_changed_pixels_are_near_the_outline(tolerance):
    rows, columns = np.mgrid[:80, :80]
    label = (np.hypot(rows - 40, columns - 40) <= 25 + 4 * np.sin(5 * np.arctan2(rows - 40, columns - 40))).astype(int)
    noisy = simplify(label, tolerance)
    changed = noisy != label
    edge = label != ndimage.grey_erosion(label, 3)
    assert changed.any()
    # the outline runs half a pixel off the pixel centres, on both sides
    assert ndimage.distance_transform_edt(~edge)[changed].max() <= tolerance + 1.5


def test_more_tolerance_leaves_fewer_corners():
    rows, columns = np.mgrid[:61, :61]
    label = (np.hypot(rows - 30, columns - 30) <= 25).astype(np.uint8)
    areas = [int(simplify(label, tolerance).sum()) for tolerance in (0.5, 2, 8)]
    # an inscribed polygon loses area; a square inscribed into the circle keeps 2 / pi of it
    assert areas[0] > areas[1] > areas[2] > 0.55 * label.sum()


def test_holes_stay_holes():
    label = np.zeros((40, 40), dtype=np.uint8)
    label[5:35, 5:35] = 2
    label[15:25, 15:25] = 0
    noisy = simplify(label, 1.5)
    assert noisy[20, 20] == 0
    assert np.array_equal(noisy[18:22, 7:13], label[18:22, 7:13])


def test_small_objects_and_other_objects_survive():
    label = np.array([[0, 1, 2, 0], [0, 0, 2, 0], [0, 0, 0, 0]])
    assert np.array_equal(simplify(label, 5), label)


def test_volumes_are_drawn_slice_by_slice(scene):
    volume = np.stack([scene, scene[::-1]])
    noisy = simplify(volume, 2.0)
    assert np.array_equal(noisy[0], simplify(scene, 2.0))
    assert np.array_equal(noisy[1], simplify(scene[::-1], 2.0))


@pytest.mark.parametrize("tolerance", [0.3, 1.0, 3.0, 50.0])
def test_corners_are_those_of_scikit_image(tolerance):
    smooth = ndimage.gaussian_filter(generator(1, "", "outlines").standard_normal((80, 80)), 4)
    outlines = find_contours(smooth, 0.01)  # open and closed ones
    assert len(outlines) > 4
    for outline in outlines:
        assert np.array_equal(simplify_line(outline, tolerance), approximate_polygon(outline, tolerance))
