"""The contingency table against a plain loop, and the conventions on rows, columns and IGNORE."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metastructure.contingency import changed_rate, contingency_table

QUICK = settings(deadline=None, derandomize=True, max_examples=40)
PIXELS = st.sampled_from([0, 1, 2, 255])


def count_by_loop(clean, other, num_classes):
    table = [[0] * num_classes for _ in range(num_classes)]
    for a, b in zip(clean.ravel().tolist(), other.ravel().tolist(), strict=True):
        if a != 255 and b != 255:
            table[a][b] += 1
    return table


def test_rows_are_clean_and_columns_noisy():
    clean = np.array([[0, 0, 0], [1, 1, 2]], dtype=np.uint8)
    noisy = np.array([[0, 1, 1], [1, 2, 2]], dtype=np.uint8)
    # clean 0 -> one 0, two 1; clean 1 -> one 1, one 2; clean 2 -> one 2
    assert contingency_table(clean, noisy).tolist() == [[1, 2, 0], [0, 1, 1], [0, 0, 1]]


def test_ignore_in_either_label_is_not_counted():
    clean = np.array([[0, 255, 1, 255]])
    noisy = np.array([[255, 1, 1, 255]])
    assert contingency_table(clean, noisy).tolist() == [[0, 0], [0, 1]]


@QUICK
@given(arrays(np.uint8, (2, 3, 4), elements=PIXELS), arrays(np.uint16, (2, 3, 4), elements=PIXELS))
def test_equals_a_plain_loop(clean, other):
    assert contingency_table(clean, other, num_classes=4).tolist() == count_by_loop(clean, other, 4)
    assert contingency_table(other, clean, 4).tolist() == contingency_table(clean, other, 4).T.tolist()


def test_many_classes_do_not_overflow_uint8():
    clean = np.array([[254, 0]], dtype=np.uint8)
    table = contingency_table(clean, clean)
    assert table.shape == (255, 255)
    assert table[254, 254] == table[0, 0] == 1
    assert table.sum() == 2


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(2, 1\)"):
        contingency_table(np.zeros((1, 2), int), np.zeros((2, 1), int))


def test_the_error_says_which_label_is_wrong():
    with pytest.raises(ValueError, match="other holds class 2"):
        contingency_table(np.array([[1]]), np.array([[2]]), num_classes=2)


def test_changed_rate_by_hand_and_empty():
    assert changed_rate(np.array([[5, 2], [1, 2]])) == 0.3
    assert math.isnan(changed_rate(np.zeros((2, 2), dtype=int)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.int64, np.uint64])
def test_every_integer_type_counts_alike(dtype: type) -> None:
    clean, other = (np.array(rows, dtype) for rows in ([[0, 1, 2, 255]], [[0, 2, 2, 1]]))
    assert contingency_table(clean, other).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
