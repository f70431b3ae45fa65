"""Outlines: the rule of pixel centres by hand, traced outlines that fill again to the same pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Polygon
from scipy import ndimage

from metastructure.data.formats.rings import ellipse_ring, fill_rings, join_rings, ring_area, trace_rings

MASKS = arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 8)))


def fill(rings, shape):
    """The whole image."""
    mask, (top, left) = fill_rings(rings, shape)
    whole = np.zeros(shape, bool)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return whole


def distance_to(ring, points):
    """Of each point to the nearest edge."""
    away = np.full(len(points), np.inf)
    for start, edge in zip(ring, np.roll(ring, -1, axis=0) - ring, strict=True):
        along = np.clip((points - start) @ edge / max(edge @ edge, 1e-12), 0, 1)
        away = np.minimum(away, np.hypot(*(points - start - along[:, None] * edge).T))
    return away


def test_an_asymmetric_polygon_by_hand():
    # Corners (row, column): (0.4, 1), (0.4, 4.6), (2.5, 1). The slanted edge crosses the row of centres 0.5 at
    # 4.6 - 3.6 * 0.1 / 2.1 = 4.43 (centres 1.5, 2.5, 3.5), and 1.5 at 4.6 - 3.6 * 1.1 / 2.1 = 2.71 (1.5, 2.5). The row
    # of 2.5 is the lower end, which does not count.
    expected = [[0, 1, 1, 1, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    assert fill([np.array([[0.4, 1], [0.4, 4.6], [2.5, 1]])], (3, 6)).astype(int).tolist() == expected


def test_centres_on_an_edge_belong_to_the_larger_row_and_column():
    square = np.array([[0.5, 1.5], [0.5, 3.5], [2.5, 3.5], [2.5, 1.5]])
    assert np.argwhere(fill([square], (4, 5))).tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]


def test_a_hole_is_a_ring_either_way_round_and_the_border_cuts():
    outer = np.array([[-5, -5], [-5, 3], [9, 3], [9, -5]])
    hole = np.array([[1, 1], [1, 2], [3, 2], [3, 1]])
    for ring in (hole, hole[::-1]):
        assert fill([outer, ring], (4, 5)).astype(int).tolist() == [
            [1, 1, 1, 0, 0],
            [1, 0, 1, 0, 0],
            [1, 0, 1, 0, 0],
            [1, 1, 1, 0, 0],
        ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 9), st.floats(-3, 9)), min_size=3, max_size=6))
def test_against_a_point_in_polygon_of_another_library(corners):
    ring = np.array(corners)
    shape = (6, 5)
    rows, columns = np.indices(shape)
    centres = np.stack([rows.ravel(), columns.ravel()], axis=1) + 0.5
    # matplotlib fills by the non-zero rule, so only rings that do not cross themselves compare: triangles
    triangle = ring[:3]
    inside = Polygon(np.vstack([triangle, triangle[:1]]), closed=True).contains_points(centres).reshape(shape)
    clear = (distance_to(triangle, centres) > 1e-6).reshape(shape)  # ties are tested by hand
    np.testing.assert_array_equal(fill([triangle], shape)[clear], inside[clear])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools 2.0.11
def test_against_the_rasteriser_of_coco():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    areas = np.zeros(3)
    for _ in range(100):
        num = rng.integers(5, 30)
        angle, radius = np.sort(rng.random(num)) * 2 * np.pi, rng.uniform(4, 14, num)
        ring = np.stack([20 + radius * np.sin(angle), 25 + radius * np.cos(angle)], axis=1)
        ours = fill([ring], (40, 50))
        runs = coco.merge(coco.frPyObjects([ring[:, ::-1].ravel().tolist()], 40, 50))
        theirs = coco.decode(runs).astype(bool)
        # it rounds to a fifth of a pixel, 0.1 along either axis, and then steps along the edge
        assert (distance_to(ring, np.argwhere(ours != theirs) + 0.5) < 0.2).all()
        areas += ours.sum(), coco.area(runs), abs(ring_area(ring))
    # about 6 edge pixels of chance in 300 a polygon, of 100 polygons: 0.2 % of the sum
    assert areas[:2] == pytest.approx(areas[2], rel=0.01)


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.floats(0, 6), st.floats(0, 6)), st.tuples(st.floats(0, 6), st.floats(0, 6)))
def test_polygons_with_a_common_edge_share_and_lose_no_pixel(first, second):
    left = np.array([[-1, -1], first, second, [7, -1]])
    right = np.array([[-1, 8], [7, 8], second, first])
    around = np.array([[-1, -1], first, [-1, 8], [7, 8], second, [7, -1]])
    both = fill([left], (6, 6)).astype(int) + fill([right], (6, 6))
    # what the two make together is the outline around both, wherever the common edge runs
    np.testing.assert_array_equal(both % 2, fill([around], (6, 6)))


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_traced_outlines_fill_again_and_have_the_area(mask):
    parts, num = ndimage.label(mask, np.ones((3, 3)))
    for number in range(1, num + 1):
        one = parts == number
        rings = trace_rings(one)
        holes = ndimage.label(np.pad(~one, 1, constant_values=True))[1] - 1
        assert [ring_area(ring) > 0 for ring in rings].count(True) == 1
        assert len(rings) == 1 + holes
        assert sum(map(ring_area, rings)) == one.sum()
        np.testing.assert_array_equal(fill(rings, one.shape), one)
        ordered = sorted(rings, key=ring_area, reverse=True)
        np.testing.assert_array_equal(fill([join_rings(ordered)], one.shape), one)


def test_corners_lie_only_where_the_outline_turns():
    plus = np.array([[0, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]], bool)
    (ring,) = trace_rings(plus)
    assert len(ring) == 12
    assert ring_area(ring) == 6


def test_an_ellipse_has_its_area():
    # pi a b = 3.1416 * 20 * 30 = 1885; a polygon of 754 corners loses 1e-5 of it
    assert ring_area(ellipse_ring((50, 50), (20, 30))) == pytest.approx(np.pi * 600, rel=1e-4)
    assert fill([ellipse_ring((2, 3), (1.2, 2.2))], (4, 6)).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]
