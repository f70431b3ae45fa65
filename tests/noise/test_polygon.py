"""Polygons: exact at no tolerance, within it otherwise, holes and slices kept."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import ndimage
from skimage import draw
from skimage.measure import approximate_polygon, find_contours

from metastructure.noise import PolygonSimplification, polygon
from metastructure.noise.objects import find_objects
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


def outline_corners(outline, tolerance):
    """Douglas and Peucker in whole numbers and fractions, one span at a time."""
    points = [(int(2 * row), int(2 * column)) for row, column in outline]
    kept, spans = {0, len(points) - 1}, [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        (row, column), (end_row, end_column) = points[first], points[last]
        down, right = end_row - row, end_column - column
        best, middle = Fraction(-1), 0
        for between in range(first + 1, last):
            off_down, off_right = points[between][0] - row, points[between][1] - column
            square = down**2 + right**2
            share = min(max(Fraction(off_down * down + off_right * right, square), 0), 1) if square else Fraction(0)
            distance = (off_down - share * down) ** 2 + (off_right - share * right) ** 2
            if distance > best:
                best, middle = distance, between
        if best > Fraction(2 * tolerance) ** 2:
            kept.add(middle)
            spans += [(first, middle), (middle, last)]
    return outline[sorted(kept)]


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_all_objects_at_once_are_as_one_by_one(tolerance, smooth, monkeypatch):
    rng = generator(0, f"{smooth}", "one by one")
    field = ndimage.gaussian_filter(rng.standard_normal((45, 38)), smooth)
    label = np.digitize(field, np.quantile(field, [0.5, 0.7, 0.85])).astype(np.uint8)
    label[rng.random(label.shape) < 0.02] = 255
    expected = np.zeros_like(label)
    for piece in find_objects(label, 4):
        covered = np.zeros((piece.inside.shape[0] + 2, piece.inside.shape[1] + 2), dtype=bool)
        for outline in find_contours(np.pad(piece.inside, 1), 0.5, fully_connected="high"):
            corners = outline_corners(outline, tolerance)
            covered[draw.polygon(*(corners if len(corners) >= 4 else outline).T, covered.shape)] ^= True
        free = expected[piece.box] == 0
        expected[piece.box][free & covered[1:-1, 1:-1]] = piece.klass
    expected[label == 255] = 255
    assert np.array_equal(simplify(label, tolerance), expected)
    monkeypatch.setattr(polygon, "BATCH_RUNS", 20)
    monkeypatch.setattr(polygon, "BAND_PIXELS", 9)
    assert np.array_equal(simplify(label, tolerance), expected)
