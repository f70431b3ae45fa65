"""Overlap metrics against hand-worked tables, limits and invariances."""

import numpy as np
import pytest

from metastructure.contingency import contingency_table
from metastructure.metrics import accuracy, dice, foreground_dice, iou, mean_iou, nanmean

# truth 0: 5 right, 1 called 1.  truth 1: 2 called 0, 3 right, 1 called 2.  truth 2: 4 called 1, 0 right.
TABLE = np.array([[5, 1, 0], [2, 3, 1], [0, 4, 0]])


def test_hand_worked_three_classes() -> None:
    # class 0: TP 5, FN 1, FP 2; class 1: TP 3, FN 3, FP 5; class 2: TP 0, FN 4, FP 1
    np.testing.assert_allclose(dice(TABLE), [10 / 13, 6 / 14, 0.0])
    np.testing.assert_allclose(iou(TABLE), [5 / 8, 3 / 11, 0.0])
    assert accuracy(TABLE) == pytest.approx(8 / 16)
    assert mean_iou(TABLE) == pytest.approx((5 / 8 + 3 / 11) / 3)
    assert foreground_dice(TABLE) == pytest.approx(3 / 14)


def test_perfect_and_disjoint() -> None:
    assert dice(np.diag([3, 4])).tolist() == [1, 1]
    assert dice(np.array([[0, 3], [4, 0]])).tolist() == [0, 0]


def test_absent_class_is_nan_and_means_skip_it() -> None:
    table = np.array([[5, 0, 0], [0, 0, 0], [1, 0, 2]])
    assert np.isnan(dice(table)[1])
    assert mean_iou(table) == pytest.approx((5 / 6 + 2 / 3) / 2)
    assert np.isnan(mean_iou(np.zeros((2, 2), int)))
    assert np.isnan(accuracy(np.zeros((2, 2), int)))


def test_class_permutation_permutes_the_values() -> None:
    order = [2, 0, 1]
    np.testing.assert_allclose(dice(TABLE[np.ix_(order, order)]), dice(TABLE)[order])


def test_swapping_truth_and_prediction_keeps_the_overlap() -> None:
    np.testing.assert_allclose(dice(TABLE.T), dice(TABLE))
    np.testing.assert_allclose(iou(TABLE.T), iou(TABLE))


def test_one_value_per_table_of_a_stack() -> None:
    stack = np.stack([TABLE, np.diag([1, 2, 3])])
    np.testing.assert_allclose(dice(stack)[0], dice(TABLE))
    np.testing.assert_allclose(accuracy(stack), [0.5, 1.0])


def test_against_sets_of_pixels() -> None:
    draw = np.random.default_rng(3)
    truth, prediction = draw.integers(0, 4, (2, 13, 17))
    values = dice(contingency_table(truth, prediction, 4))
    for klass in range(4):
        a = set(np.flatnonzero(truth == klass))
        b = set(np.flatnonzero(prediction == klass))
        assert values[klass] == pytest.approx(2 * len(a & b) / (len(a) + len(b)))


def test_a_table_that_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., C, C\)"):
        dice(np.zeros((2, 3), int))


def test_nanmean_of_nothing_is_nan_without_a_warning() -> None:
    assert np.isnan(nanmean(np.array([np.nan, np.nan])))
