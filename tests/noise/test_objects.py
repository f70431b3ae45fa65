"""Objects: pieces of a class, connected over corners, in row order."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import measure

from metastructure.noise import objects
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


@pytest.mark.parametrize("shape", [(60, 50), (9, 20, 15), (1, 70), (70, 1), (4, 1, 30)])
@pytest.mark.parametrize("background", [False, True])
def test_objects_are_those_of_a_labelled_image(shape, background, monkeypatch):
    monkeypatch.setattr(objects, "PIECE_RUNS", 7)
    rng = generator(0, str(shape))
    label = (rng.integers(0, 4, shape) * (rng.random(shape) < 0.6)).astype(np.uint8)
    label[rng.random(shape) < 0.05] = 255
    known = np.where(label == 255, 0, label.astype(int) + background)
    expected = measure.label(known, background=0, connectivity=label.ndim)
    pieces, classes = number_objects(label, 4, background)
    assert np.array_equal(pieces, expected)
    found = find_objects(label, 4, background)
    assert found.sizes().tolist() == np.bincount(expected.reshape(-1))[1:].tolist()
    for number, (piece, box) in enumerate(zip(found, ndimage.find_objects(expected), strict=True), start=1):
        assert piece.box == box
        assert [slice(*ends) for ends in found.boxes()[number - 1].tolist()] == list(box)
        assert np.array_equal(piece.inside, expected[box] == number)
        assert piece.klass == classes[number] == label[expected == number][0]
        assert piece.centre() == pytest.approx(piece.positions().mean(axis=0), rel=1e-12)  # rounding of the sum


@pytest.mark.parametrize("value", [0, 255])
def test_a_label_without_objects(value):
    label = np.full((3, 4), value, dtype=np.uint8)
    assert len(find_objects(label, 2)) == 0
    assert not number_objects(label, 2)[0].any()
