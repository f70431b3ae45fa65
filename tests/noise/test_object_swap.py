"""Class swaps: per object, by the row of its clean class."""

import numpy as np
import pytest
from scipy.stats import chisquare

from metastructure.noise import ObjectSwap
from metastructure.rng import generator

ROWS = ((1.0, 0.0, 0.0), (0.2, 0.5, 0.3), (0.0, 0.25, 0.75))


def rows_of_objects(klass, num):
    label = np.zeros((2 * num, 3), dtype=np.uint8)
    label[::2, :2] = klass
    return label


@pytest.mark.parametrize("klass", [1, 2])
def test_objects_follow_the_row_of_their_class_as_a_whole(klass):
    noisy = ObjectSwap(confusion=ROWS)(rows_of_objects(klass, 3000), generator(0), 3)
    assert np.array_equal(noisy[::2, 0], noisy[::2, 1])
    assert (noisy[1::2] == 0).all()
    counts, row = np.bincount(noisy[::2, 0], minlength=3), np.array(ROWS[klass])
    assert counts[row == 0].sum() == 0
    assert chisquare(counts[row > 0], 3000 * row[row > 0]).pvalue > 1e-3


def test_a_rate_never_turns_an_object_into_background():
    noisy = ObjectSwap(confusion=0.6)(rows_of_objects(3, 3000), generator(0), 4)
    assert chisquare(np.bincount(noisy[::2, 0])[1:], 3000 * np.array([0.3, 0.3, 0.4])).pvalue > 1e-3
    assert ObjectSwap(confusion=0.6).transition(4).rows[0].tolist() == [1, 0, 0, 0]


def test_too_few_classes_are_refused():
    with pytest.raises(ValueError, match="at least two object classes; the labels have 1"):
        ObjectSwap(confusion=0.5)(np.array([[0, 1]]), generator(0))
    with pytest.raises(ValueError, match="3 rows but the labels have 4 classes"):
        ObjectSwap(confusion=ROWS)(np.array([[0, 3]]), generator(0))
