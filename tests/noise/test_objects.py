"""Objects: pieces of a class, connected over corners, in row order."""

import numpy as np
import pytest

from metastructure.noise.objects import find_objects, number_objects
from metastructure.rng import generator


def test_corners_connect_and_classes_separate():
    label = np.array([[1, 0, 2, 2], [0, 1, 1, 255], [2, 0, 0, 255]])
    found = [(piece.klass, piece.positions().tolist()) for piece in find_objects(label, 3)]
    assert found == [(1, [[0, 0], [1, 1], [1, 2]]), (2, [[0, 2], [0, 3]]), (2, [[2, 0]])]


def test_background_pieces_on_request():
    label = np.array([[0, 1, 0], [0, 1, 255]])
    assert [piece.klass for piece in find_objects(label, 2)] == [1]
    assert [(p.klass, int(p.inside.sum())) for p in find_objects(label, 2, background=True)] == [(0, 2), (1, 2), (0, 1)]


def test_centres_and_numbers_in_volumes():
    volume = np.zeros((3, 4, 5), dtype=np.uint8)
    volume[1:3, 1, 2:4] = 1
    (piece,) = find_objects(volume, 2)
    assert piece.centre().tolist() == [1.5, 1.0, 2.5]
    pieces, classes = number_objects(volume, 2)
    assert classes.tolist() == [0, 1]
    assert np.array_equal(pieces, volume)


@pytest.mark.parametrize("shape", [(60, 50), (9, 20, 15)])
def test_two_classes_are_numbered_as_more_are(shape):
    label = (generator(0, str(shape)).random(shape) < 0.2).astype(np.uint8)
    pieces, classes = number_objects(label, 2)
    expected, expected_classes = number_objects(label, 3)
    assert np.array_equal(pieces, expected)
    assert np.array_equal(classes, expected_classes)
