"""Omission and inclusion act on whole objects, at the stated rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from metastructure.noise import Inclusion, Omission
from metastructure.noise.objects import find_objects
from metastructure.rng import generator


def grid_of_objects(num_rows=10, num_columns=10, pitch=9):
    label = np.zeros((num_rows * pitch, num_columns * pitch), dtype=np.uint8)
    for row in range(num_rows):
        for column in range(num_columns):
            label[row * pitch + 2 : row * pitch + 5, column * pitch + 2 : column * pitch + 6] = 1 + column % 2
    return label


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.floats(0, 1), st.integers(0, 99))
def test_objects_are_omitted_whole_or_not_at_all(rate, seed):
    label = (generator(seed, "", "speckles").random((30, 30)) < 0.15).astype(np.uint8)
    noisy = Omission(rate=rate)(label, generator(seed))
    for piece in find_objects(label, 2):
        values = np.unique(noisy[piece.box][piece.inside])
        assert values.tolist() in ([0], [1])
    assert (noisy[label == 0] == 0).all()


def test_omission_has_the_stated_rate():
    label = grid_of_objects()
    left = sum(len(find_objects(Omission(rate=0.3)(label, generator(seed)), 3)) for seed in range(40))
    assert binomtest(4000 - left, 4000, 0.3).pvalue > 1e-3


def test_copies_are_exact_and_lie_on_background():
    label = np.zeros((80, 80), dtype=np.uint8)
    label[10:14, 10:15] = 2
    label[11, 12] = 0
    label[40:43, 40] = 1
    noisy = Inclusion(rate=1)(label, generator(0))
    assert np.array_equal(noisy[label > 0], label[label > 0])
    shapes = [(piece.klass, piece.inside.tobytes()) for piece in find_objects(noisy, 3)]
    assert sorted(shapes) == sorted(2 * [(p.klass, p.inside.tobytes()) for p in find_objects(label, 3)])


def test_copies_never_cover_an_object_or_each_other():
    label = grid_of_objects(5, 5)
    noisy = Inclusion(rate=1)(label, generator(0))
    assert np.array_equal(noisy[label > 0], label[label > 0])
    added = np.bincount(noisy[label == 0], minlength=3)[1:]
    assert (added % 12 == 0).all()  # whole copies of 3 x 4 pixels
    assert added.sum() >= 12


def test_inclusion_has_the_stated_rate():
    label = np.zeros((60, 60), dtype=np.uint8)
    label[3, 3] = 1
    added = sum(int(Inclusion(rate=0.4)(label, generator(seed)).sum()) - 1 for seed in range(500))
    assert binomtest(added, 500, 0.4).pvalue > 1e-3


@pytest.mark.parametrize("model", [Omission(rate=1), Inclusion(rate=1)])
def test_no_room_or_no_object_leaves_the_image_unchanged(model):
    empty = np.zeros((5, 5), dtype=np.uint8)
    assert np.array_equal(model(empty, generator(0)), empty)
    full = np.ones((5, 5), dtype=np.uint8)
    assert np.array_equal(Inclusion(rate=1)(full, generator(0)), full)
