"""Weak annotation: what is kept, where, and what the rest becomes."""

import numpy as np
import pytest

from metastructure.noise import Boxes, Discs, Points, Scribbles
from metastructure.noise.objects import find_objects
from metastructure.rng import generator


@pytest.mark.parametrize("per_object", [1, 4])
def test_every_object_and_piece_of_background_gets_its_points(scene, per_object):
    noisy = Points(per_object=per_object)(scene, generator(0))
    assert ((noisy == scene) | (noisy == 255)).all()
    for piece in find_objects(scene, 3, background=True):
        assert (noisy[piece.box][piece.inside] != 255).sum() == min(per_object, piece.inside.sum())


def test_points_on_background_are_the_objects_only(scene):
    noisy = Points(fill="background")(scene, generator(0))
    assert np.count_nonzero((noisy > 0) & (noisy < 255)) == len(find_objects(scene, 3))
    assert ((noisy == scene) | (noisy == 0)).all()


def test_points_are_drawn_evenly():
    label = np.ones((3, 3), dtype=np.uint8)
    hits = sum((Points()(label, generator(seed)) == 1).astype(int) for seed in range(900))
    assert np.abs(hits - 100).max() < 48  # standard deviation 9.4


def test_strokes_have_their_width_and_stay_inside():
    label = np.zeros((40, 60), dtype=np.uint8)
    label[10:30, 5:55] = 1
    for width in (1, 3, 7):
        noisy = Scribbles(width_px=width, fill="background")(label, generator(0))
        assert set(noisy[:, 25:35].sum(axis=0)) == {width}
        assert (noisy[label == 0] == 0).all()
    assert (Scribbles(width_px=99, fill="background")(label, generator(0)) == label).all()


def test_background_is_scribbled_when_the_rest_is_ignored(scene):
    noisy = Scribbles(width_px=1)(scene, generator(0))
    assert {0, 1, 2, 255} == set(np.unique(noisy))
    assert ((noisy == scene) | (noisy == 255)).all()


def test_boxes_by_hand_smaller_on_top():
    label = np.zeros((6, 7), dtype=np.uint8)
    label[0, 0:5] = label[0:5, 0] = 1  # an L whose box is 5 x 5
    label[2, 3] = 2
    noisy = Boxes()(label, generator(0))
    expected = np.zeros((6, 7), dtype=np.uint8)
    expected[:5, :5] = 1
    expected[2, 3] = 2
    assert np.array_equal(noisy, expected)


def test_discs_sit_on_the_centres():
    label = np.zeros((20, 30), dtype=np.uint8)
    label[8:13, 4:9] = 2  # centre (10, 6)
    noisy = Discs(radius_px=3)(label, generator(0))
    rows, columns = np.mgrid[:20, :30]
    assert np.array_equal(noisy == 2, (rows - 10) ** 2 + (columns - 6) ** 2 <= 9)


def test_balls_in_volumes_and_discs_cut_by_the_edge():
    volume = np.zeros((9, 9, 9), dtype=np.uint8)
    volume[4, 4, 4] = 1
    assert Discs(radius_px=2)(volume, generator(0)).sum() == 33  # lattice points of a ball of radius 2
    corner = np.zeros((9, 9), dtype=np.uint8)
    corner[0, 0] = 1
    assert Discs(radius_px=2)(corner, generator(0)).sum() == 6  # a quarter of 13, axes included
