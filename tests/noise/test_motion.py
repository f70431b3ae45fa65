"""Moved and turned objects: rigid, each on its own, of the stated spread."""

import numpy as np
import pytest

from metastructure.noise import Displacement, Rotation, motion
from metastructure.noise.motion import rotate_object
from metastructure.noise.objects import find_objects
from metastructure.rng import generator


def test_objects_keep_their_shape_and_move_apart():
    label = np.zeros((90, 90), dtype=np.uint8)
    label[20:25, 20:28] = 1
    label[22, 30] = 1
    label[60:64, 60:62] = 2
    noisy = Displacement(spread_px=3)(label, generator(2))
    before, after = find_objects(label, 3), find_objects(noisy, 3)
    shapes = sorted((piece.klass, piece.inside.tobytes()) for piece in after)
    assert shapes == sorted((piece.klass, piece.inside.tobytes()) for piece in before)
    shifts = {tuple(b.centre() - a.centre()) for a, b in zip(before, after, strict=True)}
    assert len(shifts) == 3


def test_shifts_have_the_stated_spread():
    label = np.zeros((61, 61), dtype=np.uint8)
    label[30, 30] = 1
    ends = np.array([np.argwhere(Displacement(spread_px=4)(label, generator(seed)))[0] for seed in range(600)]) - 30
    # 600 shifts: standard error 0.16 of the mean, 0.12 of the deviation
    assert np.abs(ends.mean(axis=0)).max() < 0.8
    assert ends.std(axis=0) == pytest.approx([4, 4], abs=0.6)


def test_what_leaves_the_image_is_lost():
    label = np.ones((3, 3), dtype=np.uint8)
    sizes = {int(Displacement(spread_px=2)(label, generator(seed)).sum()) for seed in range(30)}
    assert min(sizes) < 9 == max(sizes)


def turned_positions(piece, angle, shape):
    picture = np.zeros(shape, dtype=bool)
    for box, hit in rotate_object(piece, angle, shape):
        picture[box] |= hit
    return np.argwhere(picture)


@pytest.mark.parametrize("shape", [(9, 9), (3, 9, 9)])
def test_half_turns_are_exact(shape):
    label = np.zeros(shape, dtype=np.uint8)
    label[..., 2, 2:7] = 1
    label[..., 3:7, 2] = 1
    label[..., 6, 6] = 1
    label[..., 4, 4] = 1
    label[..., 5, 5] = label[..., 3, 3] = 1
    piece = find_objects(label, 2)[0]
    # the centre lies off the grid, so only half turns and none map the grid onto itself
    for turns in (0, 2):
        turned = turned_positions(piece, turns * np.pi / 2, shape)
        picture = np.zeros(piece.inside.shape, dtype=bool)
        picture[tuple((turned - turned.min(axis=0)).T)] = True
        assert np.array_equal(picture, np.rot90(piece.inside, turns, axes=(-2, -1)))


def test_no_angle_is_no_change_and_area_nearly_stays():
    rows, columns = np.mgrid[:60, :60]
    label = (((rows - 30) / 20) ** 2 + ((columns - 30) / 8) ** 2 <= 1).astype(np.uint8)
    piece = find_objects(label, 2)[0]
    assert len(turned_positions(piece, 0.0, label.shape)) == label.sum()
    for angle in (0.3, 1.0, np.pi / 2):
        assert len(turned_positions(piece, angle, label.shape)) == pytest.approx(int(label.sum()), rel=0.03)


def test_a_positive_angle_turns_rows_towards_columns():
    label = np.zeros((41, 41), dtype=np.uint8)
    label[20:40, 20] = 1  # points down from its upper end
    piece = find_objects(label, 2)[0]
    turned = turned_positions(piece, np.deg2rad(30), label.shape)
    lower = turned[turned[:, 0] > piece.centre()[0]]
    assert lower[:, 1].mean() > 20


def test_every_object_has_its_own_angle():
    label = np.zeros((60, 60), dtype=np.uint8)
    label[10:12, 5:25] = 1
    label[40:42, 5:25] = 1
    noisy = Rotation(spread_degrees=25)(label, generator(1))
    slopes = [np.polyfit(*piece.positions().T[::-1], 1)[0] for piece in find_objects(noisy, 2)]
    assert len(slopes) == 2
    assert abs(slopes[0] - slopes[1]) > 0.05


def test_bands_of_a_large_object_fit_together(monkeypatch):
    label = np.zeros((50, 40), dtype=np.uint8)
    label[5:45, 10:25] = 1
    whole = Rotation(spread_degrees=30)(label, generator(3))
    monkeypatch.setattr(motion, "BAND_PIXELS", 1)
    assert np.array_equal(Rotation(spread_degrees=30)(label, generator(3)), whole)
