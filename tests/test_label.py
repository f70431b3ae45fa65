"""The label contract: what passes, what is refused, and in which words."""

import numpy as np
import pytest

from metastructure.label import IGNORE, check_label, count_classes, is_ignored


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 3)])
def test_valid_label_comes_back_as_the_same_object(dtype, shape):
    label = np.ones(shape, dtype=dtype)
    label.flat[0] = IGNORE
    assert check_label(label, num_classes=2) is label


def test_class_254_is_the_last_one():
    assert check_label(np.array([[0, 254, 255]])).max() == 255
    with pytest.raises(ValueError, match="holds class 256"):
        check_label(np.array([[0, 256]]))


@pytest.mark.parametrize(
    ("label", "error", "words"),
    [
        ([[0, 1]], TypeError, "numpy array of integers; got list"),
        (np.array([[0.0, 1.0]]), TypeError, "float64"),
        (np.array([[False, True]]), TypeError, "bool"),
        (np.array([[0, 1]], dtype=np.int8), TypeError, "int8, which cannot hold IGNORE"),
        (np.array([0, 1]), ValueError, r"shape \(2,\)"),
        (np.zeros((1, 2, 3, 4), dtype=int), ValueError, r"\(H, W\) or \(D, H, W\)"),
        (np.zeros((0, 3), dtype=int), ValueError, "no pixels"),
        (np.array([[0, -1]]), ValueError, "holds class -1"),
        (np.array([[0, 2, 1]]), ValueError, r"class 2; classes must lie in 0\.\.1"),
    ],
)
def test_broken_label_is_refused_with_its_name(label, error, words):
    with pytest.raises(error, match=words) as caught:
        check_label(label, num_classes=2, name="cell_07.png")
    assert str(caught.value).startswith("cell_07.png")


def test_count_classes_skips_ignore_and_is_at_least_two():
    assert count_classes(np.array([[0, 255, 4]])) == 5
    assert count_classes(np.array([[0, 0]])) == 2
    assert count_classes(np.array([[255, 255]])) == 2


def test_is_ignored_marks_255_only():
    assert is_ignored(np.array([[254, 255, 0]])).tolist() == [[False, True, False]]
