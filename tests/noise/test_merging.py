"""Merging: who is a pair, what is filled, which class wins."""

import numpy as np
import pytest
from scipy.stats import binomtest

from metastructure.noise import Merging
from metastructure.rng import generator


def merge(label, gap, rate=1.0, seed=0):
    return Merging(gap_px=gap, rate=rate)(np.asarray(label), generator(seed)).tolist()


def test_gaps_up_to_the_limit_are_filled():
    line = [[1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1]]
    assert merge(line, 0) == line
    assert merge(line, 1) == [[1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1]]
    assert merge(line, 2) == [[1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1]]
    assert merge(line, 3) == [[1] * 11]


def test_the_larger_object_gives_its_class():
    assert merge([[1, 2, 2, 0, 1]], 0) == [[2, 2, 2, 0, 1]]
    assert merge([[1, 2, 2, 0, 1, 1, 1]], 1) == [[1, 1, 1, 1, 1, 1, 1]]
    assert merge([[2, 2, 1, 1]], 0) == [[2, 2, 2, 2]]  # of equals the first


def test_corners_touch():
    assert merge([[1, 0], [0, 2], [0, 2]], 0) == [[2, 0], [0, 2], [0, 2]]


def test_only_the_space_between_is_filled():
    label = np.zeros((7, 9), dtype=int)
    label[2:5, 1:4] = 1
    label[2:5, 5:8] = 1
    expected = label.copy()
    expected[2:5, 4] = 1
    assert merge(label, 1) == expected.tolist()


def test_ignore_between_two_objects_stays():
    assert merge([[1, 255, 0, 2, 2]], 1) == [[1, 255, 0, 2, 2]]
    assert merge([[1, 255, 0, 2, 2]], 2) == [[2, 255, 2, 2, 2]]


def test_each_pair_is_merged_at_the_stated_rate():
    pair = np.array([[1, 0, 1, 0, 0, 0, 0, 0, 0, 0]])
    merged = sum(merge(pair, 1, 0.3, seed) != pair.tolist() for seed in range(600))
    assert binomtest(merged, 600, 0.3).pvalue > 1e-3


@pytest.mark.parametrize("label", [[[0, 0]], [[1, 1]], [[255, 255]]])
def test_fewer_than_two_objects_stay(label):
    assert merge(label, 5) == label
